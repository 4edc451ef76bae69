import '../polyfill.js'
import { host } from '#host'
import { WasmDevice, type WasmOptions } from './device.js'

export type { KernelArgument, WasmModule, WasmOptions } from './device.js'
export { WasmDevice } from './device.js'
export type { Kernel } from './pool.js'

/** The WebAssembly device of this environment: Node, or a browser page or worker. */
export function createWasmDevice(options: WasmOptions = {}): Promise<WasmDevice> {
  return WasmDevice.create(host, options)
}
