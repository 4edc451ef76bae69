import { type Camera, cameraModel } from '@clipgstream/camera'
import { poseMatrix } from '../colmap/pose.js'
import { readColmapModel } from '../colmap/read.js'
import type { ColmapModel } from '../colmap/types.js'
import { readMeta } from '../dataset/meta.js'
import { FormatError } from '../errors.js'
import { readPointCloud } from '../ply/points.js'
import { compareNatural, joinPath, normalizePath, stem } from '../vfs/path.js'
import { finishCapture, type Reading } from './finish.js'
import { findMedia } from './media.js'
import type { Capture, CaptureCalibration, CaptureCloud, CaptureOptions, TestRule } from './types.js'

/** Where a COLMAP model may lie, most useful first: cameras of recordings as they are have their lens in `distorted`. */
const raw = ['distorted/sparse/0', 'distorted/sparse']
const plain = ['sparse/0', 'sparse']
const inFrame = ['frame000000/distorted/sparse/0', 'frame000000/sparse/0', 'frame000000/sparse']

/** The folder of the first model of these that is there, null without one. */
export async function findModel(reading: Reading, places: readonly string[]): Promise<string | null> {
  for (const place of places) {
    const names = await reading.folders.names(place, 'file')
    if (names.includes('cameras.bin') || names.includes('cameras.txt')) return place
  }
  return null
}

export const modelPlaces: readonly string[] = [...plain, ...raw, ...inFrame]

/** Name of the first image of a model, from the beginning of its file alone; null when it is not found there. */
export async function firstImage({ vfs, folders }: Reading, folder: string): Promise<string | null> {
  const binary = joinPath(folder, 'images.bin')
  if (await folders.hasFile(binary)) {
    // A count, then id, pose and camera of the first image before its name.
    const head = await vfs.readRange(binary, 72, 72 + 4096)
    const end = head.indexOf(0)
    return end > 0 ? new TextDecoder().decode(head.subarray(0, end)) : null
  }
  const text = joinPath(folder, 'images.txt')
  if (!(await folders.hasFile(text))) return null
  const lines = new TextDecoder().decode(await vfs.readRange(text, 0, 65536)).split('\n')
  return /^(?:\S+\s+){9}(.+?)\s*$/.exec(lines.find((line) => /^\s*\d/.test(line))?.trim() ?? '')?.[1] ?? null
}

/** This project's own layout: undistorted images by frame, one model for all. */
export async function readClipStreamFolder(reading: Reading): Promise<Capture> {
  const { folder, calibrations } = await readCalibrations(reading, plain)
  const meta = await readMeta(reading.vfs, reading.findings.problems)
  const cameras = await reading.pair(calibrations, folder)
  const { test, size } = { test: splitOf(meta), size: meta.clipSize ?? 10 }
  const clouds: CaptureCloud[] = []
  for (const name of (await reading.folders.names('plys', 'file')).sort(compareNatural)) {
    const clip = /^(\d{1,9})\.ply$/.exec(name)?.[1]
    if (clip === undefined) continue
    const path = joinPath('plys', name)
    const start = Number(clip) * size
    clouds.push({
      path,
      frames: [start, start + size],
      read: async () => readPointCloud(await reading.vfs.read(path), path),
    })
  }
  const { fps, moving } = meta
  return finishCapture(reading, { kind: 'clip-stream', cameras, clouds, fps, moving, ...(test && { test }) })
}

function splitOf(meta: Awaited<ReturnType<typeof readMeta>>): TestRule | null {
  if (!meta.testCameras) return null
  const { cameras } = meta
  return {
    names: meta.testCameras.map((item) => (typeof item === 'number' && cameras ? (cameras[item] ?? item) : item)),
  }
}

/**
 * Videos, or frames before undistortion, beside a COLMAP model: Long 360, VRU and Meet Room as published for frame-wise
 * methods. The model in `distorted/` is the one of the recordings as they are; without it the recordings are taken to be of
 * the cameras in `sparse/`.
 */
export async function readColmapVideos(reading: Reading): Promise<Capture> {
  const { folder, calibrations } = await readCalibrations(reading, [...raw, ...plain, ...inFrame])
  if (!folder.includes('distorted')) {
    const message = `no model in distorted/sparse/0: the recordings are taken to be without lens distortion and of the size of the cameras in ${folder}`
    reading.findings.note('assumed', message)
  }
  const meta = await readMeta(reading.vfs, reading.findings.problems)
  const cameras = await reading.pair(calibrations, folder)
  const test = splitOf(meta)
  return finishCapture(reading, {
    kind: 'colmap-videos',
    cameras,
    clouds: modelCloud(reading, folder),
    fps: meta.fps,
    ...(test && { test }),
  })
}

/** One model and its images, without time: each image is a camera. Every 8th is for testing, as is usual for such scenes. */
export async function readColmapImages(reading: Reading): Promise<Capture> {
  const { folder, calibrations, files } = await readCalibrations(reading, [...plain, ...raw])
  const cameras = []
  const missing: string[] = []
  for (const [name, calibration] of calibrations) {
    const file = files.get(name) ?? ''
    const path = joinPath('images', file)
    if (await reading.folders.hasFile(path))
      cameras.push({ name, calibration, source: { kind: 'images' as const, images: await reading.images([path]) } })
    else missing.push(file)
  }
  if (missing.length > 0) {
    const message = `${folder}: ${missing.length} of ${calibrations.size} images are not in images/: ${missing.slice(0, 3).join(', ')}`
    reading.findings.gap('missing-image', message)
  }
  return finishCapture(reading, { kind: 'colmap', cameras, clouds: modelCloud(reading, folder), test: { every: 8 } })
}

/** Cameras of the first model that is there, by the names of its images. */
async function readCalibrations(
  reading: Reading,
  places: readonly string[],
): Promise<{
  folder: string
  calibrations: Map<string, CaptureCalibration>
  files: Map<string, string>
}> {
  const folder = await findModel(reading, places)
  if (folder === null) {
    throw new FormatError(reading.vfs.label, 'COLMAP model', `cameras.bin or .txt in ${places.join(', ')}`, 'none')
  }
  const model = await readColmapModel(reading.vfs, folder, { points2D: false, points3D: false })
  const calibrations = new Map<string, CaptureCalibration>()
  const files = new Map<string, string>()
  const images = [...model.images.values()].sort((a, b) => compareNatural(a.name, b.name))
  for (const image of images) {
    const file = normalizePath(image.name)
    // Images in folders are told apart by them.
    const name = file.includes('/')
      ? `${file.slice(0, file.lastIndexOf('/')).replaceAll('/', '_')}_${stem(file)}`
      : stem(file)
    if (calibrations.has(name)) {
      reading.findings.error(
        'ambiguous-camera',
        `${folder}: two images are called ${name}; each camera needs its own name`,
      )
    }
    const camera = lensOf(model, image.cameraId, folder, reading.options)
    calibrations.set(name, { camera, worldToCamera: poseMatrix(image.pose) })
    files.set(name, file)
  }
  return { folder, calibrations, files }
}

function lensOf(model: ColmapModel, id: number, folder: string, { pixelCentres }: CaptureOptions): Camera {
  const camera = model.cameras.get(id)
  if (!camera) throw new FormatError(folder, `camera ${id}`, 'a camera', 'none')
  try {
    const { name, parameters } = cameraModel(camera.model)
    const shift = pixelCentres === 'integer' ? 0.5 : 0
    const params = camera.params.map((value, i) => value + (/^c[xy]$/.test(parameters[i] ?? '') ? shift : 0))
    return { model: name, width: camera.width, height: camera.height, params }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FormatError(folder, `camera ${id}`, 'a lens model that is known', reason, { cause })
  }
}

/** The sparse points of a model. */
function modelCloud(reading: Reading, folder: string): CaptureCloud[] {
  const read = async () => {
    const { points3D } = await readColmapModel(reading.vfs, folder, { points2D: false })
    if (!points3D) throw new FormatError(folder, 'points3D', 'a file of points', 'none')
    return { count: points3D.count, positions: Float32Array.from(points3D.positions), colors: points3D.colors }
  }
  return [{ path: folder, frames: null, read }]
}

/** Videos, or image folders, of cameras that nothing is known of. */
export async function readUncalibrated(reading: Reading, kind: 'videos' | 'images'): Promise<Capture> {
  const media = await findMedia(reading.folders)
  const cameras = []
  for (const item of media) {
    if ((item.kind === 'video') === (kind === 'videos'))
      cameras.push({ name: item.name, calibration: null, source: await reading.source(item) })
  }
  if (cameras.length > 0)
    reading.findings.warning(
      'uncalibrated',
      `no calibration is beside the ${kind}: it has to be computed, with COLMAP for instance`,
    )
  return finishCapture(reading, { kind, cameras })
}
