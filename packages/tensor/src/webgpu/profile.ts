import type { Commands } from './commands.js'
import { bufferUsage } from './pool.js'
import type { ReadbackPool } from './staging.js'

/** GPU time of a kernel, all its launches together. */
export interface KernelTime {
  kernel: string
  launches: number
  milliseconds: number
}

/** Time stamps that a query set may have. */
const setSize = 4096

/** Time stamps of passes, in nanoseconds, in sets of what WebGPU allows. */
export class Stopwatch {
  readonly #sets: GPUQuerySet[] = []
  #used = 0

  constructor(
    private readonly gpu: GPUDevice,
    private readonly commands: Commands,
    private readonly readback: ReadbackPool,
  ) {}

  /** A pass of its own for what is recorded next; returns the place of its two times. */
  begin(label: string): number {
    this.commands.makeRoom()
    const at = this.#used
    this.#used += 2
    if (at % setSize === 0) this.#sets.push(this.gpu.createQuerySet({ type: 'timestamp', count: setSize }))
    const querySet = this.#sets.at(-1)
    if (!querySet) throw new Error('there is no query set')
    const beginningOfPassWriteIndex = at % setSize
    const timestampWrites = { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex: beginningOfPassWriteIndex + 1 }
    this.commands.beginPass({ label, timestampWrites })
    return at
  }

  /** All times, after everything that was recorded. */
  async read(): Promise<BigUint64Array> {
    const times = new BigUint64Array(this.#used)
    const parts = this.#sets.map((set, i) => {
      const count = Math.min(setSize, this.#used - i * setSize)
      const usage = bufferUsage.QUERY_RESOLVE | bufferUsage.COPY_SRC
      const resolved = this.gpu.createBuffer({ label: 'time stamps', size: 8 * count, usage })
      const encoder = this.commands.encoder()
      encoder.resolveQuerySet(set, 0, count, resolved, 0)
      const buffer = this.readback.take(8 * count)
      encoder.copyBufferToBuffer(resolved, 0, buffer, 0, 8 * count)
      return { buffer, resolved, count, at: i * setSize }
    })
    this.commands.submit()
    for (const { buffer, resolved, count, at } of parts) {
      const bytes = await this.readback.collect(buffer, 8 * count)
      times.set(new BigUint64Array(bytes.buffer, 0, count), at)
      resolved.destroy()
    }
    for (const set of this.#sets) set.destroy()
    return times
  }
}

/**
 * Sums the times of passes by kernel, slowest first. A pass may begin before the one ahead of it has ended; the time in
 * which both run is counted once.
 */
export function timesByKernel(
  launches: readonly { kernel: string; at: number }[],
  stamps: BigUint64Array,
): KernelTime[] {
  const times = new Map<string, KernelTime>()
  let ended = 0n
  for (const { kernel, at } of launches) {
    const [begin, end] = [stamps[at] ?? 0n, stamps[at + 1] ?? 0n]
    const time = times.get(kernel) ?? { kernel, launches: 0, milliseconds: 0 }
    time.launches++
    if (end > ended) time.milliseconds += Number(end - (begin > ended ? begin : ended)) / 1e6
    if (end > ended) ended = end
    times.set(kernel, time)
  }
  return [...times.values()].sort((a, b) => b.milliseconds - a.milliseconds)
}
