import { type RasterizerFactory, rasterizerConfig } from '@clipgstream/rasterizer'
import { DeviceUnavailableError } from '@clipgstream/tensor'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import { WebgpuRasterizer } from './webgpu.js'

/**
 * The rasterizer of a WebGPU device.
 * @throws ArgumentError for a value of `config` out of its range; DeviceUnavailableError for another kind of device
 */
export const createRasterizer: RasterizerFactory = async (device, config) => {
  const complete = rasterizerConfig(config)
  if (!(device instanceof WebgpuDevice)) {
    throw new DeviceUnavailableError(
      device.kind,
      '@clipgstream/rasterizer-webgpu has no kernels for it',
      'Use the rasterizer package of that device, or a device of createWebgpuDevice()',
    )
  }
  return WebgpuRasterizer.create(device, complete)
}
