import { checkSame, type RgbPicture } from './pictures.js'

/** Pixels that a fit looks at, about. */
const samples = 8192
/** Values near the ends of the range are clipped and tell nothing. */
const darkest = 4
const brightest = 251
const rounds = 6
const fewest = 64

/**
 * A picture in the light of another one of the same camera: each channel's gain and offset are fitted to what most pixels
 * say (least squares of those whose residual is at most twice the median one, repeated), and undone.
 */
export function matchLight(image: RgbPicture, like: RgbPicture): RgbPicture {
  checkSame('matchLight', 'image', image, like)
  const data = new Uint8Array(image.data.length)
  for (let c = 0; c < 3; c++) {
    const { gain, offset } = fitLight(image.data, like.data, c)
    const table = Uint8Array.from({ length: 256 }, (_, value) =>
      Math.max(0, Math.min(255, Math.round((value - offset) / gain))),
    )
    for (let i = c; i < data.length; i += 3) data[i] = table[image.data[i]!]!
  }
  return { width: image.width, height: image.height, data }
}

/** The gain and offset with which `like` becomes `data`. */
function fitLight(data: Uint8Array, like: Uint8Array, channel: number): { gain: number; offset: number } {
  // Odd steps do not run down columns.
  const step = 3 * (Math.floor(data.length / 3 / samples) | 1)
  const from: number[] = []
  const to: number[] = []
  for (let i = channel; i < data.length; i += step) {
    const [a, b] = [like[i]!, data[i]!]
    if (a < darkest || a > brightest || b < darkest || b > brightest) continue
    from.push(a)
    to.push(b)
  }
  const same = { gain: 1, offset: 0 }
  if (from.length < fewest) return same
  const quotients = Float64Array.from(from, (value, i) => to[i]! / value)
  let fit = { gain: medianOf(quotients), offset: 0 }
  for (let round = 0; round < rounds; round++) {
    const residuals = Float64Array.from(from, (value, i) => Math.abs(fit.gain * value + fit.offset - to[i]!))
    const limit = Math.max(2, 2 * medianOf(residuals.slice()))
    let [n, x, y, xx, xy] = [0, 0, 0, 0, 0]
    for (let i = 0; i < from.length; i++) {
      if (residuals[i]! > limit) continue
      const [a, b] = [from[i]!, to[i]!]
      n++
      x += a
      y += b
      xx += a * a
      xy += a * b
    }
    const spread = xx - (x * x) / n
    // What has one level only says nothing about gain and offset apart.
    const gain = spread > 25 * n ? (xy - (x * y) / n) / spread : fit.gain
    fit = { gain, offset: (y - gain * x) / n }
  }
  return fit.gain > 0.25 && fit.gain < 4 ? fit : same
}

/** The upper median; changes the order of `values`. */
function medianOf(values: Float64Array): number {
  const middle = values.length >> 1
  // Selection by halves: those that are smaller than a pivot to its left, until it lies in the middle.
  for (let first = 0, last = values.length - 1; first < last; ) {
    const pivot = values[(first + last) >> 1]!
    let [i, j] = [first, last]
    while (i <= j) {
      while (values[i]! < pivot) i++
      while (values[j]! > pivot) j--
      if (i > j) break
      const value = values[i]!
      values[i++] = values[j]!
      values[j--] = value
    }
    if (middle <= j) last = j
    else if (middle >= i) first = i
    else break
  }
  return values[middle] ?? 0
}
