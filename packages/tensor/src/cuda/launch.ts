import { ArgumentError, KernelError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { CudaError } from './cuda-error.js'
import type { Driver } from './driver.js'

/** Tensors are passed by address (null as 0), booleans as 0 or 1. */
export type CudaArgument = Tensor | number | boolean | null

export interface LaunchShape {
  /** Blocks; with 0 of them nothing runs. */
  grid: number | readonly [number, number?, number?]
  /** Threads of a block. */
  block: number | readonly [number, number?, number?]
  /** Dynamic shared memory in bytes. */
  sharedBytes?: number
}

const parameterBytes = 3072
const extraAt = parameterBytes
const sizeAt = parameterBytes + 64
/** Static and dynamic shared memory that every kernel may have without asking. */
const defaultSharedBytes = 48 << 10
const maxDynamicSharedBytes = 8
// The driver's CU_LAUNCH_PARAM_ constants.
const bufferPointer = 1
const bufferSize = 2

const letters: Readonly<Record<string, number>> = { p: 8, d: 8, i: 4, u: 4, f: 4 }

/** A `__global__` function and how its arguments lie in memory. */
export class CudaKernel {
  /** Bytes of all arguments. */
  readonly bytes: number
  /** Where each argument lies. */
  readonly offsets: readonly number[]
  /** Dynamic shared memory that the driver was told of. */
  sharedBytes = defaultSharedBytes

  constructor(
    readonly name: string,
    readonly handle: number,
    /** A letter an argument: p pointer, i i32, u u32, f f32, d f64. */
    readonly signature: string,
  ) {
    const offsets: number[] = []
    let at = 0
    for (const letter of signature) {
      const size = letters[letter]
      if (!size) throw new ArgumentError(name, 'signature', signature, 'letters of p, i, u, f and d')
      at = Math.ceil(at / size) * size
      offsets.push(at)
      at += size
    }
    if (at > parameterBytes) throw new ArgumentError(name, 'signature', signature, `at most ${parameterBytes} bytes`)
    this.bytes = at
    this.offsets = offsets
  }

  /**
   * Compares the signature with what was compiled; a struct is the sequence of its members, the padding behind them
   * included.
   */
  verify(driver: Driver): void {
    const [offset, size] = [new BigUint64Array(1), new BigUint64Array(1)]
    let index = 0
    let matched = 0
    for (; driver.raw('cuFuncGetParamInfo', this.handle, index, offset, size) === 0; index++) {
      const start = Number(offset[0])
      const end = start + Number(size[0])
      const inside = this.offsets.flatMap((at, i) => (at >= start && at < end ? [i] : []))
      const [first = -1] = inside
      const width = letters[this.signature[first] ?? ''] ?? 0
      if (this.offsets[first] !== start || (inside.length === 1 && width !== end - start)) {
        const reason = `argument ${index} is bytes ${start} to ${end}, which '${this.signature}' does not say`
        throw new KernelError(this.name, reason)
      }
      matched += inside.length
    }
    if (index > 0 && matched !== this.signature.length) {
      throw new KernelError(this.name, `has ${index} arguments, '${this.signature}' has more`)
    }
  }
}

/** Launches from one block of arguments that is used again every time: the driver copies it before it returns. */
export class Launcher {
  readonly #address: number
  readonly #words: Uint32Array
  readonly #integers: Int32Array
  readonly #floats: Float32Array
  readonly #doubles: Float64Array

  constructor(
    private readonly driver: Driver,
    private readonly addressOf: (tensor: Tensor) => number,
  ) {
    // Pinned, because that has an address which never changes.
    this.#address = driver.handle('cuMemAllocHost_v2', 4096)
    const memory = driver.view(this.#address, 4096)
    this.#words = new Uint32Array(memory)
    this.#integers = new Int32Array(memory)
    this.#floats = new Float32Array(memory)
    this.#doubles = new Float64Array(memory)
    const extra = [bufferPointer, this.#address, bufferSize, this.#address + sizeAt, 0]
    for (const [i, word] of extra.entries()) this.#setWide(extraAt + 8 * i, word)
  }

  launch(kernel: CudaKernel, shape: LaunchShape, args: readonly CudaArgument[], stream: number): void {
    this.#pack(kernel, args)
    const [gx, gy, gz] = extents(shape.grid)
    const [bx, by, bz] = extents(shape.block)
    if (gx * gy * gz === 0) return
    const shared = shape.sharedBytes ?? 0
    if (shared > kernel.sharedBytes) this.#allowShared(kernel, shared)
    const extra = this.#address + extraAt
    const code = this.driver.raw('cuLaunchKernel', kernel.handle, gx, gy, gz, bx, by, bz, shared, stream, 0, extra)
    if (code !== 0) {
      const what = `cuLaunchKernel of ${kernel.name} (grid ${gx}x${gy}x${gz}, block ${bx}x${by}x${bz}, ${shared} shared bytes)`
      throw new CudaError(what, code, this.driver.nameOf(code))
    }
  }

  dispose(): void {
    this.driver.raw('cuMemFreeHost', this.#address)
  }

  #pack(kernel: CudaKernel, args: readonly CudaArgument[]): void {
    const { name, signature, offsets } = kernel
    if (args.length !== signature.length) {
      throw new KernelError(name, `takes ${signature.length} arguments, got ${args.length}`)
    }
    for (let i = 0; i < args.length; i++) {
      const argument = args[i] ?? null
      const letter = signature[i]
      const at = offsets[i] ?? 0
      if (letter === 'p') {
        if (argument === null) this.#setWide(at, 0)
        else if (typeof argument === 'object') this.#setWide(at, this.addressOf(argument))
        else this.#setWide(at, integerOf(name, i, argument, 0, Number.MAX_SAFE_INTEGER))
      } else if (argument === null || typeof argument === 'object') {
        throw new ArgumentError(name, `argument ${i}`, argument ? `tensor ${argument.name}` : null, 'a number')
      } else if (letter === 'i') this.#integers[at >> 2] = integerOf(name, i, argument, -(2 ** 31), 2 ** 31 - 1)
      else if (letter === 'u') this.#words[at >> 2] = integerOf(name, i, argument, 0, 2 ** 32 - 1)
      else if (letter === 'f') this.#floats[at >> 2] = Number(argument)
      else this.#doubles[at >> 3] = Number(argument)
    }
    this.#words[sizeAt >> 2] = kernel.bytes
  }

  #setWide(at: number, value: number): void {
    this.#words[at >> 2] = value >>> 0
    this.#words[(at >> 2) + 1] = (value / 2 ** 32) >>> 0
  }

  #allowShared(kernel: CudaKernel, bytes: number): void {
    this.driver.call('cuFuncSetAttribute', kernel.handle, maxDynamicSharedBytes, bytes)
    kernel.sharedBytes = bytes
  }
}

function integerOf(kernel: string, index: number, value: number | boolean, least: number, most: number): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= least && number <= most) return number
  throw new ArgumentError(kernel, `argument ${index}`, value, `an integer in [${least}, ${most}]`)
}

function extents(extent: LaunchShape['grid']): [number, number, number] {
  return typeof extent === 'number' ? [extent, 1, 1] : [extent[0], extent[1] ?? 1, extent[2] ?? 1]
}
