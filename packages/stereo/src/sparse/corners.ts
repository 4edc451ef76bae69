import type { Grey } from '../pyramid.js'

/** A place that can be found again. */
export interface Corner {
  /** Pixels, centres at +0.5. */
  readonly x: number
  readonly y: number
  /** The smaller eigenvalue of the mean structure tensor, squared grey levels per pixel. */
  readonly strength: number
}

const window = 2
/** Binomial, of sum one along each axis: a flat window would leave a plateau around a corner. */
const weights = [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16]
/** The nearest that two corners may be, pixels. */
const separation = 3
/** Squared grey levels per pixel: what is weaker is noise. */
const leastStrength = 4
/** Cells across and down in each of which as many corners may be. */
const cells = 8

/**
 * The strongest corners (Shi and Tomasi 1994), spread over the picture: the smaller eigenvalue of the structure tensor of
 * central differences over 5 x 5 pixels with binomial weights, local maxima, refined by a parabola along each axis.
 */
export function findCorners({ width, height, data }: Grey, most: number): Corner[] {
  const strengths = new Float64Array(width * height)
  const at = (x: number, y: number) => data[y * width + x]!
  const edge = window + 1
  for (let y = edge; y < height - edge; y++) {
    for (let x = edge; x < width - edge; x++) {
      let [xx, xy, yy] = [0, 0, 0]
      for (let v = y - window; v <= y + window; v++) {
        for (let u = x - window; u <= x + window; u++) {
          const weight = weights[v - y + window]! * weights[u - x + window]!
          const gx = (at(u + 1, v) - at(u - 1, v)) / 2
          const gy = (at(u, v + 1) - at(u, v - 1)) / 2
          xx += weight * gx * gx
          xy += weight * gx * gy
          yy += weight * gy * gy
        }
      }
      const half = (xx + yy) / 2
      strengths[y * width + x] = half - Math.hypot((xx - yy) / 2, xy)
    }
  }
  const buckets = Array.from({ length: cells * cells }, (): Corner[] => [])
  for (let y = edge; y < height - edge; y++) {
    for (let x = edge; x < width - edge; x++) {
      const strength = strengths[y * width + x]!
      if (strength < leastStrength || !isPeak(strengths, width, height, x, y)) continue
      const refine = (before: number, after: number) => {
        const curve = before - 2 * strength + after
        return curve < 0 ? Math.max(-0.5, Math.min(0.5, (0.5 * (before - after)) / curve)) : 0
      }
      const dx = refine(strengths[y * width + x - 1]!, strengths[y * width + x + 1]!)
      const dy = refine(strengths[(y - 1) * width + x]!, strengths[(y + 1) * width + x]!)
      const bucket = Math.floor((y * cells) / height) * cells + Math.floor((x * cells) / width)
      buckets[bucket]?.push({ x: x + 0.5 + dx, y: y + 0.5 + dy, strength })
    }
  }
  const share = Math.ceil(most / buckets.length)
  const ranked = buckets.map((bucket) => bucket.sort((a, b) => b.strength - a.strength))
  const spread = ranked.flatMap((bucket) => bucket.slice(0, share))
  const rest = ranked.flatMap((bucket) => bucket.slice(share)).sort((a, b) => b.strength - a.strength)
  return [...spread, ...rest].slice(0, most)
}

/** Whether nothing around is stronger; of equal ones the first in reading order counts. */
function isPeak(strengths: Float64Array, width: number, height: number, x: number, y: number): boolean {
  const here = strengths[y * width + x]!
  for (let v = Math.max(0, y - separation); v <= Math.min(height - 1, y + separation); v++) {
    for (let u = Math.max(0, x - separation); u <= Math.min(width - 1, x + separation); u++) {
      const other = strengths[v * width + u]!
      const isBefore = v < y || (v === y && u < x)
      if (other > here || (isBefore && other === here)) return false
    }
  }
  return true
}
