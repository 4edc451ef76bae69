import { CameraError } from './errors.js'
import { type Matrix3, matrixToQuaternion, quaternionToMatrix } from './rotation.js'
import { cross, dot, length, scale, type Vec3 } from './vector.js'

/**
 * The axes of a camera, as the columns of its camera-to-world matrix name them:
 *
 *     opencv   right, down, forward      COLMAP, OpenCV, this package
 *     opengl   right, up, backward       Blender, NeRF, nerfstudio
 *     llff     down, right, backward     poses_bounds.npy of LLFF and of the datasets that follow it
 */
export type CameraAxes = 'opencv' | 'opengl' | 'llff'

/** Rows right, down, forward, each as sign and column of the camera-to-world matrix. */
const columns = {
  opencv: [
    [1, 0],
    [1, 1],
    [1, 2],
  ],
  opengl: [
    [1, 0],
    [-1, 1],
    [-1, 2],
  ],
  llff: [
    [1, 1],
    [1, 0],
    [-1, 2],
  ],
} as const satisfies Record<CameraAxes, readonly (readonly [1 | -1, 0 | 1 | 2])[]>

/** How far, relative to their length, the columns of a rotation may be from orthogonal: files hold six digits or float32. */
const roundness = 1e-3

/**
 * World to camera, twelve numbers [R | t] in row-major order, of a camera-to-world matrix: its twelve numbers or the
 * sixteen of the 4x4 matrix, row-major. A uniform scale, which does not change what a camera sees, is taken out; rounding is
 * removed. Throws a {@link CameraError} for a mirror, a shear or numbers that are not finite.
 */
export function worldToCameraFrom(cameraToWorld: readonly number[], axes: CameraAxes): number[] {
  const m = cameraToWorld
  if ((m.length !== 12 && m.length !== 16) || !m.every(Number.isFinite)) {
    throw new CameraError(`a camera-to-world matrix must be 12 or 16 finite numbers, got [${m.join(', ')}]`)
  }
  if (m.length === 16 && (m[12] !== 0 || m[13] !== 0 || m[14] !== 0 || m[15] !== 1)) {
    throw new CameraError(`the last row of a camera-to-world matrix must be 0 0 0 1, got ${m.slice(12).join(' ')}`)
  }
  const column = (sign: number, c: number): Vec3 => [sign * m[c]!, sign * m[4 + c]!, sign * m[8 + c]!]
  const [[rs, rc], [ds, dc], [fs, fc]] = columns[axes]
  const rows: Matrix3 = [column(rs, rc), column(ds, dc), column(fs, fc)]
  const rotation = nearestRotation(rows)
  const centre: Vec3 = [m[3]!, m[7]!, m[11]!]
  return rotation.flatMap((row) => [...row, -dot(row, centre)])
}

/** The camera-to-world matrix, twelve numbers in row-major order, of a world-to-camera matrix: the inverse of the above. */
export function cameraToWorldFrom(worldToCamera: readonly number[], axes: CameraAxes): number[] {
  const m = worldToCamera
  if (m.length !== 12 || !m.every(Number.isFinite)) {
    throw new CameraError(`worldToCamera must be twelve finite numbers, got [${m.join(', ')}]`)
  }
  const out = new Array<number>(12).fill(0)
  columns[axes].forEach(([sign, c], row) => {
    for (let k = 0; k < 3; k++) {
      out[k * 4 + c] = sign * m[row * 4 + k]!
      out[k * 4 + 3]! -= m[row * 4 + k]! * m[row * 4 + 3]!
    }
  })
  return out
}

/**
 * Rows that are orthogonal and of one length up to rounding, as an exact rotation. Throws a {@link CameraError} for
 * anything else.
 */
export function nearestRotation(rows: Matrix3): Matrix3 {
  const lengths = rows.map(length)
  const size = (lengths[0]! + lengths[1]! + lengths[2]!) / 3
  const shown = `[${rows.map((row) => row.join(', ')).join('; ')}]`
  if (!(size > 0 && Number.isFinite(size))) throw new CameraError(`a rotation must not be zero, got ${shown}`)
  const [x, y, z] = [scale(rows[0], 1 / size), scale(rows[1], 1 / size), scale(rows[2], 1 / size)] as const
  const errors = [...lengths.map((l) => l / size - 1), dot(x, y), dot(y, z), dot(z, x)]
  if (!errors.every((error) => Math.abs(error) <= roundness)) {
    throw new CameraError(`a rotation must have orthogonal rows of one length, got ${shown}`)
  }
  if (dot(cross(x, y), z) < 0) {
    throw new CameraError(`a rotation must not mirror, got ${shown}; check the axes that its file is in`)
  }
  return quaternionToMatrix(matrixToQuaternion([x, y, z]))
}

/** The rotation about `vector` by its length in radians (Rodrigues), as OpenCV's files hold rotations. */
export function rotationFromVector([x, y, z]: Vec3): Matrix3 {
  const angle = Math.hypot(x, y, z)
  if (!Number.isFinite(angle)) throw new CameraError(`a rotation vector must be finite, got ${x}, ${y}, ${z}`)
  // sin(a / 2) / a, which is 1 / 2 at 0.
  const factor = angle < 1e-8 ? 0.5 - (angle * angle) / 48 : Math.sin(angle / 2) / angle
  return quaternionToMatrix([Math.cos(angle / 2), x * factor, y * factor, z * factor])
}

/** The rotation vector, at most pi long, of a rotation matrix. */
export function vectorFromRotation(rotation: Matrix3): Vec3 {
  const [w, x, y, z] = matrixToQuaternion(rotation)
  const sine = Math.hypot(x, y, z)
  const factor = sine < 1e-8 ? 2 : (2 * Math.atan2(sine, w)) / sine
  return [x * factor, y * factor, z * factor]
}
