import { createRasterizer } from '@clipgstream/rasterizer-cuda'
import { DeviceUnavailableError } from '@clipgstream/tensor'
import { createCudaDevice } from '@clipgstream/tensor/cuda'

/** Why the tests of a GPU do not run here, or undefined. */
export async function whyNoGpu(): Promise<string | undefined> {
  try {
    using device = await createCudaDevice()
    await createRasterizer(device)
    return undefined
  } catch (error) {
    if (error instanceof DeviceUnavailableError) return error.message
    throw error
  }
}
