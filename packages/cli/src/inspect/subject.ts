import type { Camera } from '@clipgstream/camera'
import {
  type Capture,
  type CaptureCalibration,
  type CaptureKind,
  type Dataset,
  type PointCloud,
  readPointCloud,
  type Vfs,
} from '@clipgstream/io'
import { framesOf, type SubjectVideo } from './videos.js'

/** One camera of what is inspected, whatever its files look like. */
export interface SubjectCamera {
  readonly index: number
  readonly name: string
  readonly test: boolean
  /** Path of its image, null where there is none. */
  path(frame: number): string | null
  /** Null where nothing is known of it. */
  calibration(frame: number): CaptureCalibration | null
}

/** Frames [start, end) that share a cloud. */
export interface SubjectClip {
  readonly index: number
  readonly start: number
  readonly end: number
  /** All points of the clip in one cloud, null where there are none. */
  readonly cloud: (() => Promise<PointCloud>) | null
}

/** Images, cameras and points in the terms of the checks. */
export interface Subject {
  readonly vfs: Vfs
  readonly kind: CaptureKind
  readonly cameras: readonly SubjectCamera[]
  /** Frames [first, end) that are looked at. */
  readonly first: number
  readonly end: number
  readonly clips: readonly SubjectClip[]
  readonly background: readonly [number, number, number] | null
  /** Whether each image has a calibration of its own. */
  readonly moving: boolean
  /** Of cameras whose pictures are inside videos. */
  readonly videos: readonly SubjectVideo[]
  /** What cannot be checked, and why. */
  readonly unchecked: readonly string[]
  label(frame: number): string
}

/** This project's own layout. */
export function subjectOfDataset(dataset: Dataset): Subject {
  const { vfs, clips } = dataset
  const unchecked: string[] = []
  const base = clips[0]?.index === 0 ? clips[0].cloud : 'plys/0.ply'
  const cameras = dataset.cameras.map(({ index, name, test, view }) => {
    const { width, height, fx, fy, cx, cy, worldToCamera } = view
    const camera: Camera = { model: 'PINHOLE', width, height, params: [fx, fy, cx, cy] }
    const calibration = { camera, worldToCamera }
    return {
      index,
      name,
      test,
      path: (frame: number) => dataset.imagePath(index, frame),
      calibration: () => calibration,
    }
  })
  return {
    vfs,
    kind: 'clip-stream',
    cameras,
    first: clips[0]?.start ?? 0,
    end: clips.at(-1)?.end ?? 0,
    clips: clips.map(({ index, start, end, cloud, candidates }) => {
      // The cloud of a later clip has only what is new: its whole cloud, or the reference cloud with it, is what shows there.
      const paths = index === 0 || candidates !== null ? [candidates ?? cloud] : [base, cloud]
      const there = paths.filter((path) => path !== null && path !== undefined)
      return { index, start, end, cloud: there.length > 0 ? () => readClouds(vfs, there) : null }
    }),
    background: null,
    moving: dataset.moving,
    videos: [],
    unchecked,
    label: (frame) => dataset.frames[frame]?.folder ?? `frame ${frame}`,
  }
}

/** Somebody else's layout; `frames` // [first, end). `noVideos` says why videos could not be looked into. */
export function subjectOfCapture(
  capture: Capture,
  frames?: readonly [number, number],
  videos: readonly SubjectVideo[] = [],
  noVideos: string | null = null,
): Subject {
  const unchecked: string[] = []
  const count = Math.max(capture.times?.length ?? 0, framesOf(videos))
  const [first, end] = frames ? [Math.min(frames[0], count), Math.min(frames[1], count)] : [0, count]
  const cameras = capture.cameras.map(({ name, test, source, calibration }, index): SubjectCamera => {
    const images = new Map(source.kind === 'images' ? source.images.map((image) => [image.frame, image]) : [])
    return {
      index,
      name,
      test,
      path: (frame) => images.get(frame)?.path ?? null,
      calibration: (frame) => images.get(frame)?.calibration ?? calibration,
    }
  })
  if (noVideos !== null) unchecked.push(`what is inside the videos: ${noVideos}`)
  if (capture.clouds.length === 0) unchecked.push('reprojection, coverage and colours: there is no point cloud')
  const without = capture.cameras.filter(({ calibration }) => calibration === null)
  if (without.length > 0 && !capture.moving)
    unchecked.push(`where ${without.length} of ${capture.cameras.length} cameras stand: they have no calibration`)
  return {
    vfs: capture.vfs,
    kind: capture.kind,
    cameras,
    first,
    end,
    clips: capture.clouds.map(({ frames: range, read }, index) => {
      const [start, last] = range ?? [first, Math.max(first + 1, end)]
      return { index, start, end: last, cloud: read }
    }),
    background: capture.background,
    moving: capture.moving,
    videos,
    unchecked,
    label: (frame) => `frame ${frame}`,
  }
}

async function readClouds(vfs: Vfs, paths: readonly string[]): Promise<PointCloud> {
  const clouds: PointCloud[] = []
  for (const path of paths) clouds.push(readPointCloud(await vfs.read(path), path))
  const [only] = clouds
  if (only && clouds.length === 1) return only
  const count = clouds.reduce((sum, cloud) => sum + cloud.count, 0)
  const positions = new Float32Array(count * 3)
  const colors = clouds.every((cloud) => cloud.colors) ? new Uint8Array(count * 3) : null
  let at = 0
  for (const cloud of clouds) {
    positions.set(cloud.positions, at)
    if (cloud.colors) colors?.set(cloud.colors, at)
    at += cloud.count * 3
  }
  return { count, positions, colors }
}
