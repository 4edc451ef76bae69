import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import type { HashGrid, HashGridConfig, HashGridOptions } from './contract.js'

/**
 * A hash grid on `device`. The table belongs to the caller: `device.from(initializeTable(config, seed), [E, F])`.
 * @throws ArgumentError for a config out of bounds, DeviceUnavailableError for a device without kernels
 */
export async function createHashGrid(
  device: Device,
  config: HashGridConfig,
  options: HashGridOptions = {},
): Promise<HashGrid> {
  switch (device.kind) {
    case 'wasm':
      return (await import('./wasm.js')).createWasmHashGrid(device, config)
    case 'cuda':
      return (await import('./cuda.js')).createCudaHashGrid(device, config)
    case 'webgpu':
      return (await import('./webgpu.js')).createWebgpuHashGrid(device, config, options)
    default:
      throw new DeviceUnavailableError(device.kind satisfies never, 'there is no such device', 'Use a wasm device')
  }
}
