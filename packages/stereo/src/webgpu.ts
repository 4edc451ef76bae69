import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import type { StereoOperators } from './contract.js'
import { createOperators } from './operators.js'

// As in the kernels.
const tile = [16, 8] as const

export async function createStereoOperators(device: Device): Promise<StereoOperators> {
  const gpu = narrow(device)
  // Whole addresses, which bundlers find.
  const costs = await gpu.load(new URL('../dist/kernels/costs.wgsl.json', import.meta.url))
  const seed = await gpu.load(new URL('../dist/kernels/seed.wgsl.json', import.meta.url))
  const lift = await gpu.load(new URL('../dist/kernels/lift.wgsl.json', import.meta.url))
  const sweep = await gpu.load(new URL('../dist/kernels/sweep.wgsl.json', import.meta.url))
  const consistency = await gpu.load(new URL('../dist/kernels/consistency.wgsl.json', import.meta.url))
  const kernels = {
    matchCosts: costs.kernel('matchCosts'),
    seedPlanes: seed.kernel('seedPlanes'),
    liftPlanes: lift.kernel('liftPlanes'),
    sweepPlanes: sweep.kernel('sweepPlanes'),
    checkConsistency: consistency.kernel('checkConsistency'),
  }
  return createOperators(device, (name, { width, height }, tensors, numbers) => {
    const columns = name === 'sweepPlanes' ? Math.ceil(width / 2) : width
    gpu.launch(kernels[name], Math.ceil(columns / tile[0]) * Math.ceil(height / tile[1]), numbers, tensors)
  })
}

function narrow(device: Device): WebgpuDevice {
  if (device instanceof WebgpuDevice) return device
  throw new DeviceUnavailableError(device.kind, 'stereo was given another device', 'Pass a webgpu device')
}
