import { BlockScope, BlockTensor } from '../block.js'
import { checkCopy, checkExtents, checkRange, dtypeOf } from '../check.js'
import { type ArrayOf, arrayClass, bytesPerElement, type DType, type Shape, sizeOf, toF16 } from '../dtype.js'
import {
  DeviceUnavailableError,
  DisposedError,
  DTypeError,
  KernelError,
  ShapeError,
  WrongDeviceError,
} from '../errors.js'
import type { Device, DTypeOf, Scope, Tensor } from '../tensor.js'
import { CaptureError } from './cuda-error.js'
import { type ContextDriver, type Driver, inContext } from './driver.js'
import { CudaEvent } from './event.js'
import { type CudaGraph, captureGraph } from './graph.js'
import { Lane } from './lane.js'
import { type CudaArgument, type CudaKernel, Launcher, type LaunchShape } from './launch.js'
import { type CudaModule, loadModule, readImage } from './module.js'
import { MemoryPool, memoryInfo } from './pool.js'
import { type KernelTime, Profile } from './profile.js'

export interface CudaOptions {
  /** Index of the GPU, as nvidia-smi counts. */
  index?: number
  /** Fill new tensors with NaN bits, so that a read before a write shows. For tests. */
  poison?: boolean
  /** Wait for every launch, so that a kernel that fails is named; also CLIPGSTREAM_CUDA_BLOCKING=1. */
  blocking?: boolean
}

/** Work that goes on beside the device's own. */
export interface Fork {
  /** What is enqueued from now on starts after the fork's work; only then may its results be used. */
  join(): void
}

// Values of CUdevice_attribute.
const attributes = { multiprocessors: 16, computeMajor: 75, computeMinor: 76, sharedBytesOptin: 97 }

/**
 * An NVIDIA GPU through the driver API. Launches, copies and fills are enqueued in order and return at once; only
 * `read`, `synchronize` and events wait, and none of them blocks the event loop.
 */
export class CudaDevice implements Device {
  readonly kind = 'cuda'
  readonly label: string
  /** 90 for compute capability 9.0. */
  readonly computeCapability: number
  readonly multiprocessors: number
  /** Largest dynamic shared memory of a block, bytes. */
  readonly sharedBytesLimit: number
  readonly #driver: ContextDriver
  readonly #pool: MemoryPool
  readonly #launcher: Launcher
  readonly #lanes: Lane[]
  readonly #idleLanes: Lane[] = []
  readonly #scopes: BlockScope[] = []
  readonly #modules = new Map<string, Promise<CudaModule>>()
  readonly #loaded: number[] = []
  readonly #poison: boolean
  readonly #blocking: boolean
  #lane: Lane
  #profile: Profile | undefined
  #capturing = false
  #disposed = false

  constructor(
    driver: Driver,
    { index = 0, poison = false, blocking = process.env['CLIPGSTREAM_CUDA_BLOCKING'] === '1' }: CudaOptions = {},
  ) {
    const count = driver.integer('cuDeviceGetCount')
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      const reason = `this machine has ${count} ${count === 1 ? 'GPU' : 'GPUs'}, counted from 0`
      throw new DeviceUnavailableError(`cuda:${index}`, reason, 'nvidia-smi -L lists them')
    }
    const handle = driver.integer('cuDeviceGet', index)
    this.#driver = inContext(driver, handle)
    const name = new Uint8Array(256)
    driver.call('cuDeviceGetName', name, name.length, handle)
    this.label = `cuda:${index} (${String.fromCharCode(...name.subarray(0, name.indexOf(0)))})`
    const attribute = (id: number) => driver.integer('cuDeviceGetAttribute', id, handle)
    this.computeCapability = attribute(attributes.computeMajor) * 10 + attribute(attributes.computeMinor)
    this.multiprocessors = attribute(attributes.multiprocessors)
    this.sharedBytesLimit = attribute(attributes.sharedBytesOptin)
    this.#poison = poison
    this.#blocking = blocking
    this.#lane = new Lane(this.#driver)
    this.#lanes = [this.#lane]
    this.#pool = new MemoryPool(this.#driver, this.label)
    this.#launcher = new Launcher(this.#driver, (tensor) => this.address(tensor))
  }

  get bytesInUse(): number {
    return this.#pool.bytesInUse
  }

  get peakBytes(): number {
    return this.#pool.peakBytes
  }

  /** Bytes of the GPU that are free, whoever uses the others, and all. */
  get memory(): { free: number; total: number } {
    return memoryInfo(this.#driver)
  }

  /** Handle (CUstream) of what work is enqueued on now; inside of a fork it is another. */
  get stream(): number {
    return this.#lane.stream
  }

  resetPeak(): void {
    this.#pool.peakBytes = this.#pool.bytesInUse
  }

  /** Gives memory that is kept for later tensors back to the GPU. Waits for it. */
  trim(): void {
    this.#pool.trim()
  }

  empty<D extends DType = 'f32'>(shape: Shape, dtype: D = 'f32' as D, name = 'tensor'): Tensor<D> {
    const tensor = this.#allocate(shape, dtype, name)
    if (this.#poison && tensor.byteLength > 0) {
      this.#driver.call('cuMemsetD8Async', tensor.at, 255, tensor.byteLength, this.stream)
    }
    return tensor
  }

  zeros<D extends DType = 'f32'>(shape: Shape, dtype: D = 'f32' as D, name = 'tensor'): Tensor<D> {
    const tensor = this.#allocate(shape, dtype, name)
    this.fill(tensor, 0)
    return tensor
  }

  from<A extends ArrayOf[DType]>(data: A, shape: Shape = [data.length], name = 'tensor'): Tensor<DTypeOf<A>> {
    if (sizeOf(shape) !== data.length)
      throw new ShapeError('from', `${name} (${data.length} elements)`, shape, [data.length])
    this.#mayCopy('from')
    const tensor: Tensor = this.#allocate(shape, dtypeOf('from', data), name)
    this.#lane.staging.upload(this.address(tensor), bytesOf(data))
    return tensor as Tensor<DTypeOf<A>>
  }

  write<D extends DType>(tensor: Tensor<D>, data: ArrayOf[D], offset = 0): void {
    const dtype = dtypeOf('write', data)
    if (dtype !== tensor.dtype) throw new DTypeError('write', `data for ${tensor.name}`, tensor.dtype, dtype)
    checkRange('write', tensor, offset, data.length)
    this.#mayCopy('write')
    this.#lane.staging.upload(this.address(tensor) + offset * bytesPerElement(dtype), bytesOf(data))
  }

  /** The elements as they are at this place in the order of work, however late the result is awaited. */
  async read<D extends DType>(tensor: Tensor<D>, offset = 0, length = tensor.size - offset): Promise<ArrayOf[D]> {
    checkRange('read', tensor, offset, length)
    this.#mayCopy('read')
    const out = new (arrayClass(tensor.dtype))(length)
    const source = this.address(tensor) + offset * bytesPerElement(tensor.dtype)
    await this.#lane.staging.download(source, bytesOf(out))
    return out
  }

  copy<D extends DType>(source: Tensor<D>, target: Tensor<D>): void {
    checkCopy(source, target)
    const [to, from] = [this.address(target), this.address(source)]
    if (source.byteLength > 0) this.#driver.call('cuMemcpyDtoDAsync_v2', to, from, source.byteLength, this.stream)
  }

  fill(tensor: Tensor, value: number): void {
    const at = this.address(tensor)
    if (tensor.size === 0) return
    if (tensor.dtype === 'u8') this.#driver.call('cuMemsetD8Async', at, value & 255, tensor.size, this.stream)
    else if (tensor.dtype === 'f16') this.#driver.call('cuMemsetD16Async', at, toF16(value), tensor.size, this.stream)
    else this.#driver.call('cuMemsetD32Async', at, wordOf(tensor.dtype, value), tensor.size, this.stream)
  }

  scope(): Scope {
    const scope: BlockScope = new BlockScope(this.#scopes.at(-1), () => {
      const at = this.#scopes.lastIndexOf(scope)
      if (at >= 0) this.#scopes.splice(at, 1)
    })
    this.#scopes.push(scope)
    return scope
  }

  async synchronize(): Promise<void> {
    using event = this.record()
    await event.reached()
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    // After a failed kernel everything here fails too: nothing more can be done about it than to go on.
    for (const lane of this.#lanes) lane.dispose()
    this.#launcher.dispose()
    this.#pool.dispose()
    for (const handle of this.#loaded.splice(0)) this.#driver.raw('cuModuleUnload', handle)
    this.#driver.release()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  address(tensor: Tensor): number {
    if (!(tensor instanceof BlockTensor) || tensor.device !== this) {
      throw new WrongDeviceError('cuda', tensor.name, this.label, tensor.device.label)
    }
    if (tensor.disposed) throw new DisposedError(`tensor ${tensor.name}`)
    return tensor.at
  }

  /** Loads the fatbin at `url`, once. */
  load(url: URL): Promise<CudaModule> {
    const known = this.#modules.get(url.href)
    if (known) return known
    const module = this.#load(url)
    this.#modules.set(url.href, module)
    module.catch(() => this.#modules.delete(url.href))
    return module
  }

  /** Enqueues a kernel. */
  launch(kernel: CudaKernel, shape: LaunchShape, ...args: CudaArgument[]): void {
    this.enqueue(kernel.name, () => {
      this.#launcher.launch(kernel, shape, args, this.stream)
      return 0
    })
  }

  /** Blocks of `block` threads for a kernel that strides over `count` elements: enough, and no more than fill the GPU. */
  gridFor(count: number, block: number, blocksPerMultiprocessor = 16): number {
    return Math.min(Math.ceil(count / block), this.multiprocessors * blocksPerMultiprocessor)
  }

  /**
   * Runs `work`, which enqueues something on `stream` in another way than by `launch`, with this GPU current; what it
   * returns is a CUDA result code. Profiled as `name`.
   */
  enqueue(name: string, work: () => number): void {
    if (this.#disposed) throw new DisposedError(`device ${this.label}`)
    this.#driver.enter()
    const run = () => {
      const code = work()
      if (code !== 0) throw new KernelError(name, `${this.#driver.nameOf(code)} (${code})`)
    }
    if (this.#profile) this.#profile.measure(name, this.stream, run)
    else run()
    if (!this.#blocking || this.#capturing) return
    const code = this.#driver.raw('cuStreamSynchronize', this.stream)
    if (code !== 0) throw new KernelError(name, `failed with ${this.#driver.nameOf(code)} (${code})`)
  }

  /** To be called once before native libraries with a CUDA runtime of their own enqueue: the GPU's context then stays. */
  admitNative(): void {
    this.#driver.pin()
  }

  /** Marks this place in the order of work. */
  record(): CudaEvent {
    this.#mayCopy('an event')
    return new CudaEvent(this.#driver, this.stream)
  }

  /** Milliseconds of GPU time that what `work` enqueues takes. */
  async time(work: () => void): Promise<number> {
    using start = this.record()
    work()
    using end = this.record()
    await end.reached()
    return end.millisecondsSince(start)
  }

  /** GPU time of every kernel that `work` launches. */
  async profile(work: () => void): Promise<KernelTime[]> {
    this.#mayCopy('a profile')
    const profile = new Profile(this.#driver)
    this.#profile = profile
    try {
      work()
    } finally {
      this.#profile = undefined
    }
    return profile.finish()
  }

  /**
   * Runs `work` on another stream that starts after what is enqueued now, beside what is enqueued after. Until `join`,
   * disposed tensors of either side give no memory back.
   */
  fork(work: () => void): Fork {
    const outer = this.#lane
    const lane = this.#idleLanes.pop() ?? this.#openLane()
    lane.follow(outer)
    this.#pool.fork()
    let joined = false
    const join = () => {
      if (joined) return
      joined = true
      this.#lane.follow(lane)
      this.#idleLanes.push(lane)
      this.#pool.join()
    }
    this.#lane = lane
    try {
      work()
    } catch (error) {
      this.#lane = outer
      join()
      throw error
    }
    this.#lane = outer
    return { join }
  }

  /**
   * Records what `work` enqueues, without running it, as a graph that repeats it by one call. Kernels see the same
   * addresses and numbers every time: what changes lies in tensors. Tensors from outside must outlive the graph. Nothing
   * that `work` launches may be a first: run it once before.
   * @throws CaptureError for `from`, `write`, `read` and events inside of `work`
   */
  capture(work: () => void): CudaGraph {
    this.#mayCopy('a capture')
    if (this.#disposed) throw new DisposedError(`device ${this.label}`)
    this.#capturing = true
    try {
      return captureGraph(this.#driver, this.#pool, this.stream, () => this.stream, work)
    } finally {
      this.#capturing = false
    }
  }

  #allocate<D extends DType>(shape: Shape, dtype: D, name: string): BlockTensor<D> {
    checkExtents(name, shape)
    if (this.#disposed) throw new DisposedError(`device ${this.label}`)
    const at = this.#pool.allocate(sizeOf(shape) * bytesPerElement(dtype))
    const tensor = new BlockTensor(this, dtype, [...shape], name, at, () => this.#pool.free(at))
    this.#scopes.at(-1)?.add(tensor)
    return tensor
  }

  async #load(url: URL): Promise<CudaModule> {
    const image = await readImage(url)
    if (this.#disposed) throw new DisposedError(`device ${this.label}`)
    const module = loadModule(this.#driver, url, image)
    this.#loaded.push(module.handle)
    return module
  }

  #openLane(): Lane {
    const lane = new Lane(this.#driver)
    this.#lanes.push(lane)
    return lane
  }

  #mayCopy(operation: string): void {
    if (this.#disposed) throw new DisposedError(`device ${this.label}`)
    if (this.#capturing) throw new CaptureError(operation, 'Do it before or after, and let the graph use the tensor')
  }
}

const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

/** The 32 bits of an element. */
function wordOf(dtype: DType, value: number): number {
  if (dtype === 'f32') float[0] = value
  else word[0] = value
  return word[0] ?? 0
}

function bytesOf(data: ArrayOf[DType]): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
