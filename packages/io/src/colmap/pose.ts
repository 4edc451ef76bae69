import { poseOf as viewPose } from '@clipgstream/camera'
import { FormatError } from '../errors.js'
import type { RigidTransform } from './types.js'

export const identity: RigidTransform = { rotation: [1, 0, 0, 0], translation: [0, 0, 0] }

/** A pose from seven numbers qw qx qy qz tx ty tz; the quaternion is brought to length 1. */
export function poseOf(numbers: readonly number[], file: string, where: string): RigidTransform {
  const [w = 0, x = 0, y = 0, z = 0, tx = 0, ty = 0, tz = 0] = numbers
  const length = Math.hypot(w, x, y, z)
  if (!(length > 1e-12 && Number.isFinite(length))) {
    throw new FormatError(file, where, 'a quaternion that is not zero', `${w} ${x} ${y} ${z}`)
  }
  if (!Number.isFinite(tx + ty + tz)) throw new FormatError(file, where, 'a finite translation', `${tx} ${ty} ${tz}`)
  // Files hold unit quaternions to within rounding; dividing by a length of 1 - 1e-16 would only change the last bit.
  const scale = Math.abs(length - 1) < 1e-15 ? 1 : 1 / length
  return { rotation: [w * scale, x * scale, y * scale, z * scale], translation: [tx, ty, tz] }
}

/** `outer` after `inner`. */
export function compose(outer: RigidTransform, inner: RigidTransform): RigidTransform {
  const [a, b, c, d] = outer.rotation
  const [e, f, g, h] = inner.rotation
  const m = rotationMatrix(outer.rotation)
  const [x, y, z] = inner.translation
  const [tx, ty, tz] = outer.translation
  return {
    rotation: [
      a * e - b * f - c * g - d * h,
      a * f + b * e + c * h - d * g,
      a * g - b * h + c * e + d * f,
      a * h + b * g - c * f + d * e,
    ],
    translation: [
      m[0]! * x + m[1]! * y + m[2]! * z + tx,
      m[3]! * x + m[4]! * y + m[5]! * z + ty,
      m[6]! * x + m[7]! * y + m[8]! * z + tz,
    ],
  }
}

/** Nine numbers, row-major, of a unit quaternion w x y z (Hamilton). */
export function rotationMatrix([w, x, y, z]: RigidTransform['rotation']): number[] {
  return [
    1 - 2 * (y * y + z * z),
    2 * (x * y - w * z),
    2 * (x * z + w * y),
    2 * (x * y + w * z),
    1 - 2 * (x * x + z * z),
    2 * (y * z - w * x),
    2 * (x * z - w * y),
    2 * (y * z + w * x),
    1 - 2 * (x * x + y * y),
  ]
}

/** Twelve numbers, the 3x4 matrix [R | t] in row-major order. */
export function poseMatrix({ rotation, translation }: RigidTransform): number[] {
  const m = rotationMatrix(rotation)
  return [0, 1, 2].flatMap((row) => [...m.slice(row * 3, row * 3 + 3), translation[row] ?? 0])
}

/** The pose of twelve numbers [R | t] in row-major order; the inverse of {@link poseMatrix}. */
export function matrixPose(matrix: readonly number[]): RigidTransform {
  const view = { width: 1, height: 1, fx: 1, fy: 1, cx: 0.5, cy: 0.5, worldToCamera: matrix }
  const { qvec, tvec } = viewPose(view)
  return { rotation: qvec, translation: tvec }
}
