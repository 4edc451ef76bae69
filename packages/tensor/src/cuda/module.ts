import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { ArgumentError, DeviceUnavailableError, KernelError } from '../errors.js'
import { CudaError } from './cuda-error.js'
import type { Driver } from './driver.js'
import { CudaKernel } from './launch.js'

/** Kernels of one fatbin by name. */
export interface CudaModule {
  /**
   * The `extern "C" __global__` function of that name. `signature` has a letter an argument: p pointer (or any 64-bit
   * unsigned number), i i32, u u32, f f32, d f64; a struct by value is the sequence of its members.
   */
  kernel(name: string, signature: string): CudaKernel
}

export interface Module extends CudaModule {
  readonly handle: number
}

const notFound = 500

export function readImage(url: URL): Promise<Uint8Array> {
  return readFile(url).catch((cause: unknown) => {
    const reason = `kernels not built (there is no ${fileURLToPath(url)})`
    throw new DeviceUnavailableError('cuda', reason, 'Build the package with nvcc on PATH', { cause })
  })
}

export function loadModule(driver: Driver, url: URL, image: Uint8Array): Module {
  const out = new BigUint64Array(1)
  const code = driver.raw('cuModuleLoadData', out, image)
  if (code !== 0) {
    const reason = `the module could not be loaded: ${driver.nameOf(code)} (${code})`
    throw new KernelError(fileURLToPath(url), `${reason}. Install driver 580 or newer, or build it for this GPU`)
  }
  const handle = Number(out[0])
  const kernels = new Map<string, CudaKernel>()
  return {
    handle,
    kernel(name, signature) {
      const known = kernels.get(name)
      if (known && known.signature === signature) return known
      const function_ = new BigUint64Array(1)
      const found = driver.raw('cuModuleGetFunction', function_, handle, name)
      if (found === notFound) throw new ArgumentError(url.pathname, 'kernel', name, 'an extern "C" __global__ function')
      if (found !== 0) throw new CudaError('cuModuleGetFunction', found, driver.nameOf(found))
      const kernel = new CudaKernel(name, Number(function_[0]), signature)
      kernel.verify(driver)
      kernels.set(name, kernel)
      return kernel
    },
  }
}
