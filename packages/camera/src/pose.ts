import { CameraError } from './errors.js'
import { type Camera, isUndistorted, parametersOf } from './models.js'
import {
  type Matrix3,
  matrixToQuaternion,
  normalizeQuaternion,
  type Quaternion,
  quaternionToMatrix,
} from './rotation.js'
import { cross, direction, dot, subtract, type Vec3 } from './vector.js'
import type { Intrinsics, View } from './view.js'

/** Where a camera stands, as COLMAP writes it: world to camera, x_c = R(qvec) x + tvec. */
export interface Pose {
  /** (w, x, y, z); normalised when it is read. */
  readonly qvec: readonly number[]
  readonly tvec: readonly number[]
}

/** Twelve numbers, [R | t] in row-major order, of a COLMAP pose. */
export function worldToCamera({ qvec, tvec }: Pose): number[] {
  const [x = Number.NaN, y = Number.NaN, z = Number.NaN] = tvec
  if (tvec.length !== 3 || ![x, y, z].every(Number.isFinite)) {
    throw new CameraError(`a translation must be three finite numbers, got [${tvec.join(', ')}]`)
  }
  return joinMatrix(quaternionToMatrix(normalizeQuaternion(qvec)), [x, y, z])
}

/** The COLMAP pose of a view; the quaternion has w >= 0. */
export function poseOf(view: View): { qvec: Quaternion; tvec: Vec3 } {
  return { qvec: matrixToQuaternion(rotationOf(view)), tvec: translationOf(view) }
}

/**
 * The view of an undistorted COLMAP camera (PINHOLE, SIMPLE_PINHOLE) at a pose. Throws a {@link CameraError} for models
 * with distortion: their images need `undistortedView` and `undistortionMap` first.
 */
export function viewFromColmap(camera: Camera, pose: Pose): View {
  if (!isUndistorted(camera)) {
    throw new CameraError(
      `a view needs an undistorted camera, got ${camera.model}; undistort the images (undistortedView, undistortionMap)`,
    )
  }
  const { fx, fy, cx, cy } = parametersOf(camera)
  return { width: camera.width, height: camera.height, fx, fy, cx, cy, worldToCamera: worldToCamera(pose) }
}

/**
 * A view from `eye` towards `target` whose picture has `up` upwards. Throws a {@link CameraError} when they coincide or
 * are in line.
 */
export function lookAt(eye: Vec3, target: Vec3, up: Vec3, intrinsics: Intrinsics): View {
  const forward = direction(subtract(target, eye))
  const right = forward && direction(up) && direction(cross(forward, up))
  if (!forward || !right || Math.abs(dot(forward, direction(up) ?? forward)) > 1 - 1e-12) {
    throw new CameraError(
      `cannot look from [${eye.join(', ')}] to [${target.join(', ')}] with [${up.join(', ')}] upwards; ` +
        'the points must differ and up must not be in line with them',
    )
  }
  const { width, height, fx, fy, cx, cy } = intrinsics
  return { width, height, fx, fy, cx, cy, ...placed([right, cross(forward, right), forward], eye) }
}

/** The matrix of a camera with these axes (rows: right, down, forward) at `centre`. */
export function placed(rotation: Matrix3, centre: Vec3): { worldToCamera: number[] } {
  const [x, y, z] = rotation
  return { worldToCamera: joinMatrix(rotation, [-dot(x, centre), -dot(y, centre), -dot(z, centre)]) }
}

/** Where the camera is, in world units: -R^T t. */
export function cameraCentre(view: View): Vec3 {
  const [x, y, z] = rotationOf(view)
  const [a, b, c] = translationOf(view)
  return [-(x[0] * a + y[0] * b + z[0] * c), -(x[1] * a + y[1] * b + z[1] * c), -(x[2] * a + y[2] * b + z[2] * c)]
}

/** The unit direction, in the world, of the optical axis. */
export function viewDirection(view: View): Vec3 {
  return rotationOf(view)[2]
}

/** The unit direction, in the world, that is up in the picture. */
export function viewUp(view: View): Vec3 {
  const [, [x, y, z]] = rotationOf(view)
  return [-x, -y, -z]
}

/** Rows right, down and forward of the camera in the world. */
export function rotationOf({ worldToCamera: m }: View): Matrix3 {
  checkMatrix(m)
  return [
    [m[0]!, m[1]!, m[2]!],
    [m[4]!, m[5]!, m[6]!],
    [m[8]!, m[9]!, m[10]!],
  ]
}

function translationOf({ worldToCamera: m }: View): Vec3 {
  checkMatrix(m)
  return [m[3]!, m[7]!, m[11]!]
}

function checkMatrix(m: readonly number[]): void {
  if (m.length !== 12 || !m.every(Number.isFinite)) {
    throw new CameraError(`worldToCamera must be twelve finite numbers, got [${m.join(', ')}]`)
  }
}

function joinMatrix(rows: Matrix3, translation: Vec3): number[] {
  return rows.flatMap((row, i) => [...row, translation[i]!])
}
