import { ArgumentError } from './errors.js'

/** A seeded generator on the host (xoshiro128**, Blackman and Vigna 2018); its state can be stored and restored. */
export interface Random {
  /** Uniform in [0, 1), 32 bits. */
  uniform(): number
  /** Standard normal (Box-Muller, one value a call). */
  normal(): number
  /** Uniform integer in [0, below). */
  integer(below: number): number
  /** Shuffles in place (Fisher-Yates) and returns its argument. */
  shuffle<T>(items: T[]): T[]
  /** Four words that {@link createRandom} accepts instead of a seed. */
  state(): [number, number, number, number]
}

/**
 * @param seed an integer, of which the lowest 32 bits count, or a stored state
 * @throws ArgumentError for a seed that is no integer, and for the state of zeros, which never changes
 */
export function createRandom(seed: number | readonly [number, number, number, number]): Random {
  const words = typeof seed === 'number' ? [seed] : seed
  if (!words.every(Number.isSafeInteger)) throw new ArgumentError('createRandom', 'seed', seed, 'an integer')
  let [a, b, c, d] = typeof seed === 'number' ? expand(seed) : seed
  if ((a | b | c | d) === 0) throw new ArgumentError('createRandom', 'state', seed, 'four words that are not all 0')
  const next = () => {
    const product = Math.imul(b, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return result
  }
  const uniform = () => next() / 2 ** 32
  const integer = (below: number) => Math.floor(uniform() * below)
  return {
    uniform,
    integer,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = integer(i + 1)
        const kept = items[i]!
        items[i] = items[j]!
        items[j] = kept
      }
      return items
    },
    state: () => [a >>> 0, b >>> 0, c >>> 0, d >>> 0],
  }
}

/** Splitmix32: four well mixed words out of one seed. */
function expand(seed: number): [number, number, number, number] {
  let state = (seed % 2 ** 32) | 0
  const word = () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  return [word(), word(), word(), word()]
}
