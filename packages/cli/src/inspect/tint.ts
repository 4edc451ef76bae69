import { median } from './statistics.js'
import type { Seen } from './visible.js'

/** What a camera makes of the colours that the cameras see together: level x becomes gain x + offset. */
export interface Tint {
  /** red, green, blue */
  readonly gain: readonly [number, number, number]
  /** Levels of 255. */
  readonly offset: readonly [number, number, number]
  /** Root mean square over the channels of the change of dark, middle and light grey, levels of 255. */
  readonly change: number
  readonly points: number
}

const least = 60
const levels = [64, 128, 192]

/**
 * Each camera against the median of the cameras that see the same points, by least squares without the points that fit
 * worst. samples // by camera [points, 3] levels, -1 outside; null for cameras that see fewer than 60 such points
 */
export function tintsOf(count: number, seen: readonly Seen[], samples: readonly Float32Array[]): (Tint | null)[] {
  const reference = together(count, seen, samples)
  return seen.map(({ points }, camera) => {
    const own = samples[camera]
    if (!own) return null
    const fits = [0, 1, 2].map((c) => {
      const [x, y]: [number[], number[]] = [[], []]
      points.forEach((point, i) => {
        const common = reference[3 * point + c]!
        if (common < 0 || own[3 * i]! < 0) return
        // What is cut off at either end says nothing of the gain.
        if (own[3 * i + c]! < 4 || own[3 * i + c]! > 250 || common > 250) return
        x.push(common)
        y.push(own[3 * i + c]!)
      })
      return line(x, y)
    })
    const [r, g, b] = fits
    if (!r || !g || !b) return null
    let sum = 0
    for (const { gain, offset } of [r, g, b]) for (const x of levels) sum += (gain * x + offset - x) ** 2
    return {
      gain: [r.gain, g.gain, b.gain],
      offset: [r.offset, g.offset, b.offset],
      change: Math.sqrt(sum / (3 * levels.length)),
      points: Math.min(r.points, g.points, b.points),
    }
  })
}

/** The median colour of each point, [N, 3]; -1 for those that fewer than three cameras see. */
function together(count: number, seen: readonly Seen[], samples: readonly Float32Array[]): Float32Array {
  const colors: number[][] = Array.from({ length: count }, () => [])
  seen.forEach(({ points }, camera) => {
    const own = samples[camera]
    if (!own) return
    points.forEach((point, i) => {
      if (own[3 * i]! >= 0) colors[point]?.push(own[3 * i]!, own[3 * i + 1]!, own[3 * i + 2]!)
    })
  })
  const reference = new Float32Array(count * 3).fill(-1)
  colors.forEach((list, point) => {
    if (list.length < 9) return
    for (let c = 0; c < 3; c++) reference[3 * point + c] = median(list.filter((_, i) => i % 3 === c))
  })
  return reference
}

/** y = gain x + offset by least squares, three times, each time without what is 2.5 times as far off as the middle. */
function line(x: readonly number[], y: readonly number[]): { gain: number; offset: number; points: number } | null {
  let [gain, offset, points] = [1, median(y.map((value, i) => value - x[i]!)), 0]
  for (let round = 0; round < 3; round++) {
    const residuals = y.map((value, i) => Math.abs(value - gain * x[i]! - offset))
    const limit = Math.max(4, 2.5 * 1.4826 * median(residuals))
    let [n, sx, sy, xx, xy] = [0, 0, 0, 0, 0]
    residuals.forEach((residual, i) => {
      if (residual > limit) return
      n++
      sx += x[i]!
      sy += y[i]!
      xx += x[i]! ** 2
      xy += x[i]! * y[i]!
    })
    const variance = xx - (sx * sx) / n
    if (n < least || !(variance > n)) return null
    gain = (xy - (sx * sy) / n) / variance
    offset = (sy - gain * sx) / n
    points = n
  }
  return { gain, offset, points }
}
