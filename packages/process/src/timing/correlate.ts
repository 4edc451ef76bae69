/** How far one signal lies behind another. */
export interface Lag {
  /** Samples by which `signal` has to be moved earlier to fit `reference`; with a fraction. */
  readonly lag: number
  /** Normalised correlation there, -1 to 1. */
  readonly score: number
  /** That of the best lag further than `apart` samples away. */
  readonly next: number
}

/**
 * The lag of at most `most` samples at which two signals correlate best: Pearson's coefficient over where they overlap, which
 * is at least half of the shorter one. All lags at once by Fourier transforms; the place of the maximum between samples by a
 * parabola.
 */
export function findLag(reference: ArrayLike<number>, signal: ArrayLike<number>, most: number, apart = 1): Lag | null {
  const [n, m] = [reference.length, signal.length]
  const overlap = Math.max(2, Math.ceil(Math.min(n, m) / 2))
  if (Math.min(n, m) < 3) return null
  const size = 2 ** Math.ceil(Math.log2(n + m))
  const products = crossProducts(reference, signal, size)
  const [sumsA, squaresA] = runningSums(reference)
  const [sumsB, squaresB] = runningSums(signal)
  const at = (lag: number): number => {
    // reference[i] meets signal[i + lag].
    const from = Math.max(0, -lag)
    const to = Math.min(n, m - lag)
    const count = to - from
    if (count < overlap) return Number.NaN
    const a = sumsA[to]! - sumsA[from]!
    const b = sumsB[to + lag]! - sumsB[from + lag]!
    const va = squaresA[to]! - squaresA[from]! - (a * a) / count
    const vb = squaresB[to + lag]! - squaresB[from + lag]! - (b * b) / count
    const scale = Math.sqrt(va * vb)
    return scale > 1e-12 ? (products[(lag + size) % size]! - (a * b) / count) / scale : Number.NaN
  }
  let best: { lag: number; score: number } | null = null
  const limit = Math.min(most, Math.max(n, m))
  for (let lag = -limit; lag <= limit; lag++) {
    const score = at(lag)
    if (score > (best?.score ?? Number.NEGATIVE_INFINITY)) best = { lag, score }
  }
  if (!best) return null
  let next = Number.NEGATIVE_INFINITY
  for (let lag = -limit; lag <= limit; lag++) {
    if (Math.abs(lag - best.lag) > apart) next = Math.max(next, at(lag) || Number.NEGATIVE_INFINITY)
  }
  const [before, after] = [at(best.lag - 1), at(best.lag + 1)]
  const curve = before - 2 * best.score + after
  const shift = curve < 0 ? (0.5 * (before - after)) / curve : 0
  return { lag: best.lag + (Number.isFinite(shift) ? shift : 0), score: best.score, next }
}

function runningSums(values: ArrayLike<number>): [Float64Array, Float64Array] {
  const sums = new Float64Array(values.length + 1)
  const squares = new Float64Array(values.length + 1)
  for (let i = 0; i < values.length; i++) {
    sums[i + 1] = sums[i]! + values[i]!
    squares[i + 1] = squares[i]! + values[i]! ** 2
  }
  return [sums, squares]
}

/** sum over i of a[i] b[i + lag], at lag modulo `size`. */
function crossProducts(a: ArrayLike<number>, b: ArrayLike<number>, size: number): Float64Array {
  const [ar, ai] = [new Float64Array(size), new Float64Array(size)]
  const [br, bi] = [new Float64Array(size), new Float64Array(size)]
  for (let i = 0; i < a.length; i++) ar[i] = a[i]!
  for (let i = 0; i < b.length; i++) br[i] = b[i]!
  transform(ar, ai)
  transform(br, bi)
  for (let k = 0; k < size; k++) {
    const re = ar[k]! * br[k]! + ai[k]! * bi[k]!
    const im = ar[k]! * bi[k]! - ai[k]! * br[k]!
    // The inverse transform of z is the conjugate of the transform of its conjugate.
    ar[k] = re
    ai[k] = -im
  }
  transform(ar, ai)
  return ar.map((value) => value / size)
}

/** Cooley and Tukey's fast Fourier transform in place; the length is a power of two. */
function transform(re: Float64Array, im: Float64Array): void {
  const n = re.length
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) {
      ;[re[i], re[j]] = [re[j]!, re[i]!]
      ;[im[i], im[j]] = [im[j]!, im[i]!]
    }
  }
  for (let half = 1; half < n; half *= 2) {
    for (let k = 0; k < half; k++) {
      const angle = (-Math.PI * k) / half
      const [c, s] = [Math.cos(angle), Math.sin(angle)]
      for (let i = k; i < n; i += 2 * half) {
        const j = i + half
        const x = re[j]! * c - im[j]! * s
        const y = re[j]! * s + im[j]! * c
        re[j] = re[i]! - x
        im[j] = im[i]! - y
        re[i] = re[i]! + x
        im[i] = im[i]! + y
      }
    }
  }
}
