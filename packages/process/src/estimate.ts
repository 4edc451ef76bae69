import { stat, statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { readImageSize } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import type { CloudMaker } from './clouds/maker.js'
import { fewestFrames } from './clouds/still.js'
import { DiskFullError } from './errors.js'
import { frameInputs } from './frames.js'
import { encodeImage, extractedPath, frameName, imageFormat } from './pictures.js'
import type { Source } from './source.js'
import { isCurrent, isDone, type Workspace } from './steps/step.js'
import type { FramePlan } from './timing/plan.js'
import type { EstimatePart, ProcessOptions } from './types.js'
import { decodeVideo } from './video/decode.js'

/** Bytes of a point in a file; points of a cloud for each pixel of all cameras, on the generous side. */
const pointBytes = 15
const pointsPerPixel = 0.05
const mostPoints = 500_000

export interface Estimate {
  readonly parts: readonly EstimatePart[]
  /** Bytes on the disk of the dataset that are free, or will be. */
  readonly free: number
}

/**
 * Disk and time that are still to be spent, from the first frames of the first and the last camera: decoded and encoded here,
 * and measured; stereo by what it took elsewhere. What is there already and stays is not counted; what will be removed is as
 * good as free. `files`: the fingerprint of the source; `kind`: where points come from.
 */
export async function estimate(
  workspace: Workspace,
  source: Source,
  files: unknown,
  plan: FramePlan,
  kind: CloudMaker['kind'],
  options: ProcessOptions,
): Promise<Estimate> {
  const { folder, force } = workspace
  const sample = await sampleImages(source, plan, options)
  const { format = 'jpg', quality = 95, blankPixels = 0, downscale = 1, clipSize = 10, cloudEvery = 1 } = options
  const framesStay = await isCurrent(workspace, 'frames', frameInputs(files, plan, options))
  const imagesStay =
    framesStay &&
    !force.has('cameras') &&
    (await isCurrent(workspace, 'images', { format, quality, blankPixels, downscale }))
  let [extract, undistort, pixels, removed] = [0, 0, 0, 0]
  const isToDo = async (path: string, stays: boolean) => {
    const info = await stat(join(folder, path)).catch(() => null)
    if (info && !stays) removed += info.size
    return !info || !stays
  }
  for (const [camera, frames] of plan.frames) {
    const video = source.recordings.get(camera)?.kind === 'video'
    for (const [frame, own] of frames.entries()) {
      if (own === null) continue
      if (frame === 0) pixels += sample.pixels
      if (video && (await isToDo(extractedPath(camera, frame, options), framesStay))) extract++
      const image = `${frameName(frame)}/images/${camera}.${imageFormat(options)}`
      if (await isToDo(image, imagesStay)) undistort++
    }
  }
  const clouds = Math.ceil(plan.count / cloudEvery)
  const clips = Math.ceil(plan.count / clipSize)
  const pointsStay = imagesStay && !force.has('points') && (await isDone(workspace, 'points'))
  const stereo = pointsStay || kind !== 'stereo' ? null : stereoTime(pixels / downscale ** 2, clouds, options)
  const points = Math.min(mostPoints, (pixels * pointsPerPixel) / downscale ** 2)
  const parts: EstimatePart[] = [
    {
      step: 'frames',
      what: `${extract} images out of videos`,
      bytes: extract * sample.bytes,
      seconds: extract * sample.seconds,
    },
    {
      step: 'images',
      what: `${undistort} undistorted images`,
      bytes: (undistort * sample.bytes) / downscale ** 2,
      seconds: undistort * sample.pixels * (decoding + resampling / downscale ** 2),
    },
    {
      step: 'points',
      what: `the points of up to ${clouds} frames${stereo ? ` (by stereo on ${stereo.device})` : ''}`,
      bytes: Math.round(clouds * points * pointBytes),
      seconds: stereo?.seconds ?? null,
    },
    {
      step: 'clouds',
      what: `the clouds of ${clips} clips`,
      bytes: Math.round(2 * clips * Math.min(points, options.maxPoints ?? 100_000) * pointBytes),
      seconds: null,
    },
  ]
  const { bavail, bsize } = await statfs(folder)
  return { parts, free: bavail * bsize + removed }
}

/** Seconds a pixel, roughly. */
const decoding = 2e-8
const resampling = 2e-7
/** Of a thread, and of a large GPU. */
const stereoOnThread = 1.7e-5
const stereoOnGpu = 4e-7
/** Part of the time of a whole frame that goes into one of which only what moves is estimated. */
const movingPart = 0.25

/** What stereo takes, and on what. pixels: of all cameras. */
function stereoTime(pixels: number, frames: number, options: ProcessOptions) {
  const { device = 'auto', threads = availableParallelism(), stereoHalvings = 0 } = options
  const isOnGpu = device !== 'auto' && device !== 'wasm'
  const whole = (pixels / 4 ** stereoHalvings) * (isOnGpu ? stereoOnGpu : stereoOnThread / threads)
  const isApart = options.stereoWholeFrames !== true && frames >= fewestFrames
  return {
    device: isOnGpu ? device : `${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    seconds: whole * (isApart ? 1 + movingPart * frames : frames),
  }
}

/** Throws a {@link DiskFullError} when less is free than is needed, with a twentieth to spare. */
export function checkDisk(folder: string, { parts, free }: Estimate, ignore = false): void {
  const needed = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  if (ignore || needed * 1.05 <= free) return
  const listed = parts.filter(({ bytes }) => bytes > 0).map(({ what, bytes }) => `${gigabytes(bytes)} for ${what}`)
  throw new DiskFullError(
    `the dataset will not fit: some ${gigabytes(needed)} are needed (${listed.join(', ')}), ${gigabytes(free)} are free on the disk of ${folder}. ` +
      'Take fewer frames (--frames, --every), smaller images (--downscale) or a lower --quality, or another disk; --ignore-disk goes on regardless',
  )
}

function gigabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`
}

async function sampleImages(source: Source, plan: FramePlan, options: ProcessOptions) {
  const names = [...plan.frames.keys()]
  const chosen = [...new Set([names[0], names.at(-1)])]
  let [bytes, seconds, pixels, count] = [0, 0, 0, 0]
  for (const name of chosen) {
    const recording = name === undefined ? undefined : source.recordings.get(name)
    if (!recording) continue
    if (recording.kind === 'images') {
      const image = recording.images.find((found) => found !== null)
      if (!image) continue
      const size = await readImageSize(nodeFolder(source.folder), image.path)
      bytes += (await stat(join(source.folder, image.path))).size
      pixels += size ? size.width * size.height : 0
      count++
      continue
    }
    // The first frame opens the decoder; the others tell how fast it is.
    let started = 0
    let timed = 0
    const frames = Array.from({ length: Math.min(4, recording.info.frames) }, (_, i) => i)
    for await (const { image } of decodeVideo(recording.path, new Set(frames))) {
      if (!image) continue
      const { length } = await encodeImage(image, options)
      if (started === 0) {
        started = performance.now()
        bytes += length
        pixels += image.width * image.height
        count++
      } else timed++
    }
    if (timed > 0) seconds += (performance.now() - started) / 1000 / timed
  }
  const each = Math.max(1, count)
  return { bytes: Math.round(bytes / each), seconds: seconds / each, pixels: pixels / each }
}
