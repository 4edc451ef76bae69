import { cameraToWorldFrom, type View, worldToCameraFrom } from '@clipgstream/camera'
import { decodeUtf8 } from '../bytes.js'
import { FormatError, OptionError } from '../errors.js'
import { Field } from './fields.js'

/** A camera that moves, frame by frame. */
export interface CameraPathFile {
  readonly views: readonly View[]
  /** Frames a second. */
  readonly fps: number | null
  /** Time of each view in [0, 1] of the sequence, where the file says so. */
  readonly times: readonly number[] | null
  /** Whether the path ends where it begins. */
  readonly closed: boolean
}

const longest = 2 ** 26

/**
 * A camera path as Blender's add-on for Gaussian splats and NeRFs writes it (nerfstudio's `camera_path.json`): `camera_to_world`
 * (16 numbers, row-major, OpenGL axes) and the vertical `fov` in degrees of each frame, `render_width` and `render_height`.
 * Pixels are square and the principal point is the centre.
 */
export function readCameraPath(bytes: Uint8Array, file = 'camera_path.json'): CameraPathFile {
  if (bytes.length > longest) throw new FormatError(file, 'size', `at most ${longest} bytes`, `${bytes.length}`)
  const text = decodeUtf8(bytes, file, 'text')
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw new FormatError(file, 'text', 'JSON', cause instanceof Error ? cause.message : String(cause), { cause })
  }
  const top = new Field(file, 'top', content)
  const type = top.either('camera_type', 'camera_model')
  if (!type.missing && type.text().toLowerCase() !== 'perspective')
    type.fail('perspective: no other camera is drawn here')
  const width = top.get('render_width').whole(1)
  const height = top.get('render_height').whole(1)
  const frames = top.get('camera_path').list()
  if (frames.length === 0) top.get('camera_path').fail('at least one camera')
  const views = frames.map((frame): View => {
    const matrix = frame.get('camera_to_world')
    const worldToCamera = matrix.checked('a rigid camera-to-world matrix', () =>
      worldToCameraFrom(matrix.numbers(16), 'opengl'),
    )
    const fov = frame.get('fov')
    const degrees = fov.positive()
    if (!(degrees < 180)) fov.fail('an angle below 180 degrees')
    const focal = height / (2 * Math.tan((degrees * Math.PI) / 360))
    return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2, worldToCamera }
  })
  const fps = top.get('fps')
  return {
    views,
    fps: fps.missing ? null : fps.positive(),
    times: timesOf(frames),
    closed: top.get('is_cycle').value === true,
  }
}

/** Times of all cameras or of none: where some have one, nothing says when the others are. */
function timesOf(frames: readonly Field[]): number[] | null {
  const fields = frames.map((frame) => frame.get('render_time'))
  const timed = fields.find((field) => !field.missing)
  if (!timed) return null
  return fields.map((field) =>
    field.missing
      ? field.fail(`a number, since ${timed.where} is there: all cameras have one, or none`)
      : field.number(),
  )
}

export interface CameraPathOptions {
  /** Frames a second. Default 30. */
  readonly fps?: number
  /** Time of each view in [0, 1]. */
  readonly times?: readonly number[]
  readonly closed?: boolean
}

/**
 * Such a file of views, and in `notes` what it cannot hold: a principal point off the centre, pixels that are not square.
 * Every view has the image size of the first.
 */
export function writeCameraPath(
  views: readonly View[],
  { fps = 30, times, closed = false }: CameraPathOptions = {},
): { text: string; notes: string[] } {
  const [first] = views
  if (!first) throw new OptionError('views', 'none', 'at least one view')
  if (!(fps > 0 && Number.isFinite(fps))) throw new OptionError('fps', fps, 'a number above 0')
  if (times && times.length !== views.length) throw new OptionError('times', times.length, `${views.length} numbers`)
  const { width, height } = first
  let offCentre = 0
  let stretched = 0
  const path = views.map((view, i) => {
    if (view.width !== width || view.height !== height)
      throw new OptionError(`view ${i}`, `${view.width}x${view.height}`, `of the size of the first, ${width}x${height}`)
    offCentre = Math.max(offCentre, Math.abs(view.cx - width / 2), Math.abs(view.cy - height / 2))
    stretched = Math.max(stretched, Math.abs(view.fx / view.fy - 1))
    return {
      camera_to_world: [...cameraToWorldFrom(view.worldToCamera, 'opengl'), 0, 0, 0, 1],
      fov: (Math.atan(height / (2 * view.fy)) * 360) / Math.PI,
      aspect: 1,
      ...(times && { render_time: times[i] }),
    }
  })
  const notes: string[] = []
  if (offCentre > 1e-6)
    notes.push(`principal points up to ${offCentre.toFixed(1)} pixels off the centre are not in the file`)
  if (stretched > 1e-6)
    notes.push(
      `focal lengths that differ by up to ${(stretched * 100).toFixed(2)} % between the axes are not in the file`,
    )
  const content = {
    keyframes: [],
    camera_type: 'perspective',
    render_height: height,
    render_width: width,
    camera_path: path,
    fps,
    seconds: views.length / fps,
    smoothness_value: 0,
    is_cycle: closed,
  }
  return { text: `${JSON.stringify(content, null, 1)}\n`, notes }
}
