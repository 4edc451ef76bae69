import { createLens, sceneFocus, sceneUp, type View } from '@clipgstream/camera'
import type { CaptureCalibration } from '@clipgstream/io'
import { encodeJpeg } from '@clipgstream/io/node'
import type { ClipScene } from './clouds.js'
import { nearestImage } from './pictures.js'
import type { Portrait } from './portraits.js'
import { median } from './statistics.js'
import type { Subject } from './subject.js'
import { thinned } from './visible.js'

/** A camera as the page draws it: a pyramid with its image at the base. */
interface SceneCamera {
  readonly name: string
  readonly test: boolean
  /** Whether a finding names it. */
  readonly flagged: boolean
  readonly centre: readonly number[]
  /** Directions to the image's corners at depth 1: upper left, upper right, lower right, lower left. */
  readonly corners: readonly (readonly number[])[]
  readonly forward: readonly number[]
  readonly image: string | null
}

interface ScenePoints {
  readonly label: string
  readonly count: number
  /** Sixteen bits a coordinate within `low` to `high`, and three bytes a colour, in base64. */
  readonly positions: string
  readonly colors: string
  readonly low: readonly number[]
  readonly high: readonly number[]
}

/** What the page shows. */
export interface SceneData {
  readonly title: string
  readonly up: readonly number[]
  readonly focus: readonly number[]
  /** World units: the median distance of the cameras from the focus. */
  readonly radius: number
  readonly cameras: readonly SceneCamera[]
  readonly clouds: readonly ScenePoints[]
}

const mostPoints = 60_000
const mostPoses = 300

export function scenePoints({ clip, cloud }: ClipScene, clips: number): ScenePoints {
  const { count, positions, colors } = thinned(cloud, Math.max(12_000, Math.floor(mostPoints / Math.max(1, clips))))
  const low = [0, 1, 2].map((axis) => positions.reduce((a, v, i) => (i % 3 === axis ? Math.min(a, v) : a), Infinity))
  const high = [0, 1, 2].map((axis) => positions.reduce((a, v, i) => (i % 3 === axis ? Math.max(a, v) : a), -Infinity))
  const packed = new Uint16Array(count * 3)
  for (let i = 0; i < packed.length; i++) {
    const [from, to] = [low[i % 3]!, high[i % 3]!]
    packed[i] = to > from ? Math.round(((positions[i]! - from) / (to - from)) * 65535) : 0
  }
  const label = `clip ${clip.index}, frames ${clip.start} to ${clip.end - 1}`
  return {
    label,
    count,
    positions: Buffer.from(packed.buffer).toString('base64'),
    colors: Buffer.from(colors ?? new Uint8Array(count * 3).fill(200)).toString('base64'),
    low,
    high,
  }
}

export async function sceneData(
  subject: Subject,
  title: string,
  found: readonly Portrait[],
  clouds: readonly ScenePoints[],
  flagged: ReadonlySet<string>,
): Promise<SceneData | null> {
  const cameras: SceneCamera[] = []
  const views: View[] = []
  for (const camera of subject.cameras) {
    const own = found[camera.index]?.images.at(0)
    const poses = posesOf(subject, camera)
    for (const [i, calibration] of poses.entries()) {
      views.push(viewOf(calibration))
      const image =
        own && i === 0
          ? `data:image/jpeg;base64,${Buffer.from(await encodeJpeg(own.image, 75)).toString('base64')}`
          : null
      const { name, test } = camera
      cameras.push({ name: i === 0 ? name : '', test, flagged: flagged.has(name), image, ...pyramid(calibration) })
    }
  }
  if (cameras.length === 0) return null
  const centres = cameras.map(({ centre }) => centre)
  const middle = [0, 1, 2].map((axis) => median(centres.map((centre) => centre[axis] ?? 0)))
  const focus = attempt(() => [...sceneFocus(views)]) ?? cloudMiddle(clouds[0]) ?? middle
  const up = attempt(() => [...sceneUp(views)]) ?? [0, -1, 0]
  const distances = centres.map((centre) => Math.hypot(...centre.map((value, axis) => value - (focus[axis] ?? 0))))
  const radius = Math.max(median(distances), 1e-6)
  return { title, up, focus, radius, cameras, clouds }
}

function posesOf(subject: Subject, { path, calibration }: Subject['cameras'][number]): CaptureCalibration[] {
  const { first, end, moving, cameras } = subject
  const at = nearestImage(path, first, first, end) ?? first
  const still = calibration(at)
  if (!moving) return still ? [still] : []
  const step = Math.max(1, Math.ceil(((end - first) * cameras.length) / mostPoses))
  const poses: CaptureCalibration[] = []
  for (let frame = first; frame < end; frame += step) {
    const pose = path(frame) === null ? null : calibration(frame)
    if (pose) poses.push(pose)
  }
  return poses
}

function pyramid({ camera, worldToCamera: m }: CaptureCalibration) {
  const lens = createLens(camera)
  const { width, height } = camera
  const toWorld = ([x, y, z]: readonly [number, number, number]) =>
    [0, 1, 2].map((axis) => m[axis]! * x + m[4 + axis]! * y + m[8 + axis]! * z)
  const corners = [
    [0, 0],
    [width, 0],
    [width, height],
    [0, height],
  ].map(([x = 0, y = 0]) => {
    const ray = lens.unproject(x, y) ?? [0, 0, 1]
    const depth = Math.max(ray[2], 0.2)
    return toWorld([ray[0] / depth, ray[1] / depth, 1])
  })
  const centre = toWorld([m[3]!, m[7]!, m[11]!]).map((value) => -value)
  return { centre, corners, forward: toWorld([0, 0, 1]) }
}

/** A plain view at the pose; only where it stands and looks matters. */
function viewOf({ worldToCamera }: CaptureCalibration): View {
  return { width: 1, height: 1, fx: 1, fy: 1, cx: 0.5, cy: 0.5, worldToCamera: [...worldToCamera] }
}

function cloudMiddle(cloud: ScenePoints | undefined): number[] | null {
  return cloud ? cloud.low.map((low, axis) => (low + (cloud.high[axis] ?? low)) / 2) : null
}

/** Null where cameras are parallel, or alone. */
function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}
