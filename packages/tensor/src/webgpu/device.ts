import { BlockScope, BlockTensor } from '../block.js'
import { checkCopy, checkExtents, checkRange, dtypeOf } from '../check.js'
import { type ArrayOf, arrayClass, bytesPerElement, type DType, type Shape, sizeOf, toF16 } from '../dtype.js'
import { ArgumentError, DisposedError, DTypeError, ShapeError, WrongDeviceError } from '../errors.js'
import type { Device, DTypeOf, Scope, Tensor } from '../tensor.js'
import { detailsOf, type OpenedAdapter, type WebgpuFeature } from './adapter.js'
import { Commands } from './commands.js'
import { Faults } from './faults.js'
import type { Bindings, Settings, WebgpuKernel } from './kernel.js'
import { Launcher, textOf, type Workgroups } from './launch.js'
import { loadModule, type WebgpuModule } from './module.js'
import { BufferPool } from './pool.js'
import { type KernelTime, Stopwatch, timesByKernel } from './profile.js'
import { ReadbackPool, UploadRing } from './staging.js'
import { WebgpuError } from './webgpu-error.js'

export interface DeviceOptions {
  /** Fill new tensors with NaN bits, so that a read before a write shows. For tests. */
  poison?: boolean
  /** Submit every launch by itself, so that one that fails is named; also CLIPGSTREAM_WEBGPU_BLOCKING=1. */
  blocking?: boolean
  /** Bytes that all buffers of tensors may have together; WebGPU itself does not say what a GPU has. */
  memoryLimit?: number
}

type ReadBytes = (url: URL) => Promise<Uint8Array<ArrayBuffer>>

/** Words that a workgroup of `fill` writes. */
const fillWords = 4096

/**
 * A GPU through WebGPU: Dawn under Node, `navigator.gpu` in a browser. Launches, copies, fills and uploads are recorded in
 * order and return at once; only `read` and `synchronize` wait, and they throw what went wrong before.
 */
export class WebgpuDevice implements Device {
  readonly kind = 'webgpu'
  readonly label: string
  /** Whether the processor does the work. */
  readonly software: boolean
  /** What kernels may use beyond WebGPU's core. */
  readonly features: ReadonlySet<WebgpuFeature>
  readonly #pool: BufferPool
  readonly #uploads: UploadRing
  readonly #readback: ReadbackPool
  readonly #commands: Commands
  readonly #launcher: Launcher
  readonly #faults: Faults
  readonly #scopes: BlockScope[] = []
  readonly #modules = new Map<string, Promise<WebgpuModule>>()
  readonly #poison: boolean
  readonly #blocking: boolean
  readonly #opened: OpenedAdapter
  readonly #readBytes: ReadBytes
  #kernels: { fill: WebgpuKernel; patchWords: WebgpuKernel; gridOf: WebgpuKernel } | undefined
  #profile: { stopwatch: Stopwatch; launches: { kernel: string; at: number }[] } | undefined
  #disposed = false

  private constructor(opened: OpenedAdapter, options: DeviceOptions, readBytes: ReadBytes) {
    const { gpu, adapterName, software, features } = opened
    this.label = `webgpu (${adapterName})`
    this.software = software
    this.features = features
    this.#opened = opened
    this.#readBytes = readBytes
    this.#poison = options.poison ?? false
    this.#blocking = options.blocking ?? false
    const memoryLimit = options.memoryLimit ?? Number.POSITIVE_INFINITY
    this.#pool = new BufferPool(gpu, this.label, memoryLimit, () => this.#beforeTrim())
    this.#uploads = new UploadRing(gpu)
    this.#readback = new ReadbackPool(gpu)
    this.#commands = new Commands(gpu, this.#uploads)
    this.#launcher = new Launcher(gpu, this.#pool, this.#commands, (tensor) => this.#idOf(tensor))
    this.#faults = new Faults(gpu, this.label, () => this.#pool)
  }

  static async create(opened: OpenedAdapter, options: DeviceOptions, readBytes: ReadBytes): Promise<WebgpuDevice> {
    const device = new WebgpuDevice(opened, options, readBytes)
    try {
      const module = await device.load(new URL('../../dist/kernels/memory.wgsl.json', import.meta.url))
      const [fill, patchWords, gridOf] = [module.kernel('fill'), module.kernel('patchWords'), module.kernel('gridOf')]
      device.#kernels = { fill, patchWords, gridOf }
      return device
    } catch (error) {
      device.dispose()
      throw error
    }
  }

  get bytesInUse(): number {
    return this.#pool.bytesInUse
  }

  get peakBytes(): number {
    return this.#pool.peakBytes
  }

  /** Limits of the adapter that kernels may adapt to. */
  get limits(): GPUSupportedLimits {
    return this.#opened.gpu.limits
  }

  /** For people: what the adapter has. */
  get details(): string {
    return detailsOf(this.#opened)
  }

  /** Lanes that a subgroup may have, where the adapter has subgroups and says so. */
  get subgroupLanes(): { least: number; most: number } | undefined {
    return this.#opened.subgroupLanes
  }

  /** The device of the implementation, to draw what tensors hold without a copy. */
  get gpu(): GPUDevice {
    return this.#opened.gpu
  }

  /** The buffer of a tensor, which is larger than it. Call {@link submit} before others use it. */
  buffer(tensor: Tensor): GPUBuffer {
    return this.#pool.buffer(this.#idOf(tensor))
  }

  resetPeak(): void {
    this.#pool.peakBytes = this.#pool.bytesInUse
  }

  /** Gives memory that is kept for later tensors and copies back. */
  trim(): void {
    this.#alive()
    this.#pool.trim()
  }

  empty<D extends DType = 'f32'>(shape: Shape, dtype: D = 'f32' as D, name = 'tensor'): Tensor<D> {
    const tensor = this.#allocate(shape, dtype, name)
    if (this.#poison) this.#fillWords(tensor, 0xffffffff)
    return tensor
  }

  zeros<D extends DType = 'f32'>(shape: Shape, dtype: D = 'f32' as D, name = 'tensor'): Tensor<D> {
    const tensor = this.#allocate(shape, dtype, name)
    this.#fillWords(tensor, 0)
    return tensor
  }

  from<A extends ArrayOf[DType]>(data: A, shape: Shape = [data.length], name = 'tensor'): Tensor<DTypeOf<A>> {
    if (sizeOf(shape) !== data.length)
      throw new ShapeError('from', `${name} (${data.length} elements)`, shape, [data.length])
    const tensor: Tensor = this.#allocate(shape, dtypeOf('from', data), name)
    this.#commands.upload(this.buffer(tensor), 0, bytesOf(data))
    return tensor as Tensor<DTypeOf<A>>
  }

  write<D extends DType>(tensor: Tensor<D>, data: ArrayOf[D], offset = 0): void {
    const dtype = dtypeOf('write', data)
    if (dtype !== tensor.dtype) throw new DTypeError('write', `data for ${tensor.name}`, tensor.dtype, dtype)
    checkRange('write', tensor, offset, data.length)
    const buffer = this.buffer(tensor)
    if (data.length === 0) return
    const at = offset * bytesPerElement(dtype)
    const end = at + data.byteLength
    // What lies between the last element and the end of its word is nobody's.
    if (at % 4 === 0 && (end % 4 === 0 || end === tensor.byteLength)) this.#commands.upload(buffer, at, bytesOf(data))
    else this.#patch(tensor, bytesOf(data), at)
  }

  /** The elements as they are at this place in the order of work, however late the result is awaited. */
  async read<D extends DType>(tensor: Tensor<D>, offset = 0, length = tensor.size - offset): Promise<ArrayOf[D]> {
    checkRange('read', tensor, offset, length)
    const source = this.buffer(tensor)
    const width = bytesPerElement(tensor.dtype)
    const first = Math.floor((offset * width) / 4) * 4
    const bytes = Math.ceil(((offset + length) * width) / 4) * 4 - first
    let words = new Uint8Array(0)
    if (bytes > 0) {
      const staging = this.#readback.take(bytes)
      this.#commands.encoder().copyBufferToBuffer(source, first, staging, 0, bytes)
      this.#commands.submit()
      words = await this.#readback.collect(staging, bytes).catch((error: unknown) => this.#fail('read', error))
    }
    await this.#faults.settle()
    const out = new (arrayClass(tensor.dtype))(length)
    const skip = offset * width - first
    new Uint8Array(out.buffer).set(words.subarray(skip, skip + out.byteLength))
    return out
  }

  copy<D extends DType>(source: Tensor<D>, target: Tensor<D>): void {
    checkCopy(source, target)
    const [from, to] = [this.buffer(source), this.buffer(target)]
    if (from === to || source.size === 0) return
    this.#commands.encoder().copyBufferToBuffer(from, 0, to, 0, Math.ceil(source.byteLength / 4) * 4)
  }

  fill(tensor: Tensor, value: number): void {
    this.#fillWords(tensor, wordOf(tensor.dtype, value))
  }

  scope(): Scope {
    const scope: BlockScope = new BlockScope(this.#scopes.at(-1), () => {
      const at = this.#scopes.lastIndexOf(scope)
      if (at >= 0) this.#scopes.splice(at, 1)
    })
    this.#scopes.push(scope)
    return scope
  }

  /** Hands what was recorded to the GPU. It happens by itself when somebody waits or the caller returns. */
  submit(): void {
    this.#alive()
    this.#commands.submit()
  }

  async synchronize(): Promise<void> {
    this.#alive()
    this.#commands.submit()
    await this.gpu.queue.onSubmittedWorkDone().catch((error: unknown) => this.#fail('synchronize', error))
    await this.#faults.settle()
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#commands.dispose()
    this.#faults.dispose()
    this.#launcher.dispose()
    this.#uploads.dispose()
    this.#readback.trim()
    this.#pool.dispose()
    this.gpu.destroy()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /**
   * Loads the kernels that the build wrote to `url` (`.wgsl.json`), once: the variant for the features of the device, but
   * for those in `without`.
   */
  load(url: URL, without: readonly WebgpuFeature[] = []): Promise<WebgpuModule> {
    const key = `${url.href} ${without.join(' ')}`
    const known = this.#modules.get(key)
    if (known) return known
    this.#alive()
    const features = new Set([...this.features].filter((feature) => !without.includes(feature)))
    const module = loadModule(this.gpu, features, url, this.#readBytes)
    this.#modules.set(key, module)
    module.catch(() => this.#modules.delete(key))
    return module
  }

  /**
   * Records a launch. Settings and tensors go by the names that they have in WGSL.
   * @throws KernelError, ArgumentError, DTypeError for what is missing, unknown or of the wrong type
   */
  launch(kernel: WebgpuKernel, workgroups: Workgroups, settings: Settings = {}, bindings: Bindings = {}): void {
    this.#alive()
    const run = () => this.#launcher.launch(kernel, workgroups, settings, bindings)
    if (this.#blocking) {
      this.#commands.submit()
      this.#faults.watch(kernel.name, textOf(kernel, bindings), () => {
        run()
        this.#commands.submit()
      })
    } else if (this.#profile) {
      const { stopwatch, launches } = this.#profile
      launches.push({ kernel: kernel.name, at: stopwatch.begin(kernel.name) })
      run()
      this.#commands.endPass()
    } else run()
  }

  /**
   * Workgroups [3] for a launch over min(count, limit) elements, `perWorkgroup` each, in each of `timesRows` rows, where
   * only the device knows count // [1].
   */
  gridOf(count: Tensor<'u32'>, perWorkgroup: number, limit: number, timesRows = 1): Tensor<'u32'> {
    const groups = this.#allocate([3], 'u32', `workgroups of ${count.name}`)
    const settings = { perWorkgroup: Math.max(1, perWorkgroup), limit: Math.min(limit, 2 ** 32 - 1), timesRows }
    this.launch(this.#own.gridOf, 1, settings, { count, groups })
    return groups
  }

  /** Milliseconds of GPU time that what `work` enqueues takes. */
  async time(work: () => void): Promise<number> {
    const stopwatch = this.#stopwatch('time')
    stopwatch.begin('start')
    this.#commands.endPass()
    work()
    stopwatch.begin('end')
    this.#commands.endPass()
    const stamps = await stopwatch.read().catch((error: unknown) => this.#fail('time', error))
    await this.#faults.settle()
    // Ends, because a pass may begin before what is ahead of it has ended.
    return Number((stamps[3] ?? 0n) - (stamps[1] ?? 0n)) / 1e6
  }

  /** GPU time of every kernel that `work` launches. */
  async profile(work: () => void): Promise<KernelTime[]> {
    const profile = { stopwatch: this.#stopwatch('profile'), launches: [] }
    this.#profile = profile
    try {
      work()
    } finally {
      this.#profile = undefined
    }
    const stamps = await profile.stopwatch.read().catch((error: unknown) => this.#fail('profile', error))
    await this.#faults.settle()
    return timesByKernel(profile.launches, stamps)
  }

  get #own() {
    if (!this.#kernels) throw new DisposedError(`device ${this.label}`)
    return this.#kernels
  }

  #stopwatch(operation: string): Stopwatch {
    this.#alive()
    if (!this.features.has('timestamp-query'))
      throw new ArgumentError(operation, 'device', this.label, 'one whose adapter has timestamp-query')
    return new Stopwatch(this.gpu, this.#commands, this.#readback)
  }

  #allocate<D extends DType>(shape: Shape, dtype: D, name: string): BlockTensor<D> {
    checkExtents(name, shape)
    this.#alive()
    const id = this.#pool.allocate(sizeOf(shape) * bytesPerElement(dtype), name)
    const tensor = new BlockTensor(this, dtype, [...shape], name, id, () => this.#pool.free(id))
    this.#scopes.at(-1)?.add(tensor)
    return tensor
  }

  /** The whole buffer, so that reads behind the last element show too when it is poison. */
  #fillWords(tensor: Tensor, value: number): void {
    const words = this.buffer(tensor).size / 4
    this.launch(this.#own.fill, Math.ceil(words / fillWords), { words, value }, { words: tensor })
  }

  /** Writes bytes that do not start or end with a word. */
  #patch(tensor: Tensor, data: Uint8Array, at: number): void {
    const skip = at % 4
    const words = Math.ceil((skip + data.length) / 4)
    const bytes = new Uint8Array(4 * words)
    bytes.set(data, skip)
    const patches = this.#allocate([words], 'u32', 'patches')
    this.#commands.upload(this.buffer(patches), 0, bytes)
    const headMask = (0xffffffff << (8 * skip)) >>> 0
    const tailMask = 0xffffffff >>> (8 * (4 * words - skip - data.length))
    const settings = { firstWord: (at - skip) / 4, words, headMask, tailMask }
    this.launch(this.#own.patchWords, Math.ceil(words / 256), settings, { words: tensor, patches })
    patches.dispose()
  }

  #idOf(tensor: Tensor): number {
    this.#alive()
    if (!(tensor instanceof BlockTensor) || tensor.device !== this)
      throw new WrongDeviceError('webgpu', tensor.name, this.label, tensor.device.label)
    if (tensor.disposed) throw new DisposedError(`tensor ${tensor.name}`)
    return tensor.at
  }

  #beforeTrim(): void {
    this.#commands.submit()
    this.#launcher.forget()
    this.#uploads.trim()
    this.#readback.trim()
  }

  #alive(): void {
    if (this.#disposed) throw new DisposedError(`device ${this.label}`)
    if (this.#faults.lost) throw this.#faults.lost
  }

  /** What a rejected wait means. */
  async #fail(operation: string, error: unknown): Promise<never> {
    // A loss is told by another promise, a moment later.
    await Promise.race([this.gpu.lost, new Promise((resolve) => setTimeout(resolve, 100))])
    this.#alive()
    this.#faults.raise()
    throw new WebgpuError(`${operation} failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const word = new Uint32Array(1)
const float = new Float32Array(word.buffer)

/** The word that repeats an element. */
function wordOf(dtype: DType, value: number): number {
  if (dtype === 'f32') float[0] = value
  else if (dtype === 'f16') word[0] = toF16(value) * 0x10001
  else if (dtype === 'u8') word[0] = (value & 255) * 0x1010101
  else word[0] = value
  return word[0] ?? 0
}

function bytesOf(data: ArrayOf[DType]): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
