import { DeviceUnavailableError } from '../errors.js'

// What a browser bundle gets in place of ./index.ts: the names that device-dependent code uses, and no native code.

export { CaptureError, CudaError } from './cuda-error.js'

/** No device is an instance of it here. */
export class CudaDevice {}

export async function createCudaDevice(): Promise<never> {
  throw new DeviceUnavailableError('cuda', 'browsers do not offer it', 'Use webgpu or wasm')
}

export const createCudaPrimitives = createCudaDevice
