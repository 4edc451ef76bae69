import { OutOfMemoryError } from '../errors.js'
import { BindingLimitError } from './webgpu-error.js'

const smallest = 256
const largestStep = 32 << 20

/**
 * Buffers by size class, by number. Freed ones are kept and handed out again at once, which is safe because all work of a
 * device is ordered. Destroyed buffers give their memory back only at the next submission.
 */
export class BufferPool {
  bytesInUse = 0
  peakBytes = 0
  /** Bytes of all buffers, in use or kept. */
  #bytes = 0
  #next = 1
  readonly #buffers = new Map<number, GPUBuffer>()
  readonly #kept = new Map<number, number[]>()
  /** Largest tensor. */
  readonly limit: number

  constructor(
    private readonly gpu: GPUDevice,
    private readonly label: string,
    /** Bytes that all buffers may have together. */
    private readonly memoryLimit: number,
    /** Called before buffers are destroyed. */
    private readonly onTrim: () => void,
  ) {
    const { maxBufferSize, maxStorageBufferBindingSize } = gpu.limits
    // Kernels may read the vector that the last element is part of.
    this.limit = Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / smallest) * smallest
  }

  /** The number of a buffer of at least `bytes` bytes, never 0. */
  allocate(bytes: number, tensor: string): number {
    if (bytes > this.limit) throw new BindingLimitError(this.label, tensor, bytes, this.limit)
    const size = Math.min(sizeClass(bytes), this.limit)
    const id = this.#kept.get(size)?.pop() ?? this.#create(size)
    this.bytesInUse += size
    this.peakBytes = Math.max(this.peakBytes, this.bytesInUse)
    return id
  }

  free(id: number): void {
    const buffer = this.#buffers.get(id)
    // A tensor may be disposed after its device.
    if (!buffer) return
    this.bytesInUse -= buffer.size
    const kept = this.#kept.get(buffer.size)
    if (kept) kept.push(id)
    else this.#kept.set(buffer.size, [id])
  }

  buffer(id: number): GPUBuffer {
    const buffer = this.#buffers.get(id)
    if (!buffer) throw new Error(`there is no buffer ${id}`)
    return buffer
  }

  /** Destroys kept buffers. */
  trim(): void {
    this.onTrim()
    for (const ids of this.#kept.values()) for (const id of ids) this.#destroy(id)
    this.#kept.clear()
    this.gpu.queue.submit([])
  }

  /** Destroys everything, live tensors included. */
  dispose(): void {
    for (const id of [...this.#buffers.keys()]) this.#destroy(id)
    this.#kept.clear()
    this.bytesInUse = 0
  }

  #create(size: number): number {
    if (this.#bytes + size > this.memoryLimit) this.trim()
    if (this.#bytes + size > this.memoryLimit) {
      throw new OutOfMemoryError(this.label, size, this.bytesInUse, this.memoryLimit, this.memoryLimit - this.#bytes)
    }
    const { STORAGE, COPY_SRC, COPY_DST, INDIRECT } = bufferUsage
    const usage = STORAGE | COPY_SRC | COPY_DST | INDIRECT
    const id = this.#next++
    this.#buffers.set(id, this.gpu.createBuffer({ label: `tensors of ${size} bytes`, size, usage }))
    this.#bytes += size
    return id
  }

  #destroy(id: number): void {
    const buffer = this.#buffers.get(id)
    if (!buffer) return
    this.#bytes -= buffer.size
    this.#buffers.delete(id)
    buffer.destroy()
  }
}

/** As GPUBufferUsage, which is no global in Node. */
export const bufferUsage = {
  MAP_READ: 1,
  MAP_WRITE: 2,
  COPY_SRC: 4,
  COPY_DST: 8,
  UNIFORM: 64,
  STORAGE: 128,
  INDIRECT: 256,
  QUERY_RESOLVE: 512,
} as const

/** Steps of an eighth of a power of two: few classes, at most an eighth lost. Multiples of 256. */
function sizeClass(bytes: number): number {
  if (bytes <= smallest) return smallest
  const step = Math.min(largestStep, Math.max(smallest, 2 ** (Math.floor(Math.log2(bytes)) - 3)))
  return Math.ceil(bytes / step) * step
}
