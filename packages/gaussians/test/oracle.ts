// The formulas of contract.ts in double precision, one anchor and one Gaussian at a time.
import type { View } from '@clipgstream/camera'

export interface Anchors {
  positions: ArrayLike<number>
  logScaling: ArrayLike<number>
  rotations?: ArrayLike<number>
}

/** Columns of the rotation of a quaternion (w, x, y, z), normalised. */
function rotation(q: readonly number[]): number[][] {
  const norm = Math.max(Math.hypot(...q), 1e-12)
  const [w = 1, x = 0, y = 0, z = 0] = q.map((c) => c / norm)
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ]
}

/**
 * Where anchor n lands: whether it is visible, and how far, in pixels, its square's edges would have to move (or its
 * radius to be rounded otherwise) to change that.
 */
export function project(anchors: Anchors, n: number, view: View, near: number, dilation: number) {
  const m = view.worldToCamera
  const p = [0, 1, 2].map((axis) => anchors.positions[3 * n + axis]!)
  const camera = [0, 1, 2].map((i) => [0, 1, 2].reduce((s, j) => s + m[4 * i + j]! * p[j]!, m[4 * i + 3]!))
  const [x = 0, y = 0, z = 0] = camera
  if (!(z > near)) return { visible: false, radius: 0, margin: Math.abs(z - near) * view.fx }
  const limitX = (1.3 * view.width) / (2 * view.fx)
  const limitY = (1.3 * view.height) / (2 * view.fy)
  const u = Math.min(limitX, Math.max(-limitX, x / z))
  const v = Math.min(limitY, Math.max(-limitY, y / z))
  const jacobian = [
    [view.fx / z, 0, (-view.fx * u) / z],
    [0, view.fy / z, (-view.fy * v) / z],
  ]
  const r = rotation([0, 1, 2, 3].map((i) => anchors.rotations?.[4 * n + i] ?? (i === 0 ? 1 : 0)))
  // J W R diag(s), two rows
  const rows = jacobian.map((row) =>
    [0, 1, 2].map((k) => {
      let sum = 0
      for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) sum += row[i]! * m[4 * i + j]! * r[j]![k]!
      return sum * Math.exp(anchors.logScaling[6 * n + k]!)
    }),
  )
  const dot = (i: number, j: number) => rows[i]!.reduce((s, value, k) => s + value * rows[j]![k]!, 0)
  const a = dot(0, 0) + dilation
  const b = dot(0, 1)
  const c = dot(1, 1) + dilation
  const middle = (a + c) / 2
  const exact = 3 * Math.sqrt(middle + Math.sqrt(Math.max(0.1, middle * middle - (a * c - b * b))))
  const radius = Math.ceil(exact)
  const px = (view.fx * x) / z + view.cx - 0.5
  const py = (view.fy * y) / z + view.cy - 0.5
  const edges = [
    [px, Math.ceil(view.width / 16)],
    [py, Math.ceil(view.height / 16)],
  ] as const
  const visible = edges.every(([at, tiles]) => {
    const clamp = (value: number) => Math.min(tiles, Math.max(0, Math.trunc(value)))
    return clamp((at + radius + 15) / 16) > clamp((at - radius) / 16)
  })
  // Visible means at + radius + 15 >= 16 and at - radius < 16 tiles, along both axes.
  const margin = Math.min(
    ...edges.flatMap(([at, tiles]) => [Math.abs(at + radius - 1), Math.abs(at - radius - 16 * tiles)]),
    Math.abs(exact - Math.round(exact)),
  )
  return { visible, radius, margin }
}

export interface Decoded {
  cov: ArrayLike<number> // [V, K, 7]
  offset: ArrayLike<number> // [V, K, 3]
}

/** means [V, K, 3], quats [V, K, 4] and scales [V, K, 3] of the anchors `indices`. */
export function assemble(anchors: Anchors, indices: readonly number[], decoded: Decoded, k: number) {
  const means: number[] = []
  const quats: number[] = []
  const scales: number[] = []
  indices.forEach((anchor, row) => {
    const size = (axis: number) => Math.exp(anchors.logScaling[6 * anchor + axis]!)
    for (let g = row * k; g < row * k + k; g++) {
      const q = [3, 4, 5, 6].map((c) => decoded.cov[7 * g + c]!)
      const norm = Math.max(Math.sqrt(q.reduce((sum, c) => sum + c * c, 0)), 1e-12)
      for (let axis = 0; axis < 3; axis++) {
        means.push(anchors.positions[3 * anchor + axis]! + decoded.offset[3 * g + axis]! * size(axis))
        scales.push(size(3 + axis) / (1 + Math.exp(-decoded.cov[7 * g + axis]!)))
      }
      quats.push(...q.map((c) => c / norm))
    }
  })
  return { means, quats, scales }
}

/** Gradients of sum(v . outputs) with respect to logScaling, cov and offset by central differences. */
export function assembleBackward(
  anchors: Anchors,
  indices: readonly number[],
  decoded: Decoded,
  k: number,
  v: { means: ArrayLike<number>; quats: ArrayLike<number>; scales: ArrayLike<number> },
) {
  const state = {
    logScaling: Float64Array.from(anchors.logScaling),
    cov: Float64Array.from(decoded.cov),
    offset: Float64Array.from(decoded.offset),
  }
  const loss = () => {
    const out = assemble({ ...anchors, logScaling: state.logScaling }, indices, state, k)
    const dot = (values: readonly number[], weights: ArrayLike<number>) =>
      values.reduce((sum, value, i) => sum + value * weights[i]!, 0)
    return dot(out.means, v.means) + dot(out.quats, v.quats) + dot(out.scales, v.scales)
  }
  const differentiate = (values: Float64Array) =>
    values.map((value, i) => {
      const h = 1e-5
      values[i] = value + h
      const above = loss()
      values[i] = value - h
      const below = loss()
      values[i] = value
      return (above - below) / (2 * h)
    })
  return {
    vLogScaling: differentiate(state.logScaling),
    vCov: differentiate(state.cov),
    vOffset: differentiate(state.offset),
  }
}

/** Every distance to every other point, sorted. */
export function neighbourDistances(positions: ArrayLike<number>, i: number, k: number): number[] {
  const distances: number[] = []
  for (let j = 0; j < positions.length / 3; j++)
    if (j !== i) distances.push(squaredDistance(positions, i, positions, j))
  return distances.sort((a, b) => a - b).slice(0, k)
}

export function squaredDistance(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number {
  let sum = 0
  for (let axis = 0; axis < 3; axis++) sum += (a[3 * i + axis]! - b[3 * j + axis]!) ** 2
  return sum
}

/** Signed distances of point i to the union of spheres and to the sphere with the nearest centre. */
export function sphereDistances(
  points: ArrayLike<number>,
  i: number,
  centres: ArrayLike<number>,
  radii: ArrayLike<number>,
) {
  let union = Number.POSITIVE_INFINITY
  let nearest = { squared: Number.POSITIVE_INFINITY, radius: 0 }
  for (let j = 0; j < radii.length; j++) {
    const squared = squaredDistance(points, i, centres, j)
    const radius = radii[j]!
    union = Math.min(union, Math.sqrt(squared) - radius)
    if (squared < nearest.squared || (squared === nearest.squared && radius < nearest.radius))
      nearest = { squared, radius }
  }
  return { union, nearest: Math.sqrt(nearest.squared) - nearest.radius }
}
