import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { validate } from './config.js'
import type { Heads, HeadsConfig, HeadsOptions } from './contract.js'

/**
 * The heads on `device`. Raises ArgumentError for a width that is not a positive integer or an unknown precision,
 * DeviceUnavailableError where the device has no kernels for them.
 */
export async function createHeads(device: Device, config: HeadsConfig, options: HeadsOptions = {}): Promise<Heads> {
  validate('createHeads', config)
  switch (device.kind) {
    case 'wasm':
      return (await import('./wasm.js')).createWasmHeads(device, config)
    case 'cuda':
      return (await import('./cuda.js')).createCudaHeads(device, config, options)
    case 'webgpu':
      return (await import('./webgpu.js')).createWebgpuHeads(device, config)
    default:
      throw new DeviceUnavailableError(String(device.kind satisfies never), 'unknown device', 'Use the wasm device')
  }
}
