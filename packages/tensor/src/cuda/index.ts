import '../polyfill.js'
import { CudaDevice, type CudaOptions } from './device.js'
import { type Driver, loadDriver } from './driver.js'
import { checkToolkit } from './toolkit.js'

export { CaptureError, CudaError } from './cuda-error.js'
export { CudaDevice, type CudaOptions, type Fork } from './device.js'
export { type Driver, type DriverFunction, driverOver } from './driver.js'
export type { CudaEvent } from './event.js'
export type { NativeArgument } from './ffi.js'
export type { CudaGraph } from './graph.js'
export type { CudaArgument, CudaKernel, LaunchShape } from './launch.js'
export type { CudaModule } from './module.js'
export { type CudaPrimitives, createCudaPrimitives, type SortedWidePairs } from './primitives.js'
export type { KernelTime } from './profile.js'

/**
 * The GPU `index` of this machine. Node only.
 * @param driver another than the driver of this machine, for tests
 * @throws DeviceUnavailableError says what is missing
 */
export async function createCudaDevice(options: CudaOptions = {}, driver?: Driver): Promise<CudaDevice> {
  const used = driver ?? loadDriver()
  await checkToolkit(used)
  return new CudaDevice(used, options)
}
