import type { Driver } from './driver.js'
import { Staging, untimed } from './staging.js'

const nonBlocking = 1

/** A stream with its own staging memory, since a ring of pinned memory is ordered by one stream. */
export class Lane {
  readonly stream: number
  readonly staging: Staging
  readonly #event: number

  constructor(private readonly driver: Driver) {
    this.stream = driver.handle('cuStreamCreate', nonBlocking)
    this.staging = new Staging(driver, this.stream)
    this.#event = driver.handle('cuEventCreate', untimed)
  }

  /** What is enqueued here from now on starts after what `other` has now. */
  follow(other: Lane): void {
    this.driver.call('cuEventRecord', other.#event, other.stream)
    this.driver.call('cuStreamWaitEvent', this.stream, other.#event, 0)
  }

  dispose(): void {
    this.staging.dispose(this.driver.raw('cuStreamSynchronize', this.stream))
    this.driver.raw('cuEventDestroy_v2', this.#event)
    this.driver.raw('cuStreamDestroy_v2', this.stream)
  }
}
