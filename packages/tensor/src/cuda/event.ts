import type { ContextDriver } from './driver.js'
import { eventReached } from './staging.js'

/** A place in the order of enqueued work. */
export class CudaEvent implements Disposable {
  readonly #handle: number
  #destroyed = false

  constructor(
    private readonly driver: ContextDriver,
    stream: number,
  ) {
    this.#handle = driver.handle('cuEventCreate', 0)
    driver.atRelease.add(this.#destroy)
    driver.call('cuEventRecord', this.#handle, stream)
  }

  /** Resolves when the GPU has come here, at the latest when the device is disposed, which waits for its work. */
  reached(): Promise<void> {
    return eventReached(this.driver, this.#handle, () => this.#destroyed)
  }

  /** GPU time from `earlier` to here; both must have been reached. */
  millisecondsSince(earlier: CudaEvent): number {
    const out = new Float32Array(1)
    this.driver.call('cuEventElapsedTime', out, earlier.#handle, this.#handle)
    return out[0] ?? Number.NaN
  }

  [Symbol.dispose](): void {
    this.#destroy()
  }

  readonly #destroy = () => {
    if (this.#destroyed) return
    this.#destroyed = true
    this.driver.atRelease.delete(this.#destroy)
    this.driver.raw('cuEventDestroy_v2', this.#handle)
  }
}
