import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import type { StereoOperators } from './contract.js'

/** The kernels of stereo on `device`. @throws DeviceUnavailableError for a device without kernels */
export async function createStereoOperators(device: Device): Promise<StereoOperators> {
  switch (device.kind) {
    case 'wasm':
      return (await import('./wasm.js')).createStereoOperators(device)
    case 'cuda':
      return (await import('./cuda.js')).createStereoOperators(device)
    case 'webgpu':
      return (await import('./webgpu.js')).createStereoOperators(device)
    default:
      throw new DeviceUnavailableError(device.kind satisfies never, 'there is no such device', 'Use a wasm device')
  }
}
