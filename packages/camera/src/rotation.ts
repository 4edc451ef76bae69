import { CameraError } from './errors.js'
import type { Vec3 } from './vector.js'

/** A rotation as (w, x, y, z). */
export type Quaternion = readonly [number, number, number, number]

/** Three rows of a rotation matrix. */
export type Matrix3 = readonly [Vec3, Vec3, Vec3]

/** `q` at length 1; throws a {@link CameraError} when it has no direction. */
export function normalizeQuaternion(q: readonly number[]): Quaternion {
  const [w = Number.NaN, x = Number.NaN, y = Number.NaN, z = Number.NaN] = q
  const norm = Math.hypot(w, x, y, z)
  if (q.length !== 4 || !Number.isFinite(norm) || norm < 1e-12) {
    throw new CameraError(`a rotation must be four finite numbers (w, x, y, z), not all zero, got [${q.join(', ')}]`)
  }
  return [w / norm, x / norm, y / norm, z / norm]
}

/** The rotation matrix of a unit quaternion. */
export function quaternionToMatrix([w, x, y, z]: Quaternion): Matrix3 {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ]
}

/** The unit quaternion, w >= 0, of a rotation matrix (Shepperd 1978: the largest component first). */
export function matrixToQuaternion([[a, b, c], [d, e, f], [g, h, i]]: Matrix3): Quaternion {
  const squares = [1 + a + e + i, 1 + a - e - i, 1 - a + e - i, 1 - a - e + i]
  const largest = squares.indexOf(Math.max(...squares))
  const candidates: Quaternion[] = [
    [squares[0]!, h - f, c - g, d - b],
    [h - f, squares[1]!, b + d, c + g],
    [c - g, b + d, squares[2]!, f + h],
    [d - b, c + g, f + h, squares[3]!],
  ]
  const [w, x, y, z] = normalizeQuaternion(candidates[largest]!)
  return w < 0 ? [-w, -x, -y, -z] : [w, x, y, z]
}

/** Along the shorter great arc from `a` to `b` (Shoemake 1985); normalised linear where they nearly agree. */
export function slerp(a: Quaternion, b: Quaternion, t: number): Quaternion {
  const product = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
  const sign = product < 0 ? -1 : 1
  const cosine = Math.min(1, Math.abs(product))
  const angle = Math.acos(cosine)
  const sine = Math.sin(angle)
  const [from, to] = sine < 1e-6 ? [1 - t, t] : [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine]
  return normalizeQuaternion(a.map((value, i) => from * value + sign * to * b[i]!))
}
