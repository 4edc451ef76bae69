import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pixelOf, type View } from '@clipgstream/camera'
import { readPointCloud } from '@clipgstream/io'
import { type Grey, greyOf } from '@clipgstream/stereo'
import type { DatasetView } from '../images.js'
import { type CloudContext, readImage } from './captures.js'
import { type ColoredCloud, toColored } from './merge.js'

// Whether every camera shows the moments that the points of the frames are of.

/** How well the pictures of a camera fit the points of a frame, when they are taken from other frames. */
export interface Timing {
  readonly camera: string
  /** Frames of the dataset after a frame whose picture fits best; null where none fits clearly better than those beside it. */
  readonly lag: number | null
  /** Mean absolute difference of grey levels, 0 to 255, of pictures `-reach` to `reach` frames after. */
  readonly differences: readonly number[]
}

/** Frames before and after that are tried; one less is the longest lag that is told. */
export const reach = 3
/** Frames that are looked at: runs that are spread over the capture, of neighbours that share pictures. */
const runs = 3
const runLength = 4
/** Grey levels by which a pixel has to change from frame to frame to tell anything. */
const leastChange = 25
/** Points in all frames that it takes. */
const fewestPoints = 100
/** By so much the frames beside the best one fit worse: more than chance does with so many points. */
const clearly = (points: number) => Math.max(1.05, 1 + 1.5 / Math.sqrt(points))
/** By so much those in step fit worse than another one, for a camera to be out of step. */
const surely = 1.1

const offsets = Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach)
/** Pixels along a side of the cells in which the nearest point hides what is further away. */
const cell = 4
/** Points that are further away than the nearest one by more are hidden. */
const hidden = 1.03

/** Frames of which points and the pictures around them tell whether cameras are in step. */
export function telling(frames: readonly number[], count: number): number[] {
  const inner = frames.filter((frame) => frame >= reach && frame + reach < count)
  if (inner.length <= runs * runLength) return inner
  const starts = Array.from({ length: runs }, (_, run) => Math.round((run * (inner.length - runLength)) / (runs - 1)))
  return starts.flatMap((start) => inner.slice(start, start + runLength))
}

/**
 * Compares the points of some frames, whose colours most cameras agree on, with the pictures of each camera in these frames and
 * around them, where those change and nothing hides the points. A gain and an offset of brightness are free. Cameras in
 * which too little changes are left out.
 */
export async function timeCameras(
  context: CloudContext,
  frames: ReadonlyMap<number, string>,
  background: string | null,
  onProgress: (camera: string) => void,
): Promise<Timing[]> {
  const read = async (path: string) =>
    toColored(readPointCloud(new Uint8Array(await readFile(join(context.workspace.folder, path))), path))
  const still = background === null ? null : await read(background)
  const clouds = await Promise.all([...frames].map(async ([frame, path]) => ({ frame, cloud: await read(path) })))
  const timings: Timing[] = []
  for (const camera of context.views) {
    context.workspace.signal?.throwIfAborted()
    onProgress(camera.name)
    const timing = await timeCamera(context, camera, clouds, still)
    if (timing) timings.push(timing)
  }
  return timings
}

async function timeCamera(
  context: CloudContext,
  { name, view }: DatasetView,
  clouds: readonly { readonly frame: number; readonly cloud: ColoredCloud }[],
  still: ColoredCloud | null,
): Promise<Timing | null> {
  const sums = new Float64Array(offsets.length)
  let points = 0
  const behind = nearest(view, still ? [still] : [])
  const known = new Map<string, Promise<Grey>>()
  const greyAt = (path: string) => {
    const grey = known.get(path) ?? readImage(context, path).then(greyOf)
    known.set(path, grey)
    return grey
  }
  for (const { frame, cloud } of clouds) {
    const paths = offsets.flatMap((offset) => context.images.get(`${name} ${frame + offset}`) ?? [])
    if (paths.length < offsets.length) continue
    const pictures = await Promise.all(paths.map(greyAt))
    const seen = sample(view, cloud, nearest(view, [cloud], behind), pictures)
    points += seen.count
    seen.pictures.forEach((values, i) => {
      sums[i] = sums[i]! + seen.count * meanDifference(seen.points, values)
    })
  }
  if (points < fewestPoints) return null
  const differences = Array.from(sums, (sum) => sum / points)
  return { camera: name, lag: lagOf(differences, points), differences }
}

/** Where a camera sees other sides of things than those whose points these are, nothing fits, here or there. */
function lagOf(differences: readonly number[], points: number): number | null {
  const best = differences.indexOf(Math.min(...differences))
  const least = differences[best] ?? 0
  const [before = 0, after = 0] = [differences[best - 1], differences[best + 1]]
  if (Math.min(before, after) < clearly(points) * least) return null
  return (differences[reach] ?? 0) > surely * least ? (offsets[best] ?? null) : 0
}

/** Depths of the nearest points in cells of a view, infinite where there is none. */
function nearest(view: View, clouds: readonly ColoredCloud[], behind?: Float32Array): Float32Array {
  const depths =
    behind?.slice() ??
    new Float32Array(cellOf(view, view.width - 1, view.height - 1) + 1).fill(Number.POSITIVE_INFINITY)
  for (const { positions } of clouds) {
    for (let i = 0; i < positions.length; i += 3) {
      const seen = pixelOf(view, positions[i]!, positions[i + 1]!, positions[i + 2]!)
      if (!seen) continue
      const at = cellOf(view, seen.x, seen.y)
      depths[at] = Math.min(depths[at]!, seen.depth)
    }
  }
  return depths
}

function cellOf({ width }: View, x: number, y: number): number {
  return Math.floor(y / cell) * Math.ceil(width / cell) + Math.floor(x / cell)
}

/** Grey levels of the points that are seen where pictures change, and of each picture there. */
function sample(view: View, { positions, colors }: ColoredCloud, depths: Float32Array, pictures: readonly Grey[]) {
  const points: number[] = []
  const values: number[][] = pictures.map(() => [])
  for (let i = 0; i < positions.length; i += 3) {
    const seen = pixelOf(view, positions[i]!, positions[i + 1]!, positions[i + 2]!)
    if (!seen || seen.depth > hidden * depths[cellOf(view, seen.x, seen.y)]!) continue
    const levels = pictures.map(({ data }) => data[seen.y * view.width + seen.x]!)
    if (Math.max(...levels) - Math.min(...levels) < leastChange) continue
    points.push(0.299 * colors[i]! + 0.587 * colors[i + 1]! + 0.114 * colors[i + 2]!)
    levels.forEach((level, k) => {
      values[k]?.push(level)
    })
  }
  return { count: points.length, points, pictures: values }
}

/** Mean absolute distance to the line of least squares. */
function meanDifference(from: readonly number[], to: readonly number[]): number {
  const n = from.length
  if (n === 0) return 0
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / n
  const [x, y] = [mean(from), mean(to)]
  let [xx, xy] = [0, 0]
  for (let i = 0; i < n; i++) {
    xx += (from[i]! - x) ** 2
    xy += (from[i]! - x) * (to[i]! - y)
  }
  const gain = xx > 0 ? xy / xx : 0
  return mean(to.map((value, i) => Math.abs(value - y - gain * (from[i]! - x))))
}
