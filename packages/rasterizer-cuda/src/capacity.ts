const least = 1 << 14
/** 16 GiB of lists; scenes with more pairs are drawn without lists. */
const most = 2 ** 30
const firstGuess = 2 ** 25
const granularity = 1 << 14
/** Of what earlier passes wanted: the cameras of a scene take turns, and some see several times as many pairs as others. */
const forgetting = 0.995

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

  /** Whether a pass has been learned from. */
  get known(): boolean {
    return this.#wanted !== undefined
  }

  /** Whether lists of `capacity` hold what was wanted last, and are not so large that shorter ones were faster. */
  suits(capacity: number, gaussians: number): boolean {
    return this.#wanted !== undefined && this.#wanted <= capacity && capacity <= 4 * this.next(gaussians)
  }

  next(gaussians: number): number {
    const guess = this.#wanted === undefined ? Math.min(8 * gaussians, firstGuess) : 1.25 * this.#wanted
    return Math.min(most, Math.max(least, Math.ceil(guess / granularity) * granularity))
  }

  /** A pass with lists of `capacity` wanted `pairs`. */
  learn(pairs: number, capacity: number): void {
    if (pairs > capacity) this.#overflows++
    this.#wanted = Math.max(pairs, Math.floor(forgetting * (this.#wanted ?? 0)))
  }
}

/** The (Gaussian, tile) pairs of a pass, of its counters // [4] */
export function pairsOf([low = 0, high = 0]: ArrayLike<number> & Iterable<number>): number {
  return low + high * 2 ** 32
}
