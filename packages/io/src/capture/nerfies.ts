import { nearestRotation } from '@clipgstream/camera'
import { FormatError } from '../errors.js'
import { imageExtensions, readImageSize } from '../images/probe.js'
import { readPointCloud } from '../ply/points.js'
import { readNpy } from '../tensors/npy.js'
import { type Field, readJson } from './fields.js'
import { some } from './findings.js'
import { finishCapture, type Reading } from './finish.js'
import { groupShots, type Shot } from './group.js'
import { fitCamera, perspectiveCamera, shiftCentres } from './lens.js'
import type { Capture, CaptureCalibration, CaptureCloud } from './types.js'

const scales = ['1x', '2x', '4x', '8x', '16x']

/**
 * Nerfies and HyperNeRF: `dataset.json` (ids, train_ids, val_ids), `metadata.json` (camera_id; warp_id or time_id is the
 * frame), `camera/ID.json`, `scene.json`, images in `rgb/1x` or smaller. A camera has `orientation` (world to camera,
 * OpenCV axes), `position`, `focal_length`, `pixel_aspect_ratio`, `principal_point` (pixel centres at +0.5), three radial and
 * two tangential numbers of distortion. Coordinates stay as the cameras have them: the files' own normalisation by
 * `scene.json` is in `scene`. Without ids for validation every fourth image is for training and the ones halfway between for
 * testing, as HyperNeRF's interpolation scenes have it.
 */
export async function readNerfies(reading: Reading): Promise<Capture> {
  const { vfs, folders } = reading
  const dataset = await readJson(vfs, 'dataset.json')
  const metadata = await readJson(vfs, 'metadata.json')
  const { train, test, unused } = readSplit(dataset)
  const images = await findScale(reading)
  const shots: Shot[] = []
  const missing: string[] = []
  for (const [id, forTest] of [...train.map((id) => [id, false] as const), ...test.map((id) => [id, true] as const)]) {
    const path = images?.get(id)
    if (path === undefined) {
      missing.push(id)
      continue
    }
    const entry = metadata.get(id)
    const calibration = await readCameraFile(reading, `camera/${id}.json`, path)
    shots.push({
      path,
      time: entry.either('warp_id', 'time_id', 'appearance_id').whole(),
      camera: `cam${entry.get('camera_id').numberOr(0)}`,
      mask: await reading.mask(path),
      calibration,
      test: forTest,
    })
  }
  if (missing.length > 0)
    reading.findings.gap('missing-image', `dataset.json: ${missing.length} images are not in rgb/: ${some(missing)}`)
  if (unused > 0)
    reading.findings.note('left-out', `dataset.json: ${unused} ids are neither for training nor for testing`)
  const scene = (await folders.hasFile('scene.json')) ? await readJson(vfs, 'scene.json') : null
  return finishCapture(reading, {
    kind: 'nerfies',
    ...groupShots(shots),
    clouds: await findClouds(reading),
    ...(scene && {
      scene: {
        near: scene.get('near').numberOrNull(),
        far: scene.get('far').numberOrNull(),
        scale: scene.get('scale').numberOrNull(),
        center: scene.get('center').missing ? null : scene.get('center').triple(),
      },
    }),
  })
}

function readSplit(dataset: Field): { train: string[]; test: string[]; unused: number } {
  const ids = (name: string) => {
    const field = dataset.get(name)
    return field.missing ? [] : field.list().map((item) => item.text())
  }
  const all = ids('ids')
  const val = ids('val_ids')
  const train = ids('train_ids')
  if (val.length > 0) return { train, test: val, unused: Math.max(0, all.length - train.length - val.length) }
  if (all.length === 0) dataset.get('ids').fail('ids')
  const every = (from: number) => all.filter((_, i) => i % 4 === from)
  return { train: every(0), test: every(2), unused: all.length - every(0).length - every(2).length }
}

/** Images by id in the largest folder of `rgb/` that there is. */
async function findScale(reading: Reading): Promise<Map<string, string> | null> {
  for (const scale of scales) {
    const paths = await reading.folders.images(`rgb/${scale}`)
    if (paths.length > 0) {
      return new Map(paths.map((path) => [idOf(path), path]))
    }
  }
  reading.findings.error('missing-image', `no images in ${scales.map((scale) => `rgb/${scale}`).join(', ')}`)
  return null
}

function idOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return name.replace(new RegExp(`\\.(${imageExtensions.join('|')})$`, 'i'), '')
}

async function readCameraFile(reading: Reading, file: string, image: string): Promise<CaptureCalibration> {
  const json = await readJson(reading.vfs, file)
  const [width = 0, height = 0] = json.get('image_size').numbers(2)
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
    json.get('image_size').fail('two whole numbers above 0')
  const skew = json.get('skew')
  if (Math.abs(skew.numberOr(0)) > 1e-6) skew.fail('0: no lens model here has a skew')
  const fx = json.get('focal_length').positive()
  const fy = fx * (json.get('pixel_aspect_ratio').missing ? 1 : json.get('pixel_aspect_ratio').positive())
  const [cx = 0, cy = 0] = json.get('principal_point').numbers(2)
  const radial = json.get('radial_distortion')
  const tangential = json.either('tangential_distortion', 'tangential')
  const [k1 = 0, k2 = 0, k3 = 0] = radial.missing ? [] : radial.numbers(3)
  const [p1 = 0, p2 = 0] = tangential.missing ? [] : tangential.numbers(2)
  const full = perspectiveCamera({ width, height, fx, fy, cx, cy }, [k1, k2, p1, p2, k3], json)
  const size = await readImageSize(reading.vfs, image)
  if (!size) throw new FormatError(image, 'header', 'JPEG, PNG or WebP', 'something else')
  const camera = fitCamera(shiftCentres(full, reading.centres('half')), size, image, json.get('image_size'))
  const o = json.get('orientation')
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0] = o.numbers(9)
  const rotation = o.checked('a rotation', () =>
    nearestRotation([
      [a, b, c],
      [d, e, f],
      [g, h, i],
    ]),
  )
  const [x, y, z] = json.get('position').triple()
  const worldToCamera = rotation.flatMap((row) => [...row, -(row[0] * x + row[1] * y + row[2] * z)])
  return { camera, worldToCamera }
}

async function findClouds({ vfs, folders }: Reading): Promise<CaptureCloud[]> {
  const clouds: CaptureCloud[] = []
  const npy = 'points.npy'
  if (await folders.hasFile(npy)) {
    const read = async () => {
      const { dtype, shape, data } = readNpy(await vfs.read(npy), npy)
      if (shape.length !== 2 || shape[1] !== 3 || !['F32', 'F64'].includes(dtype))
        throw new FormatError(npy, 'array', 'floating numbers [N, 3]', `${dtype} [${shape.join(', ')}]`)
      const positions = Float32Array.from(data, Number)
      const wrong = positions.findIndex((value) => !Number.isFinite(value))
      if (wrong >= 0) throw new FormatError(npy, `point ${Math.floor(wrong / 3)}`, 'a finite position', 'another')
      return { count: positions.length / 3, positions, colors: null }
    }
    clouds.push({ path: npy, frames: null, read })
  }
  return clouds.length > 0 ? clouds : plyClouds(vfs, folders)
}

async function plyClouds(vfs: Reading['vfs'], folders: Reading['folders']): Promise<CaptureCloud[]> {
  const clouds: CaptureCloud[] = []
  for (const path of ['points3D_downsample2.ply', 'points3D_downsample.ply', 'points3D.ply']) {
    if (clouds.length === 0 && (await folders.hasFile(path)))
      clouds.push({ path, frames: null, read: async () => readPointCloud(await vfs.read(path), path) })
  }
  return clouds
}
