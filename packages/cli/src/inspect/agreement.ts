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
export const asItIs: Mapping = (u, v) => [u, v]

const least = 30

/** colors // [N, 3] of the cloud. Null when fewer than 30 points are seen. */
export function agreementOf(seen: Seen, colors: Uint8Array, image: RgbImage): Agreement | null {
  const sampled = sample(seen, image)
  const { points, score } = scoreOf(seen, colors, sampled)
  if (points < least) return null
  const errors: number[] = []
  for (let i = 0; i < seen.points.length; i++) {
    if (sampled[3 * i]! < 0) continue
    const at = 3 * seen.points[i]!
    let error = 0
    for (let c = 0; c < 3; c++) error += Math.abs(sampled[3 * i + c]! - colors[at + c]!) / 3
    errors.push(error)
  }
  const share = errors.filter((error) => error < agreeing).length / points
  return { points, error: median(errors), share, score }
}

/** The score alone, as the image would agree if its places were mapped; 0 when fewer than 30 points are in it. */
export function mappedScore(
  seen: Seen,
  colors: Uint8Array,
  image: RgbImage,
  mapping: Mapping,
): { points: number; score: number } {
  const found = scoreOf(seen, colors, sample(seen, image, mapping))
  return found.points < least ? { ...found, score: 0 } : found
}

/** Correlation of three channels together, each about its own mean. */
function scoreOf(seen: Seen, colors: Uint8Array, sampled: Float32Array): { points: number; score: number } {
  let points = 0
  let [ab, aa, bb] = [0, 0, 0]
  for (let c = 0; c < 3; c++) {
    let [n, a, b, a2, b2, both] = [0, 0, 0, 0, 0, 0]
    for (let i = 0; i < seen.points.length; i++) {
      if (sampled[3 * i]! < 0) continue
      const x = sampled[3 * i + c]!
      const y = colors[3 * seen.points[i]! + c]!
      n++
      a += x
      b += y
      a2 += x * x
      b2 += y * y
      both += x * y
    }
    points = n
    if (n === 0) break
    aa += a2 - (a * a) / n
    bb += b2 - (b * b) / n
    ab += both - (a * b) / n
  }
  return { points, score: aa > 1e-6 && bb > 1e-6 ? ab / Math.sqrt(aa * bb) : 0 }
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
