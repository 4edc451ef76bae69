import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import type { HashGrid, HashGridConfig } from './contract.js'

/**
 * A hash grid on `device`. The table belongs to the caller: `device.from(initializeTable(config, seed), [E, F])`.
 * @throws ArgumentError for a config out of bounds, DeviceUnavailableError for a device without kernels
 */
export async function createHashGrid(device: Device, config: HashGridConfig): Promise<HashGrid> {
  switch (device.kind) {
    case 'wasm':
      return (await import('./wasm.js')).createWasmHashGrid(device, config)
    case 'cuda':
      return (await import('./cuda.js')).createCudaHashGrid(device, config)
    case 'webgpu':
      throw new DeviceUnavailableError(device.kind, 'hashgrid has no kernels for it', 'Use a wasm device')
    default:
      throw new DeviceUnavailableError(device.kind satisfies never, 'there is no such device', 'Use a wasm device')
  }
}
