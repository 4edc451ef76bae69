import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import type { StereoOperators } from './contract.js'
import { createOperators } from './operators.js'

// As in the kernels.
const tile = [16, 8] as const

export async function createStereoOperators(device: Device): Promise<StereoOperators> {
  const gpu = narrow(device)
  const load = (file: string) => gpu.load(new URL(`../dist/kernels/${file}.wgsl.json`, import.meta.url))
  const kernels = {
    matchCosts: (await load('costs')).kernel('matchCosts'),
    seedPlanes: (await load('seed')).kernel('seedPlanes'),
    liftPlanes: (await load('lift')).kernel('liftPlanes'),
    sweepPlanes: (await load('sweep')).kernel('sweepPlanes'),
    checkConsistency: (await load('consistency')).kernel('checkConsistency'),
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
