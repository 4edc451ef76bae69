import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import type { Adam } from './contract.js'

/**
 * The optimizer of `device`. It has no state of its own: moments are tensors of the caller, one {@link Adam.state} a parameter.
 * @throws DeviceUnavailableError for a device without kernels
 */
export async function createAdam(device: Device): Promise<Adam> {
  switch (device.kind) {
    case 'wasm':
      return (await import('./wasm.js')).createWasmAdam(device)
    case 'cuda':
      return (await import('./cuda.js')).createCudaAdam(device)
    case 'webgpu':
      return (await import('./webgpu.js')).createWebgpuAdam(device)
    default:
      throw new DeviceUnavailableError(device.kind satisfies never, 'there is no such device', 'Use a wasm device')
  }
}
