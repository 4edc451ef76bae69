import { BlockScope, BlockTensor } from '../block.js'
import { checkCopy, checkExtents, checkRange, dtypeOf } from '../check.js'
import { type ArrayOf, arrayClass, bytesPerElement, type DType, type Shape, sizeOf, toF16 } from '../dtype.js'
import {
  ArgumentError,
  DeviceUnavailableError,
  DisposedError,
  DTypeError,
  KernelError,
  ShapeError,
  WrongDeviceError,
} from '../errors.js'
import type { Device, DTypeOf, Scope, Tensor } from '../tensor.js'
import { Allocator } from './allocator.js'
import type { Host } from './host.js'
import { reservedBytes } from './layout.js'
import { type Kernel, ThreadPool } from './pool.js'

const page = 65536
const addressSpace = 65536 * page
const initialPages = 256

export interface WasmOptions {
  /** Threads, the calling one included; by default every core, or one where memory cannot be shared. */
  threads?: number
  /** Upper bound of the memory in bytes, at most 4 GiB. */
  memoryLimit?: number
  /** Scratch of each thread in bytes. */
  scratchBytes?: number
  /** Fill new tensors with NaN bits, so that a read before a write shows. For tests. */
  poison?: boolean
}

/** Kernels of one module by name. */
export interface WasmModule {
  kernel(name: string): Kernel
}

export type KernelArgument = Tensor | number | boolean | null

/** The reference device: AssemblyScript kernels over one shared memory. Launches have finished when they return. */
export class WasmDevice implements Device {
  readonly kind = 'wasm'
  readonly #scopes: BlockScope[] = []
  readonly #modules = new Map<string, Promise<WasmModule>>()

  private constructor(
    readonly memory: WebAssembly.Memory,
    readonly host: Host,
    readonly pool: ThreadPool,
    readonly scratchBytes: number,
    private readonly allocator: Allocator,
    private readonly poison: boolean,
  ) {}

  static async create(host: Host, options: WasmOptions): Promise<WasmDevice> {
    const {
      threads = host.canShare ? host.cores : 1,
      memoryLimit = addressSpace,
      scratchBytes = 1 << 20,
      poison = false,
    } = options
    if (!Number.isInteger(threads) || threads < 1)
      throw new ArgumentError('createWasmDevice', 'threads', threads, 'a positive integer')
    if (threads > 1 && !host.canShare) {
      throw new ArgumentError(
        'createWasmDevice',
        'threads',
        threads,
        '1 here: memory is shared only in cross-origin isolated pages',
      )
    }
    const least = reservedBytes + page
    if (!(memoryLimit >= least && memoryLimit <= addressSpace))
      throw new ArgumentError('createWasmDevice', 'memoryLimit', memoryLimit, `in [${least}, ${addressSpace}]`)
    if (!(Number.isInteger(scratchBytes) && scratchBytes > 0 && scratchBytes % 64 === 0))
      throw new ArgumentError('createWasmDevice', 'scratchBytes', scratchBytes, 'a positive multiple of 64')
    const pages = Math.floor(memoryLimit / page)
    const memory = reserve(pages)
    // The last page of the address space stays unused: the address behind a tensor must not wrap around to 0.
    const allocator = new Allocator(memory, reservedBytes, Math.min(pages * page, addressSpace - page))
    const scratch = Array.from({ length: threads }, () => allocator.allocate(scratchBytes))
    const pool = await ThreadPool.create(memory, host, scratch)
    return new WasmDevice(memory, host, pool, scratchBytes, allocator, poison)
  }

  get label(): string {
    return `wasm (${this.pool.threads} ${this.pool.threads === 1 ? 'thread' : 'threads'})`
  }

  get bytesInUse(): number {
    return this.allocator.bytesInUse - this.pool.threads * this.scratchBytes
  }

  get peakBytes(): number {
    return this.allocator.peakBytes - this.pool.threads * this.scratchBytes
  }

  resetPeak(): void {
    this.allocator.peakBytes = this.allocator.bytesInUse
  }

  empty<D extends DType = 'f32'>(shape: Shape, dtype: D = 'f32' as D, name = 'tensor'): Tensor<D> {
    checkExtents(name, shape)
    if (this.pool.disposed) throw new DisposedError(`device ${this.label}`)
    const bytes = sizeOf(shape) * bytesPerElement(dtype)
    const at = this.allocator.allocate(bytes)
    const tensor = new BlockTensor(this, dtype, [...shape], name, at, () => this.allocator.free(at, bytes))
    if (this.poison) new Uint8Array(this.memory.buffer, at, bytes).fill(255)
    this.#scopes.at(-1)?.add(tensor)
    return tensor
  }

  zeros<D extends DType = 'f32'>(shape: Shape, dtype: D = 'f32' as D, name?: string): Tensor<D> {
    const tensor = this.empty(shape, dtype, name)
    this.view(tensor).fill(0)
    return tensor
  }

  from<A extends ArrayOf[DType]>(data: A, shape: Shape = [data.length], name = 'tensor'): Tensor<DTypeOf<A>> {
    if (sizeOf(shape) !== data.length)
      throw new ShapeError('from', `${name} (${data.length} elements)`, shape, [data.length])
    const tensor = this.empty(shape, dtypeOf('from', data), name)
    this.view<DType>(tensor).set(data)
    return tensor as Tensor<DTypeOf<A>>
  }

  write<D extends DType>(tensor: Tensor<D>, data: ArrayOf[D], offset = 0): void {
    const dtype = dtypeOf('write', data)
    if (dtype !== tensor.dtype) throw new DTypeError('write', `data for ${tensor.name}`, tensor.dtype, dtype)
    checkRange('write', tensor, offset, data.length)
    this.view(tensor).set(data, offset)
  }

  async read<D extends DType>(tensor: Tensor<D>, offset = 0, length = tensor.size - offset): Promise<ArrayOf[D]> {
    checkRange('read', tensor, offset, length)
    const copy = new (arrayClass(tensor.dtype))(length)
    copy.set(this.view(tensor).subarray(offset, offset + length))
    return copy
  }

  copy<D extends DType>(source: Tensor<D>, target: Tensor<D>): void {
    checkCopy(source, target)
    this.view(target).set(this.view(source))
  }

  fill(tensor: Tensor, value: number): void {
    this.view(tensor).fill(tensor.dtype === 'f16' ? toF16(value) : value)
  }

  scope(): Scope {
    const scope: BlockScope = new BlockScope(this.#scopes.at(-1), () => {
      const at = this.#scopes.lastIndexOf(scope)
      if (at >= 0) this.#scopes.splice(at, 1)
    })
    this.#scopes.push(scope)
    return scope
  }

  async synchronize(): Promise<void> {}

  dispose(): void {
    this.pool.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** The memory of a tensor, without a copy. It goes stale when the device grows; do not keep it. */
  view<D extends DType>(tensor: Tensor<D>): ArrayOf[D] {
    return new (arrayClass(tensor.dtype))(this.memory.buffer, this.address(tensor), tensor.size)
  }

  address(tensor: Tensor): number {
    if (!(tensor instanceof BlockTensor) || tensor.device !== this) {
      throw new WrongDeviceError('wasm', tensor.name, this.label, tensor.device.label)
    }
    if (tensor.disposed) throw new DisposedError(`tensor ${tensor.name}`)
    return tensor.at
  }

  /** Compiles and instantiates the module at `url` on every thread, once. */
  load(url: URL): Promise<WasmModule> {
    const known = this.#modules.get(url.href)
    if (known) return known
    const module = this.#load(url)
    this.#modules.set(url.href, module)
    module.catch(() => this.#modules.delete(url.href))
    return module
  }

  /** Runs `kernel` for chunks 0..chunks-1. Tensors are passed by address (null as 0), booleans as 0 or 1. */
  launch(kernel: Kernel, chunks: number, ...args: KernelArgument[]): void {
    this.pool.run(
      kernel,
      chunks,
      args.map((value) => (value === null ? 0 : typeof value === 'object' ? this.address(value) : Number(value))),
    )
  }

  async #load(url: URL): Promise<WasmModule> {
    const kernels = await this.host
      .readBytes(url)
      .then((bytes) => WebAssembly.compile(bytes))
      .then((module) => this.pool.load(module))
      .catch((error) => {
        const reason = error instanceof Error ? error.message : String(error)
        throw new KernelError(url.href, `the module could not be loaded: ${reason}`, { cause: error })
      })
    return {
      kernel(name) {
        const kernel = kernels.get(name)
        if (!kernel) throw new ArgumentError(url.pathname, 'kernel', name, `one of ${[...kernels.keys()].join(', ')}`)
        return kernel
      },
    }
  }
}

/** A shared memory that can grow to `pages`. */
function reserve(pages: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: Math.min(initialPages, pages), maximum: pages, shared: true })
  } catch (error) {
    const reason = `no address space for ${(pages * page) / 2 ** 20} MiB of shared memory (${String(error)})`
    throw new DeviceUnavailableError('wasm', reason, 'Use a smaller memoryLimit', { cause: error })
  }
}
