import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import type { Rasterizer, RasterizerConfig, RasterizerFactory } from './contract.js'

/** Loads a backend package: `() => import('@clipgstream/rasterizer-wasm-reference')`. */
export type RasterizerBackend = () => Promise<{ createRasterizer: RasterizerFactory }>

/** The backends that an application ships, by kind of device. */
export interface RasterizerBackends {
  wasm?: RasterizerBackend
  webgpu?: RasterizerBackend
  cuda?: RasterizerBackend
}

const packages = {
  wasm: '@clipgstream/rasterizer-wasm-reference',
  webgpu: '@clipgstream/rasterizer-webgpu',
  cuda: '@clipgstream/rasterizer-cuda',
}

/**
 * The rasterizer of the device's kind. Only that backend is loaded.
 * @throws DeviceUnavailableError when `backends` has none for the device; ArgumentError for a bad configuration
 */
export async function createRasterizer(
  device: Device,
  backends: RasterizerBackends,
  config: Partial<RasterizerConfig> = {},
): Promise<Rasterizer> {
  const backend = backends[device.kind]
  if (!backend) {
    const name = packages[device.kind]
    throw new DeviceUnavailableError(
      device.kind,
      'no rasterizer backend for it was given',
      `Install ${name} and pass { ${device.kind}: () => import('${name}') }`,
    )
  }
  const { createRasterizer } = await backend()
  return createRasterizer(device, config)
}
