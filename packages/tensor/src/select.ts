import { DeviceUnavailableError } from './errors.js'
import type { Device } from './tensor.js'

export type DeviceName = 'auto' | 'wasm' | 'webgpu' | 'cuda'

export const deviceNames = ['auto', 'wasm', 'webgpu', 'cuda'] as const satisfies readonly DeviceName[]

export interface SelectOptions {
  /** Threads of the wasm device; all cores by default. */
  threads?: number
}

/**
 * The device called `name`; `auto` takes the best that this installation has.
 * A device that was asked for by name and is missing is an error, never replaced by another.
 */
export async function selectDevice(name: DeviceName = 'auto', options: SelectOptions = {}): Promise<Device> {
  switch (name) {
    case 'auto':
    case 'wasm': {
      const { createWasmDevice } = await import('./wasm/index.js')
      return createWasmDevice(options)
    }
    case 'webgpu':
    case 'cuda':
      throw new DeviceUnavailableError(name, 'this version has no kernels for it', 'Use --device wasm')
    default:
      throw new DeviceUnavailableError(
        String(name satisfies never),
        'there is no such device',
        `Use one of ${deviceNames.join(', ')}`,
      )
  }
}
