const least = 1 << 14
/** 16 GiB of lists; scenes with more pairs are drawn without lists. */
const most = 2 ** 30
const firstGuess = 2 ** 25
const granularity = 1 << 14

/**
 * How many (Gaussian, tile) pairs the lists of the next pass hold, from what earlier passes wanted: the largest of late
 * with a quarter to spare. Larger lists cost time, since their whole capacity is sorted.
 */
export class PairCapacity {
  #wanted: number | undefined
  #overflows = 0

  /** Passes that were found to have wanted more than they had. */
  get overflows(): number {
    return this.#overflows
  }

  next(gaussians: number): number {
    const guess = this.#wanted === undefined ? Math.min(8 * gaussians, firstGuess) : 1.25 * this.#wanted
    return Math.min(most, Math.max(least, Math.ceil(guess / granularity) * granularity))
  }

  /** A pass with lists of `capacity` wanted `pairs`. */
  learn(pairs: number, capacity: number): void {
    if (pairs > capacity) this.#overflows++
    this.#wanted = Math.max(pairs, Math.floor(0.98 * (this.#wanted ?? 0)))
  }
}
