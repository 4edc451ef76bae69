const least = 1 << 14
const firstGuess = 2 ** 25
const granularity = 1 << 14
/** Passes are observed one by one at first, later every so often: a look at a counter ends what is recorded. */
const watched = 4
const interval = 8

/**
 * How many (Gaussian, tile) pairs the lists of the next pass hold, from what earlier passes wanted: the largest of late
 * with a quarter to spare.
 */
export class PairCapacity {
  #wanted: number | undefined
  #overflows = 0
  #passes = 0

  /** @param most pairs that a list can hold; scenes with more are drawn without lists */
  constructor(private readonly most: number) {}

  /** Passes that were found to have wanted more than they had. */
  get overflows(): number {
    return this.#overflows
  }

  next(gaussians: number): number {
    const guess = this.#wanted === undefined ? Math.min(8 * gaussians, firstGuess) : 1.25 * this.#wanted
    return Math.min(this.most, Math.max(least, Math.ceil(guess / granularity) * granularity))
  }

  /** Called once a pass: whether its count should come back to the host. */
  isWorthALook(): boolean {
    const pass = this.#passes++
    return pass < watched || pass % interval === 0
  }

  /** A pass with lists of `capacity` wanted `pairs`. */
  learn(pairs: number, capacity: number): void {
    if (pairs > capacity) this.#overflows++
    this.#wanted = Math.max(pairs, Math.floor(0.98 * (this.#wanted ?? 0)))
  }
}
