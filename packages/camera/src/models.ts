import { CameraError } from './errors.js'
import { checkIntrinsics } from './view.js'

/** COLMAP's camera models by name. */
export type CameraModelName =
  | 'SIMPLE_PINHOLE'
  | 'PINHOLE'
  | 'SIMPLE_RADIAL'
  | 'RADIAL'
  | 'OPENCV'
  | 'OPENCV_FISHEYE'
  | 'FULL_OPENCV'
  | 'FOV'
  | 'SIMPLE_RADIAL_FISHEYE'
  | 'RADIAL_FISHEYE'
  | 'THIN_PRISM_FISHEYE'

export interface CameraModel {
  /** The number that stands for it in cameras.bin. */
  readonly id: number
  readonly name: CameraModelName
  /** Names of its parameters in the order of the file. */
  readonly parameters: readonly string[]
  /** How a ray meets the image plane before the polynomial bends it. */
  readonly projection: 'perspective' | 'fisheye' | 'fov'
}

/** One physical camera: what COLMAP's cameras file says of it. Lengths in pixels, pixel centres at +0.5. */
export interface Camera {
  readonly model: CameraModelName
  readonly width: number
  readonly height: number
  /** In the order of {@link CameraModel.parameters}. */
  readonly params: readonly number[]
}

function model(
  id: number,
  name: CameraModelName,
  parameters: string,
  projection: CameraModel['projection'] = 'perspective',
): CameraModel {
  return { id, name, parameters: parameters.split(' '), projection }
}

/** Every model that this package knows, ordered by id. */
export const cameraModels: readonly CameraModel[] = [
  model(0, 'SIMPLE_PINHOLE', 'f cx cy'),
  model(1, 'PINHOLE', 'fx fy cx cy'),
  model(2, 'SIMPLE_RADIAL', 'f cx cy k1'),
  model(3, 'RADIAL', 'f cx cy k1 k2'),
  model(4, 'OPENCV', 'fx fy cx cy k1 k2 p1 p2'),
  model(5, 'OPENCV_FISHEYE', 'fx fy cx cy k1 k2 k3 k4', 'fisheye'),
  model(6, 'FULL_OPENCV', 'fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6'),
  model(7, 'FOV', 'fx fy cx cy omega', 'fov'),
  model(8, 'SIMPLE_RADIAL_FISHEYE', 'f cx cy k1', 'fisheye'),
  model(9, 'RADIAL_FISHEYE', 'f cx cy k1 k2', 'fisheye'),
  model(10, 'THIN_PRISM_FISHEYE', 'fx fy cx cy k1 k2 p1 p2 k3 k4 sx1 sy1', 'fisheye'),
]

/** The model with this id or name; throws a {@link CameraError} that lists the known ones. */
export function cameraModel(idOrName: number | string): CameraModel {
  const found = cameraModels.find(({ id, name }) => id === idOrName || name === idOrName)
  if (!found) {
    const known = cameraModels.map(({ id, name }) => `${name} (${id})`).join(', ')
    throw new CameraError(
      `camera model ${idOrName} is not supported; convert to one of ${known}, for instance with COLMAP's image_undistorter`,
    )
  }
  return found
}

/** Whether straight lines stay straight. */
export function isUndistorted(camera: Camera): boolean {
  return camera.model === 'PINHOLE' || camera.model === 'SIMPLE_PINHOLE'
}

const names = ['fx', 'fy', 'cx', 'cy', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'p1', 'p2', 'sx1', 'sy1', 'omega'] as const

/** The parameters of every model under common names; those that a model lacks are 0. */
export type CameraParameters = Readonly<Record<(typeof names)[number], number>>

/** The parameters of a camera by name. Throws a {@link CameraError} when their number or a value is wrong. */
export function parametersOf(camera: Camera): CameraParameters {
  const { name, parameters } = cameraModel(camera.model)
  const { params } = camera
  if (params.length !== parameters.length) {
    throw new CameraError(
      `${name} takes ${parameters.length} parameters (${parameters.join(', ')}), got ${params.length}`,
    )
  }
  params.forEach((value, i) => {
    if (!Number.isFinite(value))
      throw new CameraError(`${name} parameter ${parameters[i]} must be finite, got ${value}`)
  })
  const zeros = { k1: 0, k2: 0, k3: 0, k4: 0, k5: 0, k6: 0, p1: 0, p2: 0, sx1: 0, sy1: 0, omega: 0 }
  const result: Record<(typeof names)[number], number> = { fx: 0, fy: 0, cx: 0, cy: 0, ...zeros }
  const single = parameters.indexOf('f')
  for (const key of names) result[key] = params[parameters.indexOf(key)] ?? 0
  if (single >= 0) result.fx = result.fy = params[single] ?? 0
  checkIntrinsics({ ...result, width: camera.width, height: camera.height })
  return result
}

/** Models with one focal length and what they are with two: more parameters, all 0, and the same picture. */
const twoFocal: Partial<Record<CameraModelName, CameraModelName>> = {
  SIMPLE_PINHOLE: 'PINHOLE',
  SIMPLE_RADIAL: 'OPENCV',
  RADIAL: 'OPENCV',
  SIMPLE_RADIAL_FISHEYE: 'OPENCV_FISHEYE',
  RADIAL_FISHEYE: 'OPENCV_FISHEYE',
}

/**
 * The camera of an image that was resized to `width` x `height`. Focal lengths and principal point scale by the exact ratio
 * of the sizes, which is right for pixel centres at +0.5; distortion stays. A model with one focal length becomes the one
 * with two where the ratios differ.
 */
export function scaleCamera(camera: Camera, width: number, height: number): Camera {
  if (camera.width === width && camera.height === height) return camera
  const values = parametersOf(camera)
  const sx = width / camera.width
  const sy = height / camera.height
  const scaled = { ...values, fx: values.fx * sx, fy: values.fy * sy, cx: values.cx * sx, cy: values.cy * sy }
  const same = sx === sy
  const name = same ? camera.model : (twoFocal[camera.model] ?? camera.model)
  const params = cameraModel(name).parameters.map((key) => (key === 'f' ? scaled.fx : parameterNamed(scaled, key)))
  const result = { model: name, width, height, params }
  parametersOf(result)
  return result
}

function parameterNamed(values: CameraParameters, key: string): number {
  const known = names.find((name) => name === key)
  return known ? values[known] : 0
}
