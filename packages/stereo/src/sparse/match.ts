import type { View } from '@clipgstream/camera'
import { transferMatrix } from '../pairs.js'
import type { Grey } from '../pyramid.js'
import type { DepthRange } from '../range.js'
import type { Corner } from './corners.js'

/** A corner of one view and one of another that show the same point. */
export interface CornerMatch {
  readonly from: number
  readonly to: number
  /** Normalised cross-correlation, -1 to 1. */
  readonly score: number
}

/** A view with what was found in its picture. */
export interface CornerView {
  readonly view: View
  readonly image: Grey
  readonly corners: readonly Corner[]
}

export interface MatchOptions {
  /** Largest distance of a corner from the epipolar line, pixels. Default 1.5. */
  readonly maxDistance?: number
  /** Smallest correlation. Default 0.75. */
  readonly minScore?: number
  /** By how much the best must be better than the second. Default 0.04. */
  readonly margin?: number
}

const half = 3

/**
 * Pairs of corners along epipolar lines: among those of `to` within `maxDistance` of the line and in the range of depths, the
 * one of highest NCC over 7 x 7 pixels, sampled where the plane at the triangulated depth that faces `from` projects to.
 * Of several corners that choose the same one, that of the highest NCC has it.
 */
export function matchCorners(
  from: CornerView,
  to: CornerView,
  range: DepthRange,
  options: MatchOptions = {},
): CornerMatch[] {
  const { maxDistance = 1.5, minScore = 0.75, margin = 0.04 } = options
  const matrix = transferMatrix(from.view, to.view)
  const best = new Map<number, CornerMatch>()
  const xs = Float64Array.from(to.corners, ({ x }) => x - 0.5)
  const ys = Float64Array.from(to.corners, ({ y }) => y - 0.5)
  for (const [i, corner] of from.corners.entries()) {
    const patch = patchOf(from.image, corner)
    if (!patch) continue
    const [a, b, c] = epipolarLine(matrix, corner)
    let first = minScore
    let second = -1
    let winner = -1
    for (let j = 0; j < xs.length; j++) {
      const distance = a * xs[j]! + b * ys[j]! + c
      if (!(distance <= maxDistance && distance >= -maxDistance)) continue
      const other = to.corners[j]
      const rho = other ? inverseDepthOf(matrix, corner, other) : null
      if (rho === null || rho * range.near > 1 || rho * range.far < 1) continue
      const score = correlation(patch, matrix, to.image, corner, rho, from.view)
      if (score > first) {
        if (winner >= 0) second = first
        first = score
        winner = j
      } else if (score > second) second = score
    }
    if (winner < 0 || first - second < margin) continue
    const known = best.get(winner)
    if (!known || known.score < first) best.set(winner, { from: i, to: winner, score: first })
  }
  return [...best.values()]
}

/** a, b, c with a x + b y + c the distance, in pixels, of a place in the other array from the line of a corner. */
function epipolarLine(m: readonly number[], { x, y }: Corner): readonly [number, number, number] {
  const row = (r: number) => m[r]! * (x - 0.5) + m[r + 1]! * (y - 0.5) + m[r + 2]!
  const [p, q, w] = [row(0), row(4), row(8)]
  const [tp, tq, tw] = [m[3]!, m[7]!, m[11]!]
  const line = [q * tw - w * tq, w * tp - p * tw, p * tq - q * tp] as const
  const norm = Math.hypot(line[0], line[1])
  return [line[0] / norm, line[1] / norm, line[2] / norm]
}

/** The inverse depth at which a corner projects nearest to another; null where that is behind a camera. */
function inverseDepthOf(m: readonly number[], { x, y }: Corner, other: Corner): number | null {
  const [px, py, qx, qy] = [x - 0.5, y - 0.5, other.x - 0.5, other.y - 0.5]
  const row = (r: number) => m[r]! * px + m[r + 1]! * py + m[r + 2]!
  const [a, b, c] = [row(0), row(4), row(8)]
  const [ta, tb, tc] = [m[3]!, m[7]!, m[11]!]
  // (a + ta rho) = qx (c + tc rho), and the same for qy: two equations for rho.
  const [du, dv] = [ta - qx * tc, tb - qy * tc]
  const squares = du * du + dv * dv
  if (!(squares > 0)) return null
  const rho = -(du * (a - qx * c) + dv * (b - qy * c)) / squares
  return rho > 0 && c + tc * rho > 0 ? rho : null
}

/** Grey levels around a corner, of mean 0 and length 1; null at the border and where nothing is to be seen. */
function patchOf(image: Grey, { x, y }: Corner): Float64Array | null {
  const values = new Float64Array((2 * half + 1) ** 2)
  let i = 0
  for (let v = -half; v <= half; v++) {
    for (let u = -half; u <= half; u++) {
      const value = sample(image, x - 0.5 + u, y - 0.5 + v)
      if (value === null) return null
      values[i++] = value
    }
  }
  return normalised(values)
}

function normalised(values: Float64Array): Float64Array | null {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const centred = values.map((value) => value - mean)
  const norm = Math.sqrt(centred.reduce((sum, value) => sum + value * value, 0))
  return norm > values.length ** 0.5 ? centred.map((value) => value / norm) : null
}

function correlation(
  patch: Float64Array,
  m: readonly number[],
  image: Grey,
  corner: Corner,
  rho: number,
  view: View,
): number {
  // The plane whose normal is the ray through the corner: its inverse depth changes over the picture.
  const [rx, ry] = [(corner.x - view.cx) / view.fx, (corner.y - view.cy) / view.fy]
  const scale = rho / (rx * rx + ry * ry + 1)
  const [gx, gy] = [(rx * scale) / view.fx, (ry * scale) / view.fy]
  const [x0, y0] = [corner.x - 0.5, corner.y - 0.5]
  const start = (r: number) => m[r]! * x0 + m[r + 1]! * y0 + m[r + 2]! + m[r + 3]! * rho
  const across = (r: number) => m[r]! + m[r + 3]! * gx
  const down = (r: number) => m[r + 1]! + m[r + 3]! * gy
  const [p0, q0, w0] = [start(0), start(4), start(8)]
  const [pu, qu, wu] = [across(0), across(4), across(8)]
  const [pv, qv, wv] = [down(0), down(4), down(8)]
  let [sum, squares, product] = [0, 0, 0]
  for (let v = -half, i = 0; v <= half; v++) {
    for (let u = -half; u <= half; u++, i++) {
      const w = w0 + wu * u + wv * v
      const value = w > 0 ? sample(image, (p0 + pu * u + pv * v) / w, (q0 + qu * u + qv * v) / w) : null
      if (value === null) return -1
      sum += value
      squares += value * value
      product += value * patch[i]!
    }
  }
  // The patch has mean 0 and length 1.
  const variance = squares - (sum * sum) / patch.length
  return variance > patch.length ? product / Math.sqrt(variance) : -1
}

/** Bilinear, at array coordinates; null outside. */
function sample({ width, height, data }: Grey, x: number, y: number): number | null {
  if (!(x >= 0 && y >= 0 && x <= width - 1 && y <= height - 1)) return null
  const left = Math.min(width - 2, Math.floor(x))
  const top = Math.min(height - 2, Math.floor(y))
  const [a, b] = [x - left, y - top]
  const at = top * width + left
  const upper = data[at]! * (1 - a) + data[at + 1]! * a
  const lower = data[at + width]! * (1 - a) + data[at + width + 1]! * a
  return upper * (1 - b) + lower * b
}
