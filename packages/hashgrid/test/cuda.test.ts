import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { hashGridSuite } from './suite.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`hash grid on CUDA: SKIPPED, ${error.message}`)
  return null
})

hashGridSuite('CUDA', device, { repeats: [false] })
