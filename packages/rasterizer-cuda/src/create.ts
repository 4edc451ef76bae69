import { type RasterizerFactory, rasterizerConfig } from '@clipgstream/rasterizer'
import { DeviceUnavailableError } from '@clipgstream/tensor'
import { CudaDevice } from '@clipgstream/tensor/cuda'
import { CudaRasterizer } from './cuda.js'

/**
 * The rasterizer of a CUDA device.
 * @throws ArgumentError for a value of `config` out of its range; DeviceUnavailableError for another kind of device, and
 * when the kernels are not built
 */
export const createRasterizer: RasterizerFactory = async (device, config) => {
  const complete = rasterizerConfig(config)
  if (!(device instanceof CudaDevice)) {
    throw new DeviceUnavailableError(
      device.kind,
      '@clipgstream/rasterizer-cuda has no kernels for it',
      'Use the rasterizer package of that device, or a device of createCudaDevice()',
    )
  }
  return CudaRasterizer.create(device, complete)
}
