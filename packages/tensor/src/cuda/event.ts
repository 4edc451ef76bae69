import type { Driver } from './driver.js'
import { eventReached } from './staging.js'

/** A place in the order of enqueued work. */
export class CudaEvent implements Disposable {
  readonly #handle: number

  constructor(
    private readonly driver: Driver,
    stream: number,
  ) {
    this.#handle = driver.handle('cuEventCreate', 0)
    driver.call('cuEventRecord', this.#handle, stream)
  }

  /** Resolves when the GPU has come here. */
  reached(): Promise<void> {
    return eventReached(this.driver, this.#handle)
  }

  /** GPU time from `earlier` to here; both must have been reached. */
  millisecondsSince(earlier: CudaEvent): number {
    const out = new Float32Array(1)
    this.driver.call('cuEventElapsedTime', out, earlier.#handle, this.#handle)
    return out[0] ?? Number.NaN
  }

  [Symbol.dispose](): void {
    this.driver.raw('cuEventDestroy_v2', this.#handle)
  }
}
