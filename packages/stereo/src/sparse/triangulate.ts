import { cameraCentre, rotationOf, type Vec3, type View } from '@clipgstream/camera'
import { ArgumentError } from '@clipgstream/tensor'

/** Where one point is seen in one view; pixel (i, j) has its centre at (i + 0.5, j + 0.5). */
export interface Observation {
  readonly view: number
  readonly x: number
  readonly y: number
}

export interface TriangulationOptions {
  /** Largest distance of any observation from the projection of the point, pixels. Default 2. */
  readonly maxError?: number
  /** Smallest of the largest angles between two rays, degrees. Default 2. */
  readonly minAngle?: number
}

export interface TriangulatedPoint {
  readonly position: Vec3
  /** Root mean square of the distances to the observations, pixels. */
  readonly error: number
  /** The largest angle between two rays, degrees. */
  readonly angle: number
}

const iterations = 8

/**
 * The point that several views with known poses see: nearest to all rays in the sense of least squares, then Gauss-Newton on
 * the distances in pixels (Hartley and Zisserman 2004, 12.3). Null where the rays are too parallel, where a view has it
 * behind, or where an observation is off by more than `maxError`.
 */
export function triangulate(
  views: readonly View[],
  track: readonly Observation[],
  options: TriangulationOptions = {},
): TriangulatedPoint | null {
  const { maxError = 2, minAngle = 2 } = options
  const seen = track.map(({ view: index, x, y }) => {
    const view = views[index]
    if (!view) throw new ArgumentError('triangulate', 'view', index, `an index below ${views.length}`)
    const rows = rotationOf(view)
    const ray = [(x - view.cx) / view.fx, (y - view.cy) / view.fy, 1]
    const norm = Math.hypot(...ray)
    const along = (i: 0 | 1 | 2) => (rows[0][i] * ray[0]! + rows[1][i] * ray[1]! + rows[2][i] * ray[2]!) / norm
    const direction: Vec3 = [along(0), along(1), along(2)]
    return { view, rows, x, y, direction, centre: cameraCentre(view) }
  })
  if (seen.length < 2) return null
  const angle = largestAngle(seen.map(({ direction }) => direction))
  if (angle < minAngle) return null

  // Sum of (I - d d^T) (p - c) = 0 over the rays.
  const normal = new Float64Array(9)
  const right = new Float64Array(3)
  for (const { direction, centre } of seen) {
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) {
        const entry = (i === j ? 1 : 0) - direction[i]! * direction[j]!
        normal[3 * i + j]! += entry
        right[i]! += entry * centre[j]!
      }
    }
  }
  let point = solve(normal, right)
  let residuals = point && residualsAt(point, seen)
  for (let i = 0; point && residuals && i < iterations; i++) {
    const step = solve(residuals.normal, residuals.right)
    if (!step) break
    const next: Vec3 = [point[0] - step[0], point[1] - step[1], point[2] - step[2]]
    const after = residualsAt(next, seen)
    if (!after || !(after.squares < residuals.squares)) break
    point = next
    residuals = after
  }
  if (!point || !residuals || !(residuals.largest <= maxError)) return null
  return { position: point, error: Math.sqrt(residuals.squares / seen.length), angle }
}

interface Seen {
  readonly view: View
  readonly rows: readonly [Vec3, Vec3, Vec3]
  readonly x: number
  readonly y: number
  readonly centre: Vec3
}

/** Null when the point lies behind a view. */
function residualsAt(point: Vec3, seen: readonly Seen[]) {
  const normal = new Float64Array(9)
  const right = new Float64Array(3)
  let squares = 0
  let largest = 0
  for (const { view, rows, x, y, centre } of seen) {
    const d: Vec3 = [point[0] - centre[0], point[1] - centre[1], point[2] - centre[2]]
    const [a, b, c] = rows.map((row) => row[0] * d[0] + row[1] * d[1] + row[2] * d[2])
    if (!(c! > 0)) return null
    const du = (view.fx * a!) / c! + view.cx - x
    const dv = (view.fy * b!) / c! + view.cy - y
    squares += du * du + dv * dv
    largest = Math.max(largest, Math.hypot(du, dv))
    const ju = [0, 1, 2].map((i) => (view.fx * (rows[0][i]! - (a! / c!) * rows[2][i]!)) / c!)
    const jv = [0, 1, 2].map((i) => (view.fy * (rows[1][i]! - (b! / c!) * rows[2][i]!)) / c!)
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) normal[3 * i + j]! += ju[i]! * ju[j]! + jv[i]! * jv[j]!
      right[i]! += ju[i]! * du + jv[i]! * dv
    }
  }
  return { normal, right, squares, largest }
}

/** x of A x = b for a symmetric 3 x 3 matrix, or null where it is singular. */
function solve(a: Float64Array, b: Float64Array): Vec3 | null {
  const column = (j: number): Vec3 => [a[j]!, a[3 + j]!, a[6 + j]!]
  const rhs: Vec3 = [b[0]!, b[1]!, b[2]!]
  const determinant = triple(column(0), column(1), column(2))
  const scale = (Math.abs(a[0]!) + Math.abs(a[4]!) + Math.abs(a[8]!)) ** 3
  if (!(Math.abs(determinant) > 1e-14 * scale)) return null
  return [
    triple(rhs, column(1), column(2)) / determinant,
    triple(column(0), rhs, column(2)) / determinant,
    triple(column(0), column(1), rhs) / determinant,
  ]
}

function triple(a: Vec3, b: Vec3, c: Vec3): number {
  return a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/** Degrees. */
function largestAngle(directions: readonly Vec3[]): number {
  let cosine = 1
  directions.forEach((a, i) => {
    for (const b of directions.slice(i + 1)) cosine = Math.min(cosine, a[0] * b[0] + a[1] * b[1] + a[2] * b[2])
  })
  return (Math.acos(Math.max(-1, cosine)) * 180) / Math.PI
}
