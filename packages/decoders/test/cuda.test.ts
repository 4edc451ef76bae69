import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { headsSuite } from './suite.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`decoders on CUDA: SKIPPED, ${error.message}`)
  return null
})

headsSuite('CUDA', device, {
  exact: ['fp32', 'tf32x3'],
  coarse: ['tf32'],
  counts: [0, 1, 127, 128, 129, 257, 300, 4_000_000_000],
})
