import {
  averageVoxels,
  createCoverage,
  mergeFirstCome,
  parityResidualThreshold,
  pointsOutside,
  residualCloud,
} from '@clipgstream/gaussians'
import type { PointCloudContent } from '@clipgstream/io'

/** Points with colours. */
export interface ColoredCloud {
  /** [N, 3] world units */
  readonly positions: Float32Array
  /** [N, 3] 0 to 255 */
  readonly colors: Uint8Array
}

/** Constants of the original, in world units. */
export const originalVoxel = 0.012
export const originalThreshold = parityResidualThreshold

/** One averaged point, with the mean colour, per occupied voxel. */
export function averageCloud({ positions, colors }: ColoredCloud, voxel: number): ColoredCloud {
  const average = averageVoxels(positions, voxel)
  const count = average.positions.length / 3
  const sums = new Float64Array(4 * count)
  for (let i = 0; i < average.voxels.length; i++) {
    const at = 4 * average.voxels[i]!
    for (let c = 0; c < 3; c++) sums[at + c] = sums[at + c]! + colors[3 * i + c]!
    sums[at + 3] = sums[at + 3]! + 1
  }
  const means = new Uint8Array(3 * count)
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) means[3 * i + c] = Math.round(sums[4 * i + c]! / sums[4 * i + 3]!)
  }
  return { positions: average.positions, colors: means }
}

/** The points of one, then those of the other. */
export function joined(a: ColoredCloud, b: ColoredCloud): ColoredCloud {
  const positions = new Float32Array(a.positions.length + b.positions.length)
  const colors = new Uint8Array(positions.length)
  for (const [cloud, first] of [
    [a, 0],
    [b, a.positions.length],
  ] as const) {
    positions.set(cloud.positions, first)
    colors.set(cloud.colors, first)
  }
  return { positions, colors }
}

/** The cloud of a clip: its frames' clouds, averaged by voxel, the first to occupy a voxel winning. */
export function mergeClouds(frames: readonly ColoredCloud[], voxel: number): ColoredCloud {
  const averaged = frames.map((frame) => averageCloud(frame, voxel))
  const merged = mergeFirstCome(
    averaged.map(({ positions }) => positions),
    voxel,
  )
  const colors = new Uint8Array(merged.positions.length)
  for (let i = 0; i < merged.clouds.length; i++) {
    const from = averaged[merged.clouds[i]!]
    for (let c = 0; c < 3; c++) colors[3 * i + c] = from?.colors[3 * merged.points[i]! + c] ?? 0
  }
  return { positions: merged.positions, colors }
}

/** What moves is small and in the eye: its voxels have so much of the edge of the others. */
export const movingEdge = 0.5

/** The cloud of a clip that has what stands still in a cloud of its own: frames add what lies in none of its voxels. */
export function mergeOver(still: ColoredCloud, frames: readonly ColoredCloud[], voxel: number): ColoredCloud {
  const base = averageCloud(still, voxel)
  const moving = mergeClouds(frames, movingEdge * voxel)
  return joined(base, pick(moving, pointsOutside(base.positions, moving.positions, voxel)))
}

/** Some points of a cloud. */
function pick({ positions, colors }: ColoredCloud, points: ArrayLike<number>): ColoredCloud {
  const picked = { positions: new Float32Array(3 * points.length), colors: new Uint8Array(3 * points.length) }
  for (let i = 0; i < points.length; i++) {
    const from = 3 * points[i]!
    for (let axis = 0; axis < 3; axis++) {
      picked.positions[3 * i + axis] = positions[from + axis]!
      picked.colors[3 * i + axis] = colors[from + axis]!
    }
  }
  return picked
}

/** What a clip adds to clip 0; the deduplication of the original where `rule` is `nearest`. */
export function createResidual(
  reference: ColoredCloud,
  threshold: number,
  rule: 'union' | 'nearest',
): (clip: ColoredCloud) => ColoredCloud {
  const coverage = createCoverage(reference.positions)
  return (clip) => pick(clip, residualCloud(coverage, clip.positions, { threshold, rule }).kept)
}

export function toColored({ positions, colors }: PointCloudContent): ColoredCloud {
  const single = positions instanceof Float32Array ? positions : Float32Array.from(positions)
  return { positions: single, colors: colors ?? new Uint8Array(single.length).fill(128) }
}
