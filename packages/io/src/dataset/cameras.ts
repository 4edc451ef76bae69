import type { View } from '@clipgstream/camera'
import { type ColmapModelName, cameraModelByName } from '../colmap/cameras.js'
import { poseMatrix } from '../colmap/pose.js'
import { readColmapModel } from '../colmap/read.js'
import type { ColmapCamera, ColmapModel, RigidTransform } from '../colmap/types.js'
import { IoError, MissingFileError } from '../errors.js'
import { downsampledSize } from '../images/resize.js'
import { compareNatural, normalizePath, stem } from '../vfs/path.js'
import type { Vfs } from '../vfs/vfs.js'
import type { DatasetOptions, Problem } from './types.js'

/** A camera of the model before anything is known of its images. */
export interface CameraRecord {
  readonly name: string
  readonly camera: ColmapCamera
  readonly pose: RigidTransform
}

/** The model's images as cameras of the scene, by name in natural order. */
export async function readCameras(vfs: Vfs, folder: string, problems: Problem[]): Promise<CameraRecord[]> {
  let model: ColmapModel
  try {
    model = await readColmapModel(vfs, folder, { points2D: false, points3D: false })
  } catch (error) {
    if (!(error instanceof IoError)) throw error
    const missing = error instanceof MissingFileError
    const message = missing ? `${error.message}; ${await elsewhere(vfs, folder)}` : error.message
    problems.push({ severity: 'error', code: missing ? 'no-model' : 'bad-model', message })
    return []
  }
  const records = new Map<string, CameraRecord>()
  for (const { name, cameraId, pose } of model.images.values()) {
    const camera = model.cameras.get(cameraId)
    if (!camera) continue
    let key: string
    try {
      key = stem(normalizePath(name))
    } catch (error) {
      if (!(error instanceof IoError)) throw error
      problems.push({ severity: 'error', code: 'bad-name', message: `${folder}: image name: ${error.message}` })
      continue
    }
    if (records.has(key)) {
      const message = `${folder}: two images are called ${key} (without folder and extension); each camera needs its own name`
      problems.push({ severity: 'error', code: 'ambiguous-camera', message })
      continue
    }
    records.set(key, { name: key, camera, pose })
  }
  const cameras = [...records.values()].sort((a, b) => compareNatural(a.name, b.name))
  if (cameras.length === 0)
    problems.push({ severity: 'error', code: 'no-cameras', message: `${folder}: no images in the model` })
  checkModels(cameras, folder, problems)
  return cameras
}

/** A hint for a dataset that is packed one folder deeper, or has its model in another place. */
async function elsewhere(vfs: Vfs, folder: string): Promise<string> {
  for (const { name, kind } of await vfs.list('')) {
    if (kind === 'folder' && (await vfs.exists(`${name}/${folder}`)))
      return `${name}/${folder} is there: open the folder ${name}`
  }
  return `a dataset has its COLMAP model in ${folder}`
}

function checkModels(cameras: readonly CameraRecord[], folder: string, problems: Problem[]): void {
  const distorted = cameras.filter(({ camera }) => !isPinhole(camera.model))
  if (distorted.length > 0) {
    const models = [...new Set(distorted.map(({ camera }) => camera.model))].join(', ')
    const message = `${folder}: ${distorted.length} of ${cameras.length} cameras have lens distortion (${models}): undistort the images first, for instance with COLMAP's image_undistorter`
    problems.push({ severity: 'error', code: 'unsupported-camera', message })
  }
  const fractional = cameras.filter(({ camera }) => isPinhole(camera.model) && camera.params[0]! % 1 !== 0)
  if (fractional.length > 0) {
    const [first] = fractional
    const message = `${fractional.length} cameras have focal lengths with a fraction (${first?.name}: ${first?.camera.params[0]}); they are kept, where the original rounds down`
    problems.push({ severity: 'note', code: 'fractional-focal', message })
  }
}

function isPinhole(model: ColmapModelName): boolean {
  return model === 'PINHOLE' || model === 'SIMPLE_PINHOLE'
}

/** The view at the size at which images are used: intrinsics scale with the ratio of the sizes, which need not be 1/factor. */
export function viewOf({ camera, pose }: CameraRecord, options: DatasetOptions): View {
  const downsample = options.downsample ?? 1
  const { width, height } = downsampledSize(camera, downsample)
  const names = cameraModelByName(camera.model)?.parameters ?? []
  const parameter = (...either: string[]) => camera.params[names.findIndex((name) => either.includes(name))] ?? 0
  const [fx, fy, cx, cy] = [parameter('fx', 'f'), parameter('fy', 'f'), parameter('cx'), parameter('cy')]
  const sx = width / camera.width
  const sy = height / camera.height
  const focal = (f: number, scale: number) => (options.flooredFocal ? Math.floor(f / downsample) : f * scale)
  return {
    width,
    height,
    fx: focal(fx, sx),
    fy: focal(fy, sy),
    cx: cx * sx,
    cy: cy * sy,
    worldToCamera: poseMatrix(pose),
  }
}
