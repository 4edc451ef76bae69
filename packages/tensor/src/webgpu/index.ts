import '../polyfill.js'
import { host as files } from '#host'
import { host } from '#webgpu'
import { type AdapterOptions, openAdapter } from './adapter.js'
import { type DeviceOptions, WebgpuDevice } from './device.js'

export type { AdapterOptions, WebgpuFeature } from './adapter.js'
export { type DeviceOptions, WebgpuDevice } from './device.js'
export type { Bindings, Setting, Settings, WebgpuKernel } from './kernel.js'
export type { Workgroups } from './launch.js'
export { wantedLimits } from './limits.js'
export type { WebgpuModule } from './module.js'
export {
  createWebgpuPrimitives,
  type WebgpuPrimitives,
  type WebgpuPrimitivesOptions,
  type WebgpuSortRange,
} from './primitives.js'
export type { KernelTime } from './profile.js'
export type { Ranking } from './sort.js'
export { BindingLimitError, DeviceLostError, WebgpuError } from './webgpu-error.js'

export type WebgpuOptions = AdapterOptions & DeviceOptions

/**
 * A GPU of this machine through WebGPU: the fastest hardware adapter, or what `adapter` names.
 * @throws DeviceUnavailableError says what was found instead, and how to get what is missing
 */
export async function createWebgpuDevice(options: WebgpuOptions = {}): Promise<WebgpuDevice> {
  const { blocking = host.environment('CLIPGSTREAM_WEBGPU_BLOCKING') === '1' } = options
  const opened = await openAdapter(host, options)
  return WebgpuDevice.create(opened, { ...options, blocking }, files.readBytes)
}
