import { parametersOf } from '@clipgstream/camera'
import type { PointCloud, RgbImage } from '@clipgstream/io'
import { type Agreement, agreementOf, sample } from './agreement.js'
import { type Coverage, coverageOf, seenBy } from './coverage.js'
import { type Explanation, explain } from './diagnosis.js'
import { decodeSmall, nearestImage } from './pictures.js'
import { median } from './statistics.js'
import type { Subject, SubjectClip } from './subject.js'
import { type Tint, tintsOf } from './tint.js'
import { pointSpacings, type Seen, seenPoints, thinned } from './visible.js'

/** One camera against the cloud of one clip. */
export interface CameraCheck {
  /** The frame that was compared; null without an image or calibration. */
  readonly frame: number | null
  readonly agreement: Agreement | null
  readonly coverage: Coverage | null
  readonly explanation: Explanation | null
  readonly tint: Tint | null
  /** Points in its image, covered ones included. */
  readonly inside: number
}

/** What the points of a clip say of the cameras. */
export interface ClipCheck {
  readonly clip: number
  readonly points: number
  readonly colored: boolean
  readonly cameras: readonly CameraCheck[]
  /** The usual agreement: the median of the cameras' scores. */
  readonly usual: number
  readonly seenBy: readonly { readonly label: string; readonly points: number }[]
}

/** What is needed to draw a clip's points over images. */
export interface ClipScene {
  readonly clip: SubjectClip
  readonly cloud: PointCloud
  readonly check: ClipCheck
  readonly seen: readonly (Seen | null)[]
}

/** Longest side of the images that colours are compared in, and most points of a cloud that are. */
const longest = 320
const mostPoints = 40_000

/** A score is bad below this share of the usual one. */
export const badShare = 0.6

/** Compares the points of a clip with the images of its middle frame, one image a camera. `looked` is called after each. */
export async function checkClip(
  subject: Subject,
  clip: SubjectClip,
  whole: PointCloud,
  looked: (camera: string) => void,
): Promise<ClipScene> {
  const cloud = thinned(whole, mostPoints)
  const spacings = pointSpacings(cloud)
  const images: (RgbImage | null)[] = []
  const seen: (Seen | null)[] = []
  const frames: (number | null)[] = []
  for (const camera of subject.cameras) {
    const frame = nearestImage(camera.path, (clip.start + clip.end) >> 1, clip.start, clip.end)
    const path = frame === null ? null : camera.path(frame)
    const calibration = frame === null ? null : camera.calibration(frame)
    const image = path === null ? null : await smallImage(subject, path)
    frames.push(frame)
    images.push(image)
    seen.push(calibration ? seenPoints(calibration, cloud, spacings) : null)
    looked(camera.name)
  }
  const { colors } = cloud
  const agreements = seen.map((own, i) => {
    const image = images[i]
    return own && colors && image ? agreementOf(own, colors, image) : null
  })
  const usual = median(agreements.flatMap((agreement) => (agreement ? [agreement.score] : [])))
  const tints = compareTints(cloud.count, seen, images)
  const cameras = subject.cameras.map((camera, i): CameraCheck => {
    const own = seen[i] ?? null
    const calibration = camera.calibration(frames[i] ?? clip.start)
    const image = images[i]
    const agreement = agreements[i] ?? null
    let explanation: Explanation | null = null
    if (own && calibration && colors && image && agreement) {
      const { cx, cy } = parametersOf(calibration.camera)
      const { width, height } = calibration.camera
      const suspect = { camera: i, seen: own, score: agreement.score, centre: [cx / width, cy / height] as const }
      explanation = explain({ ...suspect, size: [width, height] }, colors, images)
    }
    return {
      frame: frames[i] ?? null,
      agreement,
      coverage: own && calibration ? coverageOf(own, calibration.camera.height / calibration.camera.width) : null,
      explanation,
      tint: tints[i] ?? null,
      inside: own?.inside ?? 0,
    }
  })
  const there = seen.filter((own) => own !== null)
  const check: ClipCheck = {
    clip: clip.index,
    points: whole.count,
    colored: colors !== null,
    cameras,
    usual,
    seenBy: seenBy(cloud.count, there),
  }
  return { clip, cloud, check, seen }
}

async function smallImage(subject: Subject, path: string): Promise<RgbImage | null> {
  try {
    return await decodeSmall(subject, path, await subject.vfs.read(path), longest)
  } catch {
    // Images that cannot be decoded are found, with their reason, where every image is looked at.
    return null
  }
}

function compareTints(
  count: number,
  seen: readonly (Seen | null)[],
  images: readonly (RgbImage | null)[],
): (Tint | null)[] {
  const usable = seen.flatMap((own, camera) => {
    const image = images[camera]
    return own && image ? [{ camera, own, sampled: sample(own, image) }] : []
  })
  const tints = tintsOf(
    count,
    usable.map(({ own }) => own),
    usable.map(({ sampled }) => sampled),
  )
  return seen.map((_, camera) => tints[usable.findIndex((item) => item.camera === camera)] ?? null)
}
