import { FormatError } from '../errors.js'
import { Field, readText } from './fields.js'
import { finishCapture, type Reading } from './finish.js'
import { perspectiveCamera, rigid, shiftCentres } from './lens.js'
import type { Capture, CaptureCalibration } from './types.js'

/** Sensor coordinates count parts of a pixel. */
const parts = 64
const millimetres = 1000
const longestXml = 2 ** 24

/**
 * Videos and a calibration that Qualisys Track Manager exported (`.qca.txt`, XML): by camera its `serial`, `fov_video` (the part
 * of the sensor that the video shows, both ends included), `transform` (position in millimetres; the rows of the rotation are
 * the camera's right, up and backward axes in the world) and `intrinsic` (focal lengths and centre in 1/64 pixel from the
 * sensor's corner; OpenCV's distortion, which has no unit and is not scaled). Cameras become metres.
 */
export async function readQualisys(reading: Reading, file: string): Promise<Capture> {
  const calibrations = await parseQualisys(await readText(reading.vfs, file), file, reading.centres('half'))
  const cameras = await reading.pair(calibrations, file)
  return finishCapture(reading, { kind: 'qualisys', cameras })
}

export async function parseQualisys(
  text: string,
  file: string,
  centres: 'half' | 'integer',
): Promise<Map<string, CaptureCalibration>> {
  const calibrations = new Map<string, CaptureCalibration>()
  for (const [i, camera] of (await cameraElements(text, file)).entries()) {
    const serial = camera.attributes['serial'] ?? ''
    const where = `camera ${serial || i}`
    const part = (name: string): Field => {
      const found = camera.children.find((child) => child.name === name)
      return new Field(file, `${where} ${name}`, found ? numeric(found.attributes) : undefined)
    }
    if (serial === '') throw new FormatError(file, where, 'a serial', 'none')
    // Cameras that only see markers record no video.
    if (!camera.children.some(({ name }) => name === 'fov_video')) continue
    if (calibrations.has(serial)) throw new FormatError(file, where, 'each serial once', 'a second camera')
    const fov = part('fov_video')
    const [left, top] = [fov.get('left').whole(), fov.get('top').whole()]
    const width = fov.get('right').whole(left) - left + 1
    const height = fov.get('bottom').whole(top) - top + 1
    const lens = part('intrinsic')
    const skew = lens.get('skew')
    if (skew.numberOr(0) !== 0) skew.fail('0: no lens model here has a skew')
    const pinhole = {
      width,
      height,
      fx: lens.get('focalLengthU').positive() / parts,
      fy: lens.get('focalLengthV').positive() / parts,
      cx: lens.get('centerPointU').number() / parts - left,
      cy: lens.get('centerPointV').number() / parts - top,
    }
    const [k1 = 0, k2 = 0, p1 = 0, p2 = 0, k3 = 0] = [
      'radialDistortion1',
      'radialDistortion2',
      'tangentalDistortion1',
      'tangentalDistortion2',
      'radialDistortion3',
    ].map((name) => lens.get(name).numberOr(0))
    const transform = part('transform')
    const r = (row: number, sign: 1 | -1) => [1, 2, 3].map((c) => sign * transform.get(`r${row}${c}`).number())
    const axes = [r(1, 1), r(2, -1), r(3, -1)]
    const centre = ['x', 'y', 'z'].map((name) => transform.get(name).number() / millimetres)
    const matrix = axes.flatMap((row) => [...row, -row.reduce((sum, value, c) => sum + value * (centre[c] ?? 0), 0)])
    calibrations.set(serial, {
      camera: shiftCentres(perspectiveCamera(pinhole, [k1, k2, p1, p2, k3], lens), centres),
      worldToCamera: rigid(transform, matrix),
    })
  }
  if (calibrations.size === 0) throw new FormatError(file, 'cameras', 'cameras with fov_video', 'none')
  return calibrations
}

interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly Element[]
}

async function cameraElements(text: string, file: string): Promise<readonly Element[]> {
  if (text.length > longestXml)
    throw new FormatError(file, 'text', `at most ${longestXml} characters`, `${text.length}`)
  // Documents that define entities of their own are none of Qualisys', and could grow without bounds.
  if (/<!DOCTYPE/i.test(text)) throw new FormatError(file, 'text', 'XML without a document type', 'a document type')
  const { parseXml, XmlElement } = await import('@rgrove/parse-xml')
  let root: InstanceType<typeof XmlElement> | null
  try {
    root = parseXml(text).root
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw new FormatError(file, 'text', 'XML', reason, { cause })
  }
  const convert = (element: InstanceType<typeof XmlElement>): Element => ({
    name: element.name,
    attributes: element.attributes,
    children: element.children.flatMap((child) => (child instanceof XmlElement ? [convert(child)] : [])),
  })
  if (root?.name !== 'calibration') throw new FormatError(file, 'root', '<calibration>', `<${root?.name ?? ''}>`)
  const cameras = convert(root).children.find(({ name }) => name === 'cameras')
  return cameras?.children.filter(({ name }) => name === 'camera') ?? []
}

function numeric(attributes: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, text]) => {
      const value = text.trim() === '' ? Number.NaN : Number(text)
      return [name, Number.isFinite(value) ? value : text]
    }),
  )
}
