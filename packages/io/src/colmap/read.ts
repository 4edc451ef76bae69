import { FormatError, MissingFileError } from '../errors.js'
import { joinPath } from '../vfs/path.js'
import type { Vfs } from '../vfs/vfs.js'
import { readCamerasBinary, readFramesBinary, readImagesBinary, readPoints3DBinary, readRigsBinary } from './binary.js'
import { compose } from './pose.js'
import { readCamerasText, readFramesText, readImagesText, readPoints3DText, readRigsText } from './text.js'
import type { ColmapFrame, ColmapImage, ColmapModel, ColmapRig, RigidTransform } from './types.js'

export interface ColmapReadOptions {
  /** Keep the keypoints of images. Default true. */
  readonly points2D?: boolean
  /** Read the 3D points, if the file is there. Default true. */
  readonly points3D?: boolean
}

/**
 * A COLMAP sparse model: `cameras`, `images` and, when there, `points3D`, `rigs` and `frames`, as `.bin` (preferred, as
 * COLMAP does) or `.txt`. With rigs and frames, image poses are those of their frames. References to cameras, rigs and
 * images that are not there are `FormatError`s.
 */
export async function readColmapModel(vfs: Vfs, folder: string, options: ColmapReadOptions = {}): Promise<ColmapModel> {
  const { points2D = true, points3D = true } = options
  const binary = await vfs.exists(joinPath(folder, 'cameras.bin'))
  if (!binary && !(await vfs.exists(joinPath(folder, 'cameras.txt')))) {
    throw new MissingFileError(vfs.label, `${joinPath(folder, 'cameras.bin')} (or .txt)`)
  }
  const path = (part: string) => joinPath(folder, `${part}.${binary ? 'bin' : 'txt'}`)
  const cameraFile = path('cameras')
  const imageFile = path('images')
  const cameraBytes = await vfs.read(cameraFile)
  const cameras = byId(
    binary ? readCamerasBinary(cameraBytes, cameraFile) : readCamerasText(cameraBytes, cameraFile),
    cameraFile,
  )
  const imageBytes = await vfs.read(imageFile)
  const list = binary
    ? readImagesBinary(imageBytes, imageFile, points2D)
    : readImagesText(imageBytes, imageFile, points2D)
  let images = byId(list, imageFile)
  for (const image of images.values()) {
    if (!cameras.has(image.cameraId)) {
      throw new FormatError(
        imageFile,
        `image ${image.name}`,
        `a camera of ${cameraFile}`,
        `camera id ${image.cameraId}`,
      )
    }
  }
  let rigs = new Map<number, ColmapRig>()
  let frames = new Map<number, ColmapFrame>()
  const grouped = await vfs.exists(path('frames'))
  if (grouped) {
    const rigBytes = await vfs.read(path('rigs'))
    rigs = byId(binary ? readRigsBinary(rigBytes, path('rigs')) : readRigsText(rigBytes, path('rigs')), path('rigs'))
    const frameBytes = await vfs.read(path('frames'))
    const read = binary ? readFramesBinary : readFramesText
    frames = byId(read(frameBytes, path('frames')), path('frames'))
    images = poseImages(images, rigs, frames, path('frames'))
  }
  const pointFile = path('points3D')
  let points: ColmapModel['points3D'] = null
  if (points3D && (await vfs.exists(pointFile))) {
    const bytes = await vfs.read(pointFile)
    points = binary ? readPoints3DBinary(bytes, pointFile) : readPoints3DText(bytes, pointFile)
  }
  return {
    format: binary ? 'binary' : 'text',
    layout: grouped ? 'rigs' : 'classic',
    cameras,
    images,
    points3D: points,
    rigs,
    frames,
  }
}

function byId<T extends { readonly id: number }>(items: readonly T[], file: string): Map<number, T> {
  const map = new Map<number, T>()
  for (const item of items) {
    if (map.has(item.id)) throw new FormatError(file, `id ${item.id}`, 'each id once', 'a second record')
    map.set(item.id, item)
  }
  return map
}

/** camera from world = sensor from rig, after rig from world. */
function poseImages(
  images: ReadonlyMap<number, ColmapImage>,
  rigs: ReadonlyMap<number, ColmapRig>,
  frames: ReadonlyMap<number, ColmapFrame>,
  file: string,
): Map<number, ColmapImage> {
  const poses = new Map<number, RigidTransform | null>()
  for (const frame of frames.values()) {
    const rig = rigs.get(frame.rigId)
    if (!rig) throw new FormatError(file, `frame ${frame.id}`, 'a rig that is there', `rig id ${frame.rigId}`)
    for (const { type, id, dataId } of frame.data) {
      if (type !== 0) continue
      const index = rig.sensors.findIndex((sensor) => sensor.type === type && sensor.id === id)
      const sensor = rig.sensors[index]
      if (!sensor) throw new FormatError(file, `frame ${frame.id}`, `a camera of rig ${rig.id}`, `camera id ${id}`)
      poses.set(dataId, index === 0 ? frame.pose : sensor.pose && compose(sensor.pose, frame.pose))
    }
  }
  const posed = new Map<number, ColmapImage>()
  for (const [id, image] of images) {
    const pose = poses.get(id)
    if (pose === undefined) throw new FormatError(file, `image ${image.name}`, 'a frame that holds it', 'none')
    // A sensor without a known place in its rig: all that is known is the pose in the images file.
    posed.set(id, pose ? { ...image, pose } : image)
  }
  return posed
}
