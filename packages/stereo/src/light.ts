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
  const values = new Float64Array(count)
  /** The upper median. */
  const medianOfValues = () => selectInPlace(values, count >> 1, 0, count - 1)
  for (let i = 0; i < count; i++) values[i] = to[i]! / from[i]!
  let [gain, offset] = [medianOfValues(), 0]
  for (let round = 0; round < rounds; round++) {
    let close = 0
    for (let i = 0; i < count; i++) {
      const residual = Math.abs(gain * from[i]! + offset - to[i]!)
      if (residual <= 1) close++
      values[i] = residual
    }
    // At least 2, which takes no median where most are close.
    const limit = close > count >> 1 ? 2 : 2 * medianOfValues()
    let [n, x, y, xx, xy] = [0, 0, 0, 0, 0]
    for (let i = 0; i < count; i++) {
      const a = from[i]!
      const b = to[i]!
      if (Math.abs(gain * a + offset - b) > limit) continue
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
