import { DeviceUnavailableError } from '../errors.js'
import { CudaError } from './cuda-error.js'
import { LibraryError, type NativeArgument, openLibrary, readText, viewMemory } from './ffi.js'

const signatures = {
  cuInit: 'u',
  cuDriverGetVersion: 'b',
  cuDeviceGetCount: 'b',
  cuDeviceGet: 'bi',
  cuDeviceGetName: 'bii',
  cuDeviceGetAttribute: 'bii',
  cuDevicePrimaryCtxRetain: 'bi',
  cuDevicePrimaryCtxRelease_v2: 'i',
  cuCtxSetCurrent: 'p',
  cuMemGetInfo_v2: 'bb',
  cuMemAlloc_v2: 'bp',
  cuMemFree_v2: 'p',
  cuMemAllocHost_v2: 'bp',
  cuMemFreeHost: 'p',
  cuMemcpyHtoDAsync_v2: 'pppp',
  cuMemcpyDtoHAsync_v2: 'pppp',
  cuMemcpyDtoDAsync_v2: 'pppp',
  cuMemsetD8Async: 'pupp',
  cuMemsetD16Async: 'pupp',
  cuMemsetD32Async: 'pupp',
  cuStreamCreate: 'bu',
  cuStreamDestroy_v2: 'p',
  cuStreamSynchronize: 'p',
  cuStreamWaitEvent: 'ppu',
  cuEventCreate: 'bu',
  cuEventDestroy_v2: 'p',
  cuEventRecord: 'pp',
  cuEventSynchronize: 'p',
  cuEventQuery: 'p',
  cuEventElapsedTime: 'bpp',
  cuModuleLoadData: 'bb',
  cuModuleUnload: 'p',
  cuModuleGetFunction: 'bps',
  cuFuncSetAttribute: 'pii',
  cuFuncGetParamInfo: 'ppbb',
  cuLaunchKernel: 'puuuuuuuppp',
  cuStreamBeginCapture_v2: 'pi',
  cuStreamEndCapture: 'pb',
  cuGraphInstantiateWithFlags: 'bpp',
  cuGraphLaunch: 'pp',
  cuGraphDestroy: 'p',
  cuGraphExecDestroy: 'p',
  cuGetErrorName: 'ib',
} as const

export type DriverFunction = keyof typeof signatures

/** The part of the CUDA driver API that the device uses. */
export interface Driver {
  /** Calls and returns the result code. */
  raw(name: DriverFunction, ...args: NativeArgument[]): number
  /** Calls, and throws a CudaError unless the result is 0. */
  call(name: DriverFunction, ...args: NativeArgument[]): void
  /** Calls a function whose first argument is a 64-bit result, and returns that. */
  handle(name: DriverFunction, ...args: NativeArgument[]): number
  /** Calls a function whose first argument is a 32-bit result, and returns that. */
  integer(name: DriverFunction, ...args: NativeArgument[]): number
  /** CUDA's name of a result code. */
  nameOf(code: number): string
  /** Host memory at `address`, without a copy. */
  view(address: number, bytes: number): ArrayBuffer
}

const remedy = 'Install NVIDIA driver 580 or newer, or use --device wasm'
let loaded: Driver | undefined

/** The driver of this machine, initialised. @throws DeviceUnavailableError says what is missing. */
export function loadDriver(): Driver {
  loaded ??= initialise()
  return loaded
}

function initialise(): Driver {
  // Count GPUs as nvidia-smi does; by default CUDA puts the fastest first.
  process.env['CUDA_DEVICE_ORDER'] ??= 'PCI_BUS_ID'
  const functions = open()
  const nameOf = (code: number): string => {
    const out = new BigUint64Array(1)
    return functions.cuGetErrorName(code, out) === 0 ? readText(out) : 'an unknown code'
  }
  const driver = driverOver((name, args) => functions[name](...args), nameOf, viewMemory)
  const code = driver.raw('cuInit', 0)
  if (code !== 0) {
    const reason = `the NVIDIA driver could not start: ${nameOf(code)} (${code})`
    throw new DeviceUnavailableError('cuda', reason, 'Look at nvidia-smi, or use --device wasm')
  }
  return driver
}

function open() {
  const path = process.platform === 'win32' ? 'nvcuda.dll' : 'libcuda.so.1'
  try {
    return openLibrary(path, signatures)
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error
    const reason = error.missing ? `the driver is too old, it has no ${error.missing}` : `no NVIDIA driver (${path})`
    throw new DeviceUnavailableError('cuda', reason, remedy, { cause: error })
  }
}

/** A driver over a function that calls by name. */
export function driverOver(
  raw: (name: DriverFunction, args: NativeArgument[]) => number,
  nameOf: (code: number) => string,
  view: (address: number, bytes: number) => ArrayBuffer,
): Driver {
  const out64 = new BigUint64Array(1)
  const out32 = new Int32Array(1)
  const call = (name: DriverFunction, args: NativeArgument[]) => {
    const code = raw(name, args)
    if (code !== 0) throw new CudaError(name, code, nameOf(code))
  }
  return {
    raw: (name, ...args) => raw(name, args),
    call: (name, ...args) => call(name, args),
    handle(name, ...args) {
      call(name, [out64, ...args])
      return Number(out64[0])
    },
    integer(name, ...args) {
      call(name, [out32, ...args])
      return out32[0] ?? 0
    },
    nameOf,
    view,
  }
}

/** A driver whose calls happen in one context: a process may use several GPUs, and a thread has one current context. */
export interface ContextDriver extends Driver {
  /** Whether `release` has been called; all calls then fail without reaching the driver, whose handles are gone. */
  readonly released: boolean
  /** What `release` calls first: destroys handles that nobody has destroyed. */
  readonly atRelease: Set<() => void>
  /** Makes the context current, for calls that go around this driver. */
  enter(): void
  /**
   * Keeps the context until the process ends. The CUDA runtime inside of native libraries remembers what it loaded there
   * and would not notice that the context is another one.
   */
  pin(): void
  /** Releases the device; the context is gone with its last user. */
  release(): void
}

/** CUDA_ERROR_CONTEXT_IS_DESTROYED */
const contextIsDestroyed = 709
let current = 0
const pinned = new Set<number>()

/** The primary context of `device`, which the CUDA runtime of native libraries shares. */
export function inContext(driver: Driver, device: number): ContextDriver {
  const context = driver.handle('cuDevicePrimaryCtxRetain', device)
  const enter = () => {
    if (current === context) return
    driver.call('cuCtxSetCurrent', context)
    current = context
  }
  let released = false
  const atRelease = new Set<() => void>()
  const raw = (name: DriverFunction, args: NativeArgument[]): number => {
    if (released) return contextIsDestroyed
    enter()
    return driver.raw(name, ...args)
  }
  return {
    ...driverOver(raw, driver.nameOf, driver.view),
    get released() {
      return released
    },
    atRelease,
    enter,
    pin() {
      if (pinned.has(device)) return
      pinned.add(device)
      driver.handle('cuDevicePrimaryCtxRetain', device)
    },
    release() {
      if (released) return
      for (const destroy of [...atRelease]) destroy()
      released = true
      driver.raw('cuCtxSetCurrent', 0)
      current = 0
      driver.raw('cuDevicePrimaryCtxRelease_v2', device)
    },
  }
}
