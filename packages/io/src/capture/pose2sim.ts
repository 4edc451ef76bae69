import { rotationFromVector } from '@clipgstream/camera'
import { FormatError } from '../errors.js'
import { Field, readText } from './fields.js'
import { finishCapture, type Reading } from './finish.js'
import { fisheyeCamera, matrixIntrinsics, perspectiveCamera, rigid, shiftCentres } from './lens.js'
import type { Capture, CaptureCalibration } from './types.js'

/**
 * Videos and a `Calib.toml` of Pose2Sim (also written by Anipose and aniposelib): by camera `name`, `size`, `matrix`,
 * `distortions` (OpenCV's), `rotation` (a rotation vector) and `translation` (metres), world to camera with OpenCV axes, and
 * `fisheye`. Pixel centres are at whole numbers, as OpenCV calibrates: half a pixel is added to principal points.
 */
export async function readPose2sim(reading: Reading, file: string): Promise<Capture> {
  const calibrations = await parsePose2sim(await readText(reading.vfs, file), file, reading.centres('integer'))
  const cameras = await reading.pair(calibrations, file)
  return finishCapture(reading, { kind: 'pose2sim', cameras })
}

export async function parsePose2sim(
  text: string,
  file: string,
  centres: 'half' | 'integer',
): Promise<Map<string, CaptureCalibration>> {
  const { parse } = await import('smol-toml')
  let content: unknown
  try {
    content = parse(text, { maxDepth: 16 })
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw new FormatError(file, 'text', 'TOML', reason, { cause })
  }
  const calibrations = new Map<string, CaptureCalibration>()
  for (const [key, camera] of new Field(file, 'top', content).members()) {
    if (key === 'metadata') continue
    const name = camera.get('name').missing ? key : camera.get('name').text()
    if (calibrations.has(name)) camera.get('name').fail('each name once')
    const size = camera.get('size')
    const [width = 0, height = 0] = size.numbers(2)
    if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
      size.fail('two whole numbers above 0')
    const pinhole = { width, height, ...matrixIntrinsics(camera.get('matrix')) }
    const distortion = camera.get('distortions')
    const k = distortion.missing ? [] : distortion.numbers(distortion.list().length)
    const make = camera.get('fisheye').value === true ? fisheyeCamera : perspectiveCamera
    const rotation = camera.get('rotation')
    const [r0, r1, r2] = rotationFromVector(rotation.triple())
    const [x, y, z] = camera.get('translation').triple()
    calibrations.set(name, {
      camera: shiftCentres(make(pinhole, k, distortion), centres),
      worldToCamera: rigid(rotation, [...r0, x, ...r1, y, ...r2, z]),
    })
  }
  if (calibrations.size === 0) throw new FormatError(file, 'text', 'a table for each camera', 'none')
  return calibrations
}
