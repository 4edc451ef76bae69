import { type Camera, worldToCameraFrom } from '@clipgstream/camera'
import { imageExtensions, readImageSize } from '../images/probe.js'
import type { Size } from '../images/types.js'
import { extension, normalizePath } from '../vfs/path.js'
import { type Field, readJson } from './fields.js'
import { some } from './findings.js'
import type { Reading } from './finish.js'
import type { Shot } from './group.js'
import { fisheyeCamera, perspectiveCamera, shiftCentres } from './lens.js'

const fisheyeModels = ['OPENCV_FISHEYE', 'FISHEYE', 'SIMPLE_RADIAL_FISHEYE', 'RADIAL_FISHEYE']
const perspectiveModels = [
  'OPENCV',
  'PINHOLE',
  'SIMPLE_PINHOLE',
  'SIMPLE_RADIAL',
  'RADIAL',
  'FULL_OPENCV',
  'PERSPECTIVE',
]

/** One image of a transforms file. */
export interface Transform {
  readonly shot: Omit<Shot, 'test'>
  /** As the file has it, for lists of names. */
  readonly filePath: string
  /** Whether the file gives a time. */
  readonly timed: boolean
}

/**
 * The frames of a transforms JSON: camera-to-world matrices with OpenGL axes, intrinsics in the frame or at the top,
 * `camera_angle_x` where there are no focal lengths. Paths may lack their extension. Images that are not there are a gap.
 */
export async function readTransforms(reading: Reading, file: string): Promise<{ transforms: Transform[]; top: Field }> {
  const top = await readJson(reading.vfs, file)
  const transforms: Transform[] = []
  const missing: string[] = []
  for (const frame of top.get('frames').list()) {
    const filePath = frame.get('file_path').text()
    const path = await findImage(reading, frame.get('file_path'))
    if (path === null) {
      missing.push(filePath)
      continue
    }
    const w = either(frame, top, 'w')
    const h = either(frame, top, 'h')
    const probed = w.missing || h.missing ? await readImageSize(reading.vfs, path) : null
    const size = probed ?? { width: w.whole(1), height: h.whole(1) }
    const matrix = frame.get('transform_matrix')
    const numbers = matrix.numbers(matrix.list().length === 3 ? 12 : 16)
    const worldToCamera = matrix.checked('a rigid camera-to-world matrix', () => worldToCameraFrom(numbers, 'opengl'))
    const camera = shiftCentres(readCamera(frame, top, size), reading.centres('half'))
    const maskPath = frame.get('mask_path')
    const mask = maskPath.missing ? await reading.mask(path) : await findImage(reading, maskPath)
    const time = frame.get('time')
    const shot = { path, time: time.numberOr(0), mask, calibration: { camera, worldToCamera } }
    transforms.push({ shot, filePath, timed: !time.missing })
  }
  if (missing.length > 0)
    reading.findings.gap('missing-image', `${file}: ${missing.length} images are not there: ${some(missing)}`)
  if (transforms.length === 0 && missing.length === 0) top.get('frames').fail('frames')
  return { transforms, top }
}

function either(frame: Field, top: Field, name: string): Field {
  const own = frame.get(name)
  return own.missing ? top.get(name) : own
}

async function findImage(reading: Reading, field: Field): Promise<string | null> {
  const path = field.checked('a path inside the folder', () => normalizePath(field.text().replaceAll('\\', '/')))
  if (imageExtensions.includes(extension(path))) return (await reading.folders.hasFile(path)) ? path : null
  for (const end of imageExtensions) if (await reading.folders.hasFile(`${path}.${end}`)) return `${path}.${end}`
  return null
}

function readCamera(frame: Field, top: Field, { width, height }: Size): Camera {
  const get = (name: string) => either(frame, top, name)
  const fromAngle = (field: Field, length: number) => {
    const angle = field.positive()
    return angle < Math.PI ? length / (2 * Math.tan(angle / 2)) : field.fail('an angle below pi, in radians')
  }
  const angleX = get('camera_angle_x')
  const angleY = get('camera_angle_y')
  const flX = get('fl_x')
  const flY = get('fl_y')
  const fx = flX.missing && !angleX.missing ? fromAngle(angleX, width) : flX.positive()
  const fy = !flY.missing ? flY.positive() : flX.missing && !angleY.missing ? fromAngle(angleY, height) : fx
  const pinhole = { width, height, fx, fy, cx: get('cx').numberOr(width / 2), cy: get('cy').numberOr(height / 2) }
  const k = ['k1', 'k2', 'k3', 'k4'].map((name) => get(name).numberOr(0))
  const [k1 = 0, k2 = 0, k3 = 0, k4 = 0] = k
  const [p1, p2] = [get('p1').numberOr(0), get('p2').numberOr(0)]
  const model = get('camera_model')
  const name = model.missing ? 'OPENCV' : model.text().toUpperCase()
  if (fisheyeModels.includes(name) || get('is_fisheye').value === true) {
    if (p1 !== 0 || p2 !== 0) model.fail('a fisheye camera without tangential distortion')
    return fisheyeCamera(pinhole, k, frame)
  }
  if (!perspectiveModels.includes(name)) model.fail(`one of ${[...perspectiveModels, ...fisheyeModels].join(', ')}`)
  // As a fourth radial term of a perspective lens, which OpenCV and COLMAP do not have.
  if (k4 !== 0) get('k4').fail('0 for a perspective camera')
  return perspectiveCamera(pinhole, [k1, k2, p1, p2, k3], frame)
}
