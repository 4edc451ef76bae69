import { bufferUsage } from './pool.js'

const segmentBytes = 4 << 20
/** Idle segments that are kept. */
const keptSegments = 16
const mapRead = 1
const mapWrite = 2
const smallBytes = 64 << 10
/** Readback buffers above this are not kept. */
const keptReadBytes = 64 << 20

interface Segment {
  buffer: GPUBuffer
  bytes: Uint8Array<ArrayBuffer>
  used: number
}

/**
 * Mapped buffers through which host data reaches tensors in the order of commands. A segment is unmapped when the
 * commands that copy from it are submitted and comes back when they are done; there are as many as are in flight.
 */
export class UploadRing {
  readonly #idle: Segment[] = []
  /** Filled since the last submission; the last is being filled. */
  readonly #filled: Segment[] = []
  #disposed = false

  constructor(private readonly gpu: GPUDevice) {}

  /** Bytes that wait for the submission. */
  get pendingBytes(): number {
    return this.#filled.length * segmentBytes
  }

  /** `at` must be a multiple of 4; the last word is filled up with zeros. `encoder` is asked for when it is needed. */
  upload(encoder: () => GPUCommandEncoder, target: GPUBuffer, at: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const segment = this.#current()
      const length = Math.min(data.length - done, segmentBytes - segment.used)
      const padded = Math.ceil(length / 4) * 4
      segment.bytes.set(data.subarray(done, done + length), segment.used)
      segment.bytes.fill(0, segment.used + length, segment.used + padded)
      encoder().copyBufferToBuffer(segment.buffer, segment.used, target, at + done, padded)
      segment.used += padded
      done += length
    }
  }

  beforeSubmit(): void {
    for (const { buffer } of this.#filled) buffer.unmap()
  }

  afterSubmit(): void {
    for (const segment of this.#filled.splice(0)) {
      // A rejection means that the device is gone, which is told elsewhere.
      segment.buffer.mapAsync(mapWrite).then(
        () => this.#recycle(segment),
        () => {},
      )
    }
  }

  /** Gives idle segments back. */
  trim(): void {
    for (const { buffer } of this.#idle.splice(0)) buffer.destroy()
  }

  dispose(): void {
    this.#disposed = true
    for (const { buffer } of [...this.#idle.splice(0), ...this.#filled.splice(0)]) buffer.destroy()
  }

  #current(): Segment {
    const last = this.#filled.at(-1)
    if (last && last.used < segmentBytes) return last
    const segment = this.#idle.pop() ?? this.#create()
    this.#filled.push(segment)
    return segment
  }

  #create(): Segment {
    const usage = bufferUsage.MAP_WRITE | bufferUsage.COPY_SRC
    const buffer = this.gpu.createBuffer({ label: 'upload', size: segmentBytes, usage, mappedAtCreation: true })
    return { buffer, bytes: new Uint8Array(buffer.getMappedRange()), used: 0 }
  }

  #recycle(segment: Segment): void {
    if (this.#disposed || this.#idle.length >= keptSegments) {
      segment.buffer.destroy()
      return
    }
    segment.bytes = new Uint8Array(segment.buffer.getMappedRange())
    segment.used = 0
    this.#idle.push(segment)
  }
}

/** Kept buffers to read through: a fresh one would cost ten times as much as a small read. */
export class ReadbackPool {
  readonly #idle = new Map<number, GPUBuffer[]>()

  constructor(private readonly gpu: GPUDevice) {}

  take(bytes: number): GPUBuffer {
    const size = Math.max(smallBytes, 2 ** Math.ceil(Math.log2(bytes)))
    const exact = size > keptReadBytes ? Math.ceil(bytes / 4) * 4 : size
    const usage = bufferUsage.MAP_READ | bufferUsage.COPY_DST
    return this.#idle.get(exact)?.pop() ?? this.gpu.createBuffer({ label: 'readback', size: exact, usage })
  }

  /** Waits for `bytes` bytes of a buffer that commands copy to and returns a copy of them. */
  async collect(buffer: GPUBuffer, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    await buffer.mapAsync(mapRead, 0, bytes)
    const copy = new Uint8Array(buffer.getMappedRange(0, bytes)).slice()
    buffer.unmap()
    if (buffer.size > keptReadBytes) buffer.destroy()
    else {
      const idle = this.#idle.get(buffer.size)
      if (idle) idle.push(buffer)
      else this.#idle.set(buffer.size, [buffer])
    }
    return copy
  }

  /** Gives idle buffers back. */
  trim(): void {
    for (const buffers of this.#idle.values()) for (const buffer of buffers) buffer.destroy()
    this.#idle.clear()
  }
}
