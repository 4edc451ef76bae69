import type { ContextDriver } from './driver.js'
import { CudaEvent } from './event.js'

/** GPU time of a kernel, all its launches together. */
export interface KernelTime {
  kernel: string
  launches: number
  milliseconds: number
}

/** Collects an event before and behind every launch. */
export class Profile {
  readonly #spans: { kernel: string; start: CudaEvent; end: CudaEvent }[] = []

  constructor(private readonly driver: ContextDriver) {}

  measure(kernel: string, stream: number, launch: () => void): void {
    const start = new CudaEvent(this.driver, stream)
    launch()
    this.#spans.push({ kernel, start, end: new CudaEvent(this.driver, stream) })
  }

  /** Waits for the last launch; slowest first. */
  async finish(): Promise<KernelTime[]> {
    const times = new Map<string, KernelTime>()
    for (const { kernel, start, end } of this.#spans.splice(0)) {
      await end.reached()
      const time = times.get(kernel) ?? { kernel, launches: 0, milliseconds: 0 }
      time.launches++
      time.milliseconds += end.millisecondsSince(start)
      times.set(kernel, time)
      start[Symbol.dispose]()
      end[Symbol.dispose]()
    }
    return [...times.values()].sort((a, b) => b.milliseconds - a.milliseconds)
  }
}
