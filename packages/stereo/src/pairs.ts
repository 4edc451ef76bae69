import { type Matrix3, rotationOf, type Vec3, type View } from '@clipgstream/camera'

// How places in one image map to another, in coordinates of the arrays: pixel (i, j) is the point (i, j).

/** R // [3][3] and t // [3] from the camera of `from` to that of `to`. */
function between(from: View, to: View): { rotation: Matrix3; translation: Vec3 } {
  const [[ux, uy, uz], [vx, vy, vz], [wx, wy, wz]] = rotationOf(from)
  const rotation = product(rotationOf(to), [
    [ux, vx, wx],
    [uy, vy, wy],
    [uz, vz, wz],
  ])
  const [a, b, c] = shiftOf(to)
  const [u, v, w] = times(rotation, shiftOf(from))
  return { rotation, translation: [a - u, b - v, c - w] }
}

function shiftOf({ worldToCamera: m }: View): Vec3 {
  return [m[3]!, m[7]!, m[11]!]
}

/**
 * Twelve numbers, rows of [A | b]: a pixel (x, y) of `from` at inverse depth rho is, in `to`, at (u / w, v / w) with
 * (u, v, w) = A (x, y, 1) + b rho. rho / w is its inverse depth there; w > 0 in front of the camera.
 */
export function transferMatrix(from: View, to: View): number[] {
  const { rotation, translation } = between(from, to)
  const intoPixels: Matrix3 = [
    [to.fx, 0, to.cx - 0.5],
    [0, to.fy, to.cy - 0.5],
    [0, 0, 1],
  ]
  const ofPixels: Matrix3 = [
    [1 / from.fx, 0, (0.5 - from.cx) / from.fx],
    [0, 1 / from.fy, (0.5 - from.cy) / from.fy],
    [0, 0, 1],
  ]
  const [a, b, c] = product(product(intoPixels, rotation), ofPixels)
  const [u, v, w] = times(intoPixels, translation)
  return [...a, u, ...b, v, ...c, w]
}

/** Forty numbers for the check of consistency: there, back, the rotation back, fx, fy, cx, cy of the other, padding. */
export function pairRow(reference: View, other: View): number[] {
  const { rotation } = between(other, reference)
  const { fx, fy, cx, cy } = other
  const back = transferMatrix(other, reference)
  return [...transferMatrix(reference, other), ...back, ...rotation.flat(), fx, fy, cx, cy, 0, 0, 0]
}

/** Sums begin at 0, so that nothing is -0. */
function product([a, b, c]: Matrix3, [d, e, f]: Matrix3): Matrix3 {
  const row = ([x, y, z]: Vec3): Vec3 => [
    0 + x * d[0] + y * e[0] + z * f[0],
    0 + x * d[1] + y * e[1] + z * f[1],
    0 + x * d[2] + y * e[2] + z * f[2],
  ]
  return [row(a), row(b), row(c)]
}

function times([a, b, c]: Matrix3, [x, y, z]: Vec3): Vec3 {
  const dot = (row: Vec3) => 0 + row[0] * x + row[1] * y + row[2] * z
  return [dot(a), dot(b), dot(c)]
}
