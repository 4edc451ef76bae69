import { CudaError } from './cuda-error.js'
import type { Driver } from './driver.js'

const segmentBytes = 4 << 20
const segmentCount = 8
/** Parts of one download that may be in flight. */
const partCount = 16
const smallBytes = 64 << 10
const notReady = 600
/** Flag of events that take no time stamps. */
export const untimed = 2

interface Block {
  address: number
  bytes: Uint8Array<ArrayBuffer>
  event: number
}

/**
 * Pinned host memory between JavaScript and one stream.
 *
 * Uploads are copied into a ring of segments and return at once. A segment gets an event when it is full and is waited
 * for when the ring comes round to it, so only uploads that outrun the bus wait. Downloads are enqueued whole before
 * the call returns, so that what comes after may overwrite or free the source, and then polled: the event loop stays
 * free. Above 64 MiB a download waits for its first parts before it enqueues the last.
 */
export class Staging {
  readonly #ring: Block[] = []
  readonly #idle = { small: [] as Block[], large: [] as Block[] }
  readonly #blocks: Block[] = []
  /** Ends downloads that are under way, with the result code of the stream. */
  readonly #pending = new Set<(code: number) => void>()
  #segment = 0
  #used = 0

  constructor(
    private readonly driver: Driver,
    private readonly stream: number,
  ) {}

  upload(target: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      if (this.#used === segmentBytes) this.#turn()
      const segment = this.#current()
      const length = Math.min(data.length - at, segmentBytes - this.#used)
      segment.bytes.set(data.subarray(at, at + length), this.#used)
      const source = segment.address + this.#used
      this.driver.call('cuMemcpyHtoDAsync_v2', target + at, source, length, this.stream)
      // The next one starts at a multiple of 64 bytes, which copies like.
      this.#used = Math.min(segmentBytes, Math.ceil((this.#used + length) / 64) * 64)
      at += length
    }
  }

  async download(source: number, out: Uint8Array): Promise<void> {
    const parts: { block: Block; at: number; length: number }[] = []
    const idle = out.length <= smallBytes ? this.#idle.small : this.#idle.large
    const blockBytes = out.length <= smallBytes ? smallBytes : segmentBytes
    const collect = ({ block, at, length }: (typeof parts)[number]) => {
      out.set(block.bytes.subarray(0, length), at)
      idle.push(block)
    }
    for (let at = 0; at < out.length; at += blockBytes) {
      if (parts.length === partCount) {
        const first = parts.shift()
        if (first) {
          this.driver.call('cuEventSynchronize', first.block.event)
          collect(first)
        }
      }
      const length = Math.min(blockBytes, out.length - at)
      const block = idle.pop() ?? this.#allocate(blockBytes)
      this.driver.call('cuMemcpyDtoHAsync_v2', block.address, source + at, length, this.stream)
      this.driver.call('cuEventRecord', block.event, this.stream)
      parts.push({ block, at, length })
    }
    const last = parts.at(-1)
    if (!last) return
    let ended: number | null = null
    const end = (code: number) => {
      ended = code
      this.#pending.delete(end)
      if (code === 0) for (const part of parts) collect(part)
    }
    this.#pending.add(end)
    try {
      await eventReached(this.driver, last.block.event, () => ended !== null)
    } catch (error) {
      this.#pending.delete(end)
      throw error
    }
    if (ended === null) end(0)
    else if (ended !== 0) throw new CudaError('cuStreamSynchronize', ended, this.driver.nameOf(ended))
  }

  /** `code` is what synchronizing the stream gave: downloads that nobody has collected end with it here. */
  dispose(code: number): void {
    for (const end of [...this.#pending]) end(code)
    for (const block of this.#blocks.splice(0)) {
      this.driver.raw('cuEventDestroy_v2', block.event)
      this.driver.raw('cuMemFreeHost', block.address)
    }
  }

  #current(): Block {
    const segment = this.#ring[this.#segment]
    if (segment) return segment
    const fresh = this.#allocate(segmentBytes)
    this.#ring.push(fresh)
    return fresh
  }

  #turn(): void {
    this.driver.call('cuEventRecord', this.#current().event, this.stream)
    this.#segment = (this.#segment + 1) % segmentCount
    this.#used = 0
    const next = this.#ring[this.#segment]
    if (next) this.driver.call('cuEventSynchronize', next.event)
  }

  #allocate(size: number): Block {
    const address = this.driver.handle('cuMemAllocHost_v2', size)
    const event = this.driver.handle('cuEventCreate', untimed)
    const block = { address, bytes: new Uint8Array(this.driver.view(address, size)), event }
    this.#blocks.push(block)
    return block
  }
}

/**
 * Resolves when `event` is reached, or `ended` says that it is not to be asked any more, since it may be destroyed. Short
 * waits take microseconds, long ones leave the processor to others.
 */
export async function eventReached(driver: Driver, event: number, ended: () => boolean): Promise<void> {
  for (let tries = 0; !ended(); tries++) {
    const code = driver.raw('cuEventQuery', event)
    if (code === 0) return
    if (code !== notReady) throw new CudaError('cuEventQuery', code, driver.nameOf(code))
    if (tries < 1000) await new Promise((resolve) => setImmediate(resolve))
    else await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
