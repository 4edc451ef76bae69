import { checkSame, type RgbPicture } from './pictures.js'
import { selectInPlace } from './select.js'

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
  const from = image.data
  const data = new Uint8Array(from.length)
  const tableOf = (channel: number) => {
    const { gain, offset } = fitLight(from, like.data, channel)
    return Uint8Array.from({ length: 256 }, (_, value) =>
      Math.max(0, Math.min(255, Math.round((value - offset) / gain))),
    )
  }
  const [red, green, blue] = [tableOf(0), tableOf(1), tableOf(2)]
  for (let i = 0; i < data.length; i += 3) {
    data[i] = red[from[i]!]!
    data[i + 1] = green[from[i + 1]!]!
    data[i + 2] = blue[from[i + 2]!]!
  }
  return { width: image.width, height: image.height, data }
}

/** The gain and offset with which `like` becomes `data`. */
function fitLight(data: Uint8Array, like: Uint8Array, channel: number): { gain: number; offset: number } {
  // Odd steps do not run down columns.
  const step = 3 * (Math.floor(data.length / 3 / samples) | 1)
  const most = Math.ceil(data.length / step)
  const from = new Uint8Array(most)
  const to = new Uint8Array(most)
  let count = 0
  for (let i = channel; i < data.length; i += step) {
    const a = like[i]!
    const b = data[i]!
    if (a < darkest || a > brightest || b < darkest || b > brightest) continue
    from[count] = a
    to[count++] = b
  }
  const same = { gain: 1, offset: 0 }
  if (count < fewest) return same
  const scratch = new Float64Array(count)
  for (let i = 0; i < count; i++) scratch[i] = to[i]! / from[i]!
  let gain = selectInPlace(scratch, count >> 1, 0, count - 1)
  let offset = 0
  const residuals = new Float64Array(count)
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < count; i++) residuals[i] = Math.abs(gain * from[i]! + offset - to[i]!)
    const limit = limitOf(residuals, scratch)
    let [n, x, y, xx, xy] = [0, 0, 0, 0, 0]
    for (let i = 0; i < count; i++) {
      if (residuals[i]! > limit) continue
      const a = from[i]!
      const b = to[i]!
      n++
      x += a
      y += b
      xx += a * a
      xy += a * b
    }
    const spread = xx - (x * x) / n
    const before = { gain, offset }
    // What has one level only says nothing about gain and offset apart.
    if (spread > 25 * n) gain = (xy - (x * y) / n) / spread
    offset = (y - gain * x) / n
    if (gain === before.gain && offset === before.offset) break
  }
  return gain > 0.25 && gain < 4 ? { gain, offset } : same
}

/** Twice the upper median of residuals, at least 2. Of all residuals only those at the median's whole number are sorted. */
function limitOf(residuals: Float64Array, scratch: Float64Array): number {
  const middle = residuals.length >> 1
  const levels = new Int32Array(256)
  const levelOf = (residual: number) => (residual < 255 ? residual | 0 : 255)
  for (let i = 0; i < residuals.length; i++) {
    const level = levelOf(residuals[i]!)
    levels[level] = levels[level]! + 1
  }
  let [level, below] = [0, 0]
  while (below + levels[level]! <= middle) below += levels[level++]!
  if (level === 0) return 2
  let near = 0
  for (let i = 0; i < residuals.length; i++) {
    scratch[near] = residuals[i]!
    if (levelOf(residuals[i]!) === level) near++
  }
  return 2 * selectInPlace(scratch, middle - below, 0, near - 1)
}
