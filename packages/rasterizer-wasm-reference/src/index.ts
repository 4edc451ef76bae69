import { type RasterizerFactory, rasterizerConfig } from '@clipgstream/rasterizer'
import { DeviceUnavailableError } from '@clipgstream/tensor'
import { WasmDevice } from '@clipgstream/tensor/wasm'
import { WasmRasterizer } from './wasm.js'

/**
 * The rasterizer of a wasm device.
 * @throws ArgumentError for a value of `config` out of its range; DeviceUnavailableError for another kind of device
 */
export const createRasterizer: RasterizerFactory = async (device, config) => {
  const complete = rasterizerConfig(config)
  if (!(device instanceof WasmDevice)) {
    throw new DeviceUnavailableError(
      device.kind,
      '@clipgstream/rasterizer-wasm-reference has no kernels for it',
      'Use the rasterizer package of that device, or a device of createWasmDevice()',
    )
  }
  return WasmRasterizer.create(device, complete)
}
