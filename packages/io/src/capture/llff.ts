import { worldToCameraFrom } from '@clipgstream/camera'
import { FormatError } from '../errors.js'
import { readImageSize } from '../images/probe.js'
import { readPointCloud } from '../ply/points.js'
import { readNpy } from '../tensors/npy.js'
import { Field } from './fields.js'
import { some } from './findings.js'
import { finishCapture, type Reading } from './finish.js'
import { fitCamera, perspectiveCamera, shiftCentres } from './lens.js'
import { findMedia, type Media } from './media.js'
import type { Capture, CaptureCalibration, CaptureCamera, CaptureCloud } from './types.js'

const file = 'poses_bounds.npy'

/**
 * Neural 3D Video (DyNeRF), Meet Room and others in the layout of LLFF: `poses_bounds.npy`, a row of 17 numbers a camera in
 * the order of the cameras' names: the 3x5 matrix [camera to world, axes down right backward | height, width, focal length],
 * then the nearest and farthest depth. A camera is `camNN.mp4` or an image folder `camNN/images`. The principal point is the
 * centre of the image. Images of another size than the row's scale the camera. Camera 0 is for testing.
 */
export async function readLlff(reading: Reading): Promise<Capture> {
  const { vfs, folders, findings } = reading
  const rows = readRows(await vfs.read(file), reading.centres('half'))
  const media = await findMedia(folders)
  if (media.length !== rows.length) {
    const names = some(
      media.map(({ name }) => name),
      8,
    )
    const message = `${file} has ${rows.length} cameras, but there are ${media.length} videos or image folders${media.length > 0 ? ` (${names})` : ''}; rows are paired with them in the order of their names, so their numbers must agree`
    findings.error(media.length === 0 ? 'missing-video' : 'camera-count', message)
  }
  const cameras: Omit<CaptureCamera, 'test'>[] = []
  for (const [i, row] of rows.entries()) {
    const own = media[i]
    if (!own || media.length !== rows.length) continue
    cameras.push({ name: own.name, calibration: await fitted(reading, row, own), source: await reading.source(own) })
  }
  const clouds: CaptureCloud[] = []
  for (const path of ['downsampled_points_50.ply', 'points3D_downsample2.ply', 'points3D.ply']) {
    if (clouds.length === 0 && (await folders.hasFile(path)))
      clouds.push({ path, frames: null, read: async () => readPointCloud(await vfs.read(path), path) })
  }
  return finishCapture(reading, {
    kind: 'llff',
    cameras,
    clouds,
    fps: 30,
    test: { names: [0] },
    scene: { near: Math.min(...rows.map(({ near }) => near)), far: Math.max(...rows.map(({ far }) => far)) },
  })
}

interface Row {
  readonly calibration: CaptureCalibration
  readonly near: number
  readonly far: number
  readonly field: Field
}

function readRows(bytes: Uint8Array, centres: 'half' | 'integer'): Row[] {
  const { dtype, shape, data } = readNpy(bytes, file)
  const [count = 0, width = 0] = shape
  if (shape.length !== 2 || width !== 17 || count === 0 || !['F32', 'F64'].includes(dtype))
    throw new FormatError(file, 'array', 'floating numbers [cameras, 17]', `${dtype} [${shape.join(', ')}]`)
  if (count > 4096) throw new FormatError(file, 'array', 'at most 4096 cameras', `${count}`)
  return Array.from({ length: count }, (_, i) => {
    const numbers = Array.from({ length: 17 }, (_, k) => Number(data[i * 17 + k]))
    const field = new Field(file, `row ${i}`, numbers)
    const v = field.numbers(17)
    const [height = 0, width = 0, focal = 0] = [v[4], v[9], v[14]]
    if (!(Number.isInteger(height) && Number.isInteger(width) && height > 0 && width > 0 && focal > 0))
      throw new FormatError(file, `row ${i}`, 'height, width, focal length above 0', `${height}, ${width}, ${focal}`)
    const pose = [0, 5, 10].flatMap((at) => v.slice(at, at + 4))
    const worldToCamera = field.checked('a rigid camera-to-world matrix', () => worldToCameraFrom(pose, 'llff'))
    const pinhole = { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2 }
    const camera = shiftCentres(perspectiveCamera(pinhole, [], field), centres)
    return { calibration: { camera, worldToCamera }, near: v[15] ?? 0, far: v[16] ?? 0, field }
  })
}

async function fitted(reading: Reading, { calibration, field }: Row, media: Media): Promise<CaptureCalibration> {
  const first = media.kind === 'images' ? media.paths.find((path) => path !== null) : undefined
  const size = first ? await readImageSize(reading.vfs, first) : null
  return first && size ? { ...calibration, camera: fitCamera(calibration.camera, size, first, field) } : calibration
}
