import type { CaptureCalibration, PointCloud } from '@clipgstream/io'
import { focalAt, type Projected, projectPoints } from './project.js'
import { median } from './statistics.js'

/** The points of a cloud that a camera sees. */
export interface Seen {
  /** Indices of points. */
  readonly points: Uint32Array
  /** [points, 2] places in shares of the image's width and height */
  readonly places: Float32Array
  /** Points in front of the camera and inside its image, covered ones included. */
  readonly inside: number
  /** Median distance of a seen point from the next in the cloud, in pixels of `width`. */
  readonly gap: number
}

/** Width at which points cover each other. */
const width = 240
const mostRadius = 8

/**
 * Points that no nearer point covers. A point covers as much as it is away from its neighbours, so that walls of points are
 * dense. spacings // [N] world units
 */
export function seenPoints(calibration: CaptureCalibration, cloud: PointCloud, spacings: Float32Array): Seen {
  const { camera } = calibration
  const height = Math.max(1, Math.round((camera.height * width) / camera.width))
  const focal = focalAt(camera, width)
  const projected = projectPoints(calibration, cloud.positions)
  const nearest = depths(projected, spacings, focal, height)
  const points: number[] = []
  const places: number[] = []
  const gaps: number[] = []
  for (let i = 0; i < cloud.count; i++) {
    const [u, v, depth] = [projected.values[3 * i]!, projected.values[3 * i + 1]!, projected.values[3 * i + 2]!]
    if (Number.isNaN(u)) continue
    const at = Math.floor(v * height) * width + Math.floor(u * width)
    if (depth > nearest[at]! * 1.01 + 1.5 * spacings[i]!) continue
    points.push(i)
    places.push(u, v)
    gaps.push((focal * spacings[i]!) / depth)
  }
  return {
    points: Uint32Array.from(points),
    places: Float32Array.from(places),
    inside: projected.inside,
    gap: median(gaps) / width,
  }
}

function depths({ values }: Projected, spacings: Float32Array, focal: number, height: number): Float32Array {
  const nearest = new Float32Array(width * height).fill(Number.POSITIVE_INFINITY)
  for (let i = 0; i < spacings.length; i++) {
    if (Number.isNaN(values[3 * i]!)) continue
    const depth = values[3 * i + 2]!
    const x = Math.floor(values[3 * i]! * width)
    const y = Math.floor(values[3 * i + 1]! * height)
    const radius = Math.min(mostRadius, Math.round((focal * spacings[i]! * 0.8) / depth))
    for (let v = Math.max(0, y - radius); v <= Math.min(height - 1, y + radius); v++) {
      for (let u = Math.max(0, x - radius); u <= Math.min(width - 1, x + radius); u++) {
        if (depth < nearest[v * width + u]!) nearest[v * width + u] = depth
      }
    }
  }
  return nearest
}

/**
 * About how far each point is from its neighbours: the distance to the nearest in its cell of a grid and the cells around, of
 * a grid with about two points in a cell that has any; [N] world units. A point that is alone gets the size of a cell.
 */
export function pointSpacings({ positions, count }: PointCloud): Float32Array {
  const spacings = new Float32Array(count)
  if (count === 0) return spacings
  const cell = cellSize(positions, count)
  const cells = new Map<string, number[]>()
  const key = (i: number, dx = 0, dy = 0, dz = 0) => {
    const at = (axis: number) => Math.floor(positions[3 * i + axis]! / cell)
    return `${at(0) + dx},${at(1) + dy},${at(2) + dz}`
  }
  for (let i = 0; i < count; i++) {
    const name = key(i)
    const list = cells.get(name)
    if (list) list.push(i)
    else cells.set(name, [i])
  }
  for (let i = 0; i < count; i++) {
    let nearest = cell
    for (let n = 0; n < 27; n++) {
      const list = cells.get(key(i, (n % 3) - 1, (Math.floor(n / 3) % 3) - 1, Math.floor(n / 9) - 1))
      for (const other of list?.slice(0, 16) ?? []) {
        if (other === i) continue
        const distance = Math.hypot(
          positions[3 * i]! - positions[3 * other]!,
          positions[3 * i + 1]! - positions[3 * other + 1]!,
          positions[3 * i + 2]! - positions[3 * other + 2]!,
        )
        if (distance > 0 && distance < nearest) nearest = distance
      }
    }
    spacings[i] = nearest
  }
  return spacings
}

/** Halves the cells of the box around the cloud until those that are not empty hold about two points. */
function cellSize(positions: Float32Array, count: number): number {
  const sides = [0, 1, 2].map((axis) => {
    const values = Float32Array.from({ length: count }, (_, i) => positions[3 * i + axis]!).sort()
    return values[Math.floor(count * 0.98)]! - values[Math.floor(count * 0.02)]!
  })
  let cell = Math.max(...sides, 1e-9)
  for (let step = 0; step < 24; step++) {
    const filled = new Set<string>()
    for (let i = 0; i < count; i++) {
      const at = (axis: number) => Math.floor(positions[3 * i + axis]! / cell)
      filled.add(`${at(0)},${at(1)},${at(2)}`)
    }
    if (count / filled.size <= 2.5) break
    cell *= 0.7
  }
  return cell
}

/** At most `most` points, every n-th of them. */
export function thinned(cloud: PointCloud, most: number): PointCloud {
  const step = Math.ceil(cloud.count / most)
  if (step <= 1) return cloud
  const count = Math.ceil(cloud.count / step)
  const positions = new Float32Array(count * 3)
  const colors = cloud.colors ? new Uint8Array(count * 3) : null
  for (let i = 0; i < count; i++) {
    positions.set(cloud.positions.subarray(3 * i * step, 3 * i * step + 3), 3 * i)
    if (cloud.colors) colors?.set(cloud.colors.subarray(3 * i * step, 3 * i * step + 3), 3 * i)
  }
  return { count, positions, colors }
}
