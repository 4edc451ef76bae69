import type { RgbImage } from '@clipgstream/io'
import { median } from './statistics.js'
import type { Seen } from './visible.js'

/** How the colours of seen points compare with the image at their places. */
export interface Agreement {
  readonly points: number
  /** Median over points of the mean absolute difference of the channels, levels of 255. */
  readonly error: number
  /** Share of points that differ by less than {@link agreeing}. */
  readonly share: number
  /** Correlation of the colours, 1: the same but for gain and offset of the channels. */
  readonly score: number
}

/** Levels of 255 below which colours agree. */
export const agreeing = 24

/** Where a place of the image as it should be is in the image as it is. */
export type Mapping = (u: number, v: number) => readonly [number, number]
const asItIs: Mapping = (u, v) => [u, v]

const least = 30

/** colors // [N, 3] of the cloud. Null when fewer than 30 points are seen. */
export function agreementOf(
  seen: Seen,
  colors: Uint8Array,
  image: RgbImage,
  mapping: Mapping = asItIs,
): Agreement | null {
  const sampled = sample(seen, image, mapping)
  const errors: number[] = []
  const sums = new Float64Array(15)
  for (let i = 0; i < seen.points.length; i++) {
    if (sampled[3 * i]! < 0) continue
    const at = 3 * seen.points[i]!
    let error = 0
    for (let c = 0; c < 3; c++) {
      const [a, b] = [sampled[3 * i + c]!, colors[at + c]!]
      error += Math.abs(a - b) / 3
      sums[5 * c]! += a
      sums[5 * c + 1]! += b
      sums[5 * c + 2]! += a * a
      sums[5 * c + 3]! += b * b
      sums[5 * c + 4]! += a * b
    }
    errors.push(error)
  }
  const points = errors.length
  if (points < least) return null
  let [ab, aa, bb] = [0, 0, 0]
  for (let c = 0; c < 3; c++) {
    const [a, b] = [sums[5 * c]! / points, sums[5 * c + 1]! / points]
    aa += sums[5 * c + 2]! / points - a * a
    bb += sums[5 * c + 3]! / points - b * b
    ab += sums[5 * c + 4]! / points - a * b
  }
  const score = aa > 1e-9 && bb > 1e-9 ? ab / Math.sqrt(aa * bb) : 0
  return {
    points,
    error: median(errors),
    share: errors.filter((error) => error < agreeing).length / points,
    score,
  }
}

/** Colours of an image at the places of seen points, [points, 3]; -1 outside. Bilinear. */
export function sample({ places }: Seen, { width, height, data }: RgbImage, mapping: Mapping = asItIs): Float32Array {
  const out = new Float32Array((places.length / 2) * 3)
  for (let i = 0; i < places.length / 2; i++) {
    const [u, v] = mapping(places[2 * i]!, places[2 * i + 1]!)
    if (!(u >= 0 && u < 1 && v >= 0 && v < 1)) {
      out[3 * i] = -1
      continue
    }
    const x = Math.min(width - 1, Math.max(0, u * width - 0.5))
    const y = Math.min(height - 1, Math.max(0, v * height - 0.5))
    const [x0, y0] = [Math.floor(x), Math.floor(y)]
    const [fx, fy] = [x - x0, y - y0]
    const across = x0 + 1 < width ? 3 : 0
    const below = y0 + 1 < height ? 3 * width : 0
    const at = 3 * (y0 * width + x0)
    for (let c = 0; c < 3; c++) {
      const upper = data[at + c]! * (1 - fx) + data[at + across + c]! * fx
      const lower = data[at + below + c]! * (1 - fx) + data[at + below + across + c]! * fx
      out[3 * i + c] = upper * (1 - fy) + lower * fy
    }
  }
  return out
}
