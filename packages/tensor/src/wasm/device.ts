import { type ArrayOf, arrayClass, bytesPerElement, type DType, type Shape, sizeOf, toF16 } from '../dtype.js'
import { ArgumentError, DisposedError, DTypeError, ShapeError, WrongDeviceError } from '../errors.js'
import type { Device, DTypeOf, Scope, Tensor } from '../tensor.js'
import { Allocator } from './allocator.js'
import type { Host } from './host.js'
import { reservedBytes } from './layout.js'
import { type Kernel, ThreadPool } from './pool.js'

const page = 65536
const addressSpace = 65536 * page

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
  readonly #scopes: WasmScope[] = []
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
    if (!(memoryLimit > reservedBytes && memoryLimit <= addressSpace)) {
      throw new ArgumentError('createWasmDevice', 'memoryLimit', memoryLimit, `in (${reservedBytes}, ${addressSpace}]`)
    }
    const memory = new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true })
    const allocator = new Allocator(memory, reservedBytes, Math.floor(memoryLimit / page) * page)
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
    if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0)) {
      throw new ArgumentError('empty', `shape of ${name}`, `[${shape.join(', ')}]`, 'non-negative integers')
    }
    const bytes = sizeOf(shape) * bytesPerElement(dtype)
    const at = this.allocator.allocate(bytes)
    const tensor = new WasmTensor(this, dtype, [...shape], name, at, () => this.allocator.free(at, bytes))
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
    const tensor = this.empty(shape, dtypeOf(data), name)
    this.view<DType>(tensor).set(data)
    return tensor as Tensor<DTypeOf<A>>
  }

  write<D extends DType>(tensor: Tensor<D>, data: ArrayOf[D], offset = 0): void {
    if (dtypeOf(data) !== tensor.dtype) throw new DTypeError('write', tensor.name, tensor.dtype, dtypeOf(data))
    if (offset < 0 || offset + data.length > tensor.size)
      throw new ShapeError('write', tensor.name, [offset + data.length], [tensor.size])
    this.view(tensor).set(data, offset)
  }

  async read<D extends DType>(tensor: Tensor<D>, offset = 0, length = tensor.size - offset): Promise<ArrayOf[D]> {
    if (offset < 0 || length < 0 || offset + length > tensor.size)
      throw new ShapeError('read', tensor.name, [offset + length], [tensor.size])
    const copy = new (arrayClass(tensor.dtype))(length)
    copy.set(this.view(tensor).subarray(offset, offset + length))
    return copy
  }

  copy<D extends DType>(source: Tensor<D>, target: Tensor<D>): void {
    if (source.size !== target.size) throw new ShapeError('copy', target.name, source.shape, target.shape)
    if (source.dtype !== target.dtype) throw new DTypeError('copy', target.name, source.dtype, target.dtype)
    this.view(target).set(this.view(source))
  }

  fill(tensor: Tensor, value: number): void {
    this.view(tensor).fill(tensor.dtype === 'f16' ? toF16(value) : value)
  }

  scope(): Scope {
    const scope: WasmScope = new WasmScope(() => {
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
    if (!(tensor instanceof WasmTensor) || tensor.device !== this) {
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
    if (chunks <= 0) return
    this.pool.run(
      kernel,
      chunks,
      args.map((value) => (value === null ? 0 : typeof value === 'object' ? this.address(value) : Number(value))),
    )
  }

  async #load(url: URL): Promise<WasmModule> {
    const kernels = await this.pool.load(await WebAssembly.compile(await this.host.readBytes(url)))
    return {
      kernel(name) {
        const kernel = kernels.get(name)
        if (!kernel) throw new ArgumentError(url.pathname, 'kernel', name, `one of ${[...kernels.keys()].join(', ')}`)
        return kernel
      },
    }
  }
}

class WasmTensor<D extends DType> implements Tensor<D> {
  readonly size: number
  readonly byteLength: number
  #disposed = false

  constructor(
    readonly device: WasmDevice,
    readonly dtype: D,
    readonly shape: Shape,
    readonly name: string,
    readonly at: number,
    private readonly release: () => void,
    private readonly owner?: WasmTensor<D>,
  ) {
    this.size = sizeOf(shape)
    this.byteLength = this.size * bytesPerElement(dtype)
  }

  get disposed(): boolean {
    return this.owner ? this.owner.disposed : this.#disposed
  }

  reshape(shape: Shape): Tensor<D> {
    if (sizeOf(shape) !== this.size) throw new ShapeError('reshape', this.name, shape, this.shape)
    return new WasmTensor(this.device, this.dtype, [...shape], this.name, this.at, () => {}, this.owner ?? this)
  }

  read(): Promise<ArrayOf[D]> {
    return this.device.read(this)
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.release()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

class WasmScope implements Scope {
  readonly #tensors = new Set<Tensor>()

  constructor(private readonly close: () => void) {}

  add(tensor: Tensor): void {
    this.#tensors.add(tensor)
  }

  keep<T extends Tensor>(tensor: T): T {
    this.#tensors.delete(tensor)
    return tensor
  }

  [Symbol.dispose](): void {
    this.close()
    for (const tensor of [...this.#tensors].reverse()) tensor.dispose()
    this.#tensors.clear()
  }
}

function dtypeOf(data: ArrayOf[DType]): DType {
  if (data instanceof Float32Array) return 'f32'
  if (data instanceof Int32Array) return 'i32'
  if (data instanceof Uint32Array) return 'u32'
  if (data instanceof Uint16Array) return 'f16'
  return 'u8'
}
