import {
  type Camera,
  type CameraModelName,
  cameraModel,
  nearestRotation,
  parametersOf,
  scaleCamera,
} from '@clipgstream/camera'
import type { Size } from '../images/types.js'
import type { Field } from './fields.js'

export interface PinholeNumbers extends Size {
  readonly fx: number
  readonly fy: number
  readonly cx: number
  readonly cy: number
}

/** OpenCV's k1 k2 p1 p2 k3 k4 k5 k6; what is left out is 0. */
export type OpencvDistortion = readonly number[]

/** The simplest model that holds this distortion: PINHOLE, OPENCV or FULL_OPENCV. `field` is blamed for bad numbers. */
export function perspectiveCamera(pinhole: PinholeNumbers, distortion: OpencvDistortion, field: Field): Camera {
  const [k1 = 0, k2 = 0, p1 = 0, p2 = 0, k3 = 0, k4 = 0, k5 = 0, k6 = 0, ...more] = distortion
  if (more.some((value) => value !== 0)) field.fail('distortion of at most 8 numbers, k1 k2 p1 p2 k3 k4 k5 k6')
  if ([k3, k4, k5, k6].some((value) => value !== 0))
    return made('FULL_OPENCV', pinhole, [k1, k2, p1, p2, k3, k4, k5, k6], field)
  if ([k1, k2, p1, p2].some((value) => value !== 0)) return made('OPENCV', pinhole, [k1, k2, p1, p2], field)
  return made('PINHOLE', pinhole, [], field)
}

/** OpenCV's fisheye model with k1 k2 k3 k4. */
export function fisheyeCamera(pinhole: PinholeNumbers, distortion: readonly number[], field: Field): Camera {
  const [k1 = 0, k2 = 0, k3 = 0, k4 = 0, ...more] = distortion
  if (more.some((value) => value !== 0)) field.fail('fisheye distortion of 4 numbers')
  return made('OPENCV_FISHEYE', pinhole, [k1, k2, k3, k4], field)
}

function made(model: CameraModelName, pinhole: PinholeNumbers, rest: readonly number[], field: Field): Camera {
  const { width, height, fx, fy, cx, cy } = pinhole
  const camera = { model, width, height, params: [fx, fy, cx, cy, ...rest] }
  field.checked('a camera', () => parametersOf(camera))
  return camera
}

/** fx, fy, cx, cy of a 3x3 matrix. A skew, which no model here has, is refused. */
export function matrixIntrinsics(field: Field): { fx: number; fy: number; cx: number; cy: number } {
  const [fx = 0, skew = 0, cx = 0, m10 = 0, fy = 0, cy = 0, m20 = 0, m21 = 0, m22 = 0] = field.numbers(9)
  // A skew of a millionth of the focal length moves no pixel of any image by a hundredth.
  if (Math.abs(skew) > Math.abs(fx) * 1e-6 || m10 !== 0 || m20 !== 0 || m21 !== 0 || m22 !== 1) {
    field.fail('an upper triangular matrix [fx 0 cx; 0 fy cy; 0 0 1] without skew')
  }
  return { fx, fy, cx, cy }
}

/**
 * World to camera, twelve numbers, of a file's 3x4 or 4x4 matrix with OpenCV axes. The rotation is made exact; a uniform
 * scale, which changes nothing that is seen, is taken out.
 */
export function rigid(field: Field, m: readonly number[]): number[] {
  const row = (r: number): [number, number, number] => [m[r * 4]!, m[r * 4 + 1]!, m[r * 4 + 2]!]
  const rotation = field.checked('a rotation', () => nearestRotation([row(0), row(1), row(2)]))
  const size = Math.hypot(...row(0))
  // Rounding is no scale: translations are kept to the last digit.
  const scale = Math.abs(size - 1) < 1e-3 ? 1 : size
  return rotation.flatMap((axis, r) => [...axis, m[r * 4 + 3]! / scale])
}

/** A calibration whose pixel centres are at whole numbers, with centres at +0.5. */
export function shiftCentres(camera: Camera, centres: 'half' | 'integer'): Camera {
  if (centres === 'half') return camera
  const { parameters } = cameraModel(camera.model)
  const params = camera.params.map((value, i) => (/^c[xy]$/.test(parameters[i] ?? '') ? value + 0.5 : value))
  return { ...camera, params }
}

/** The camera at the size that an image file has; the aspect ratio must agree to a pixel. */
export function fitCamera(camera: Camera, size: Size, file: string, field: Field): Camera {
  const ratio = size.width / camera.width
  if (Math.abs(camera.height * ratio - size.height) > 1 + ratio) {
    field.fail(`an image size with the shape of ${file} (${size.width}x${size.height})`)
  }
  return scaleCamera(camera, size.width, size.height)
}
