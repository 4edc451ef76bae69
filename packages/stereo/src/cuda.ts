import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { CudaDevice } from '@clipgstream/tensor/cuda'
import type { StereoOperators } from './contract.js'
import { createOperators } from './operators.js'

// As in the kernels.
const block = [16, 8] as const

// Letters as in kernels/match.cu and consistency.cu: pointers, then numbers in the order of operators.ts.
const patchNumbers = 'fff'
const searchTables = 'pppppp'
const searchNumbers = `iiiiiii${patchNumbers}ffffff`

export async function createStereoOperators(device: Device): Promise<StereoOperators> {
  const cuda = narrow(device)
  const match = await cuda.load(new URL('../dist/kernels/match.fatbin', import.meta.url))
  const consistency = await cuda.load(new URL('../dist/kernels/consistency.fatbin', import.meta.url))
  const kernels = {
    matchCosts: match.kernel('matchCosts', `ppppppiiiii${patchNumbers}`),
    seedPlanes: match.kernel('seedPlanes', `${searchTables}${searchNumbers}ui`),
    liftPlanes: match.kernel('liftPlanes', `p${searchTables}iii${searchNumbers}i`),
    sweepPlanes: match.kernel('sweepPlanes', `${searchTables}${searchNumbers}uiiffi`),
    checkConsistency: consistency.kernel('checkConsistency', 'ppppiiiiffffffffi'),
  }
  return createOperators(device, (name, { width, height }, tensors, numbers) => {
    const columns = name === 'sweepPlanes' ? Math.ceil(width / 2) : width
    const grid = [Math.ceil(columns / block[0]), Math.ceil(height / block[1])] as const
    cuda.launch(kernels[name], { grid, block }, ...Object.values(tensors), ...Object.values(numbers))
  })
}

function narrow(device: Device): CudaDevice {
  if (device instanceof CudaDevice) return device
  throw new DeviceUnavailableError(device.kind, 'stereo was given another device', 'Pass a cuda device')
}
