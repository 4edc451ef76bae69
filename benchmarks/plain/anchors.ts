// What stands between anchors and the rasterizer, and searches among points, in plain JavaScript.
import type { View } from '@clipgstream/camera'
import type { AnchorConfig } from '@clipgstream/gaussians'

export interface AnchorArrays {
  positions: Float32Array // [N, 3]
  logScaling: Float32Array // [N, 6]
}

/** Indices of the anchors that the view may show, ascending. */
export function plainVisible(
  { positions, logScaling }: AnchorArrays,
  view: View,
  { near, dilation }: AnchorConfig,
): Uint32Array {
  const { worldToCamera: m, width, height, fx, fy, cx, cy } = view
  const n = positions.length / 3
  const indices = new Uint32Array(n)
  let count = 0
  const limitX = (0.65 * width) / fx
  const limitY = (0.65 * height) / fy
  const columns = Math.ceil(width / 16)
  const rows = Math.ceil(height / 16)
  for (let i = 0; i < n; i++) {
    const px = positions[3 * i]!
    const py = positions[3 * i + 1]!
    const pz = positions[3 * i + 2]!
    const z = m[8]! * px + m[9]! * py + m[10]! * pz + m[11]!
    if (!(z > near)) continue
    const u = (m[0]! * px + m[1]! * py + m[2]! * pz + m[3]!) / z
    const v = (m[4]! * px + m[5]! * py + m[6]! * pz + m[7]!) / z
    const tu = Math.max(-limitX, Math.min(limitX, u))
    const tv = Math.max(-limitY, Math.min(limitY, v))
    let a = dilation
    let b = 0
    let c = dilation
    for (let k = 0; k < 3; k++) {
      const scale = Math.exp(logScaling[6 * i + k]!)
      const first = (fx / z) * (m[k]! - tu * m[8 + k]!) * scale
      const second = (fy / z) * (m[4 + k]! - tv * m[8 + k]!) * scale
      a += first * first
      b += first * second
      c += second * second
    }
    const half = (a - c) / 2
    const radius = Math.ceil(3 * Math.sqrt((a + c) / 2 + Math.sqrt(Math.max(0.1, half * half + b * b))))
    const x = fx * u + cx - 0.5
    const y = fy * v + cy - 0.5
    if (tilesBetween(x - radius, x + radius, columns) > 0 && tilesBetween(y - radius, y + radius, rows) > 0)
      indices[count++] = i
  }
  return indices.slice(0, count)
}

function tilesBetween(low: number, high: number, tiles: number): number {
  const first = Math.max(0, Math.min(tiles, Math.floor(low / 16)))
  return Math.max(0, Math.min(tiles, Math.floor((high + 15) / 16))) - first
}

/** Rows of the anchors `indices`; cov // [V, 7 K], offset // [V, 3 K] */
export function plainAssemble(
  { positions, logScaling }: AnchorArrays,
  indices: Uint32Array,
  { cov, offset }: { cov: Float32Array; offset: Float32Array },
  k: number,
): { means: Float32Array; quats: Float32Array; scales: Float32Array } {
  const n = indices.length * k
  const means = new Float32Array(3 * n)
  const quats = new Float32Array(4 * n)
  const scales = new Float32Array(3 * n)
  const spread = new Float64Array(6)
  for (let row = 0; row < indices.length; row++) {
    const anchor = indices[row]!
    for (let j = 0; j < 6; j++) spread[j] = Math.exp(logScaling[6 * anchor + j]!)
    for (let g = row * k; g < (row + 1) * k; g++) {
      for (let axis = 0; axis < 3; axis++) {
        means[3 * g + axis] = positions[3 * anchor + axis]! + offset[3 * g + axis]! * spread[axis]!
        scales[3 * g + axis] = spread[3 + axis]! / (1 + Math.exp(-cov[7 * g + axis]!))
      }
      const w = cov[7 * g + 3]!
      const x = cov[7 * g + 4]!
      const y = cov[7 * g + 5]!
      const z = cov[7 * g + 6]!
      const inverse = 1 / Math.max(Math.sqrt(w * w + x * x + y * y + z * z), 1e-12)
      quats[4 * g] = w * inverse
      quats[4 * g + 1] = x * inverse
      quats[4 * g + 2] = y * inverse
      quats[4 * g + 3] = z * inverse
    }
  }
  return { means, quats, scales }
}

/** Mean squared distance of the first `queries` points to their 3 nearest others, looking at every point. */
export function bruteForceNeighbours(points: Float32Array, queries: number): Float64Array {
  const result = new Float64Array(queries)
  for (let i = 0; i < queries; i++) {
    const x = points[3 * i]!
    const y = points[3 * i + 1]!
    const z = points[3 * i + 2]!
    let first = Number.POSITIVE_INFINITY
    let second = first
    let third = first
    for (let j = 0, at = 0; at < points.length; j++, at += 3) {
      const dx = points[at]! - x
      const dy = points[at + 1]! - y
      const dz = points[at + 2]! - z
      const distance = dx * dx + dy * dy + dz * dz
      if (distance >= third || j === i) continue
      if (distance >= second) third = distance
      else {
        third = second
        if (distance >= first) second = distance
        else {
          second = first
          first = distance
        }
      }
    }
    result[i] = (first + second + third) / 3
  }
  return result
}

/** Of the first `queries` candidates those that lie `threshold` outside of every sphere, looking at every sphere until one covers. */
export function bruteForceResidual(
  centres: Float32Array,
  radii: Float64Array,
  candidates: Float32Array,
  queries: number,
  threshold: number,
): number[] {
  const kept: number[] = []
  for (let i = 0; i < queries; i++) {
    const x = candidates[3 * i]!
    const y = candidates[3 * i + 1]!
    const z = candidates[3 * i + 2]!
    let covered = false
    for (let j = 0; j < radii.length && !covered; j++) {
      const dx = centres[3 * j]! - x
      const dy = centres[3 * j + 1]! - y
      const dz = centres[3 * j + 2]! - z
      const reach = radii[j]! + threshold
      covered = dx * dx + dy * dy + dz * dz < reach * reach
    }
    if (!covered) kept.push(i)
  }
  return kept
}
