import { ArgumentError, type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { type AnchorConfig, type AnchorOperators, defaultAnchorConfig } from './contract.js'

/** The anchor operators on `device`; {@link defaultAnchorConfig} for what `config` leaves out. */
export async function createAnchorOperators(
  device: Device,
  config: Partial<AnchorConfig> = {},
): Promise<AnchorOperators> {
  const complete = { ...defaultAnchorConfig, ...config }
  for (const name of ['near', 'dilation'] as const) {
    const value = complete[name]
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
      throw new ArgumentError('createAnchorOperators', name, value, 'a number of at least 0')
  }
  switch (device.kind) {
    case 'wasm':
      return (await import('./wasm.js')).createWasmAnchorOperators(device, complete)
    case 'cuda':
      return (await import('./cuda.js')).createCudaAnchorOperators(device, complete)
    case 'webgpu':
      return (await import('./webgpu.js')).createWebgpuAnchorOperators(device, complete)
    default:
      throw new DeviceUnavailableError(String(device.kind satisfies never), 'there is no such device', 'Use wasm')
  }
}
