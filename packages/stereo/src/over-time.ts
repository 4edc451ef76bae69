import { ArgumentError } from '@clipgstream/tensor'
import { addCloud, cloudOf, type StereoCloud } from './fuse.js'
import { pointSize, VoxelGrid } from './grid.js'

export interface OverTimeOptions {
  /** World units: points within half of it are the same, and the still ones are averaged per voxel of this edge. */
  readonly voxel: number
  /** Part of the frames that a point must be found in to stand still. Default 0.6. */
  readonly share?: number
  /** Largest difference of a channel between two points that are the same, 0 to 255. Default 40. */
  readonly colourDifference?: number
}

export interface CloudsOverTime {
  /** What is there in most frames, once. */
  readonly still: StereoCloud
  /** Of each frame what is left. */
  readonly moving: readonly StereoCloud[]
}

/**
 * Parts what stands still from what moves: a point that has one of like colour within half a voxel in at least `share` of
 * the frames (its own included) stands still. Clouds are averaged per voxel first.
 */
export function splitOverTime(clouds: readonly StereoCloud[], options: OverTimeOptions): CloudsOverTime {
  const { voxel, share = 0.6, colourDifference = 40 } = options
  if (!(share > 0 && share <= 1)) throw new ArgumentError('splitOverTime', 'share', share, 'in (0, 1]')
  const grids = clouds.map((cloud) => gridOf(cloud, voxel))
  const still = new VoxelGrid(voxel)
  const point = new Float64Array(pointSize)
  const moving = grids.map((grid) => {
    const left = new VoxelGrid(voxel)
    for (let cell = 0; cell < grid.size; cell++) {
      grid.meansOf(cell, 1, point)
      const count = grids.filter((other) => other === grid || other.hasLike(point, colourDifference)).length
      const to = count >= share * grids.length ? still : left
      to.add(point, 1)
    }
    return cloudOf(left)
  })
  return { still: cloudOf(still), moving }
}

/** One cloud of several: one point a voxel, the mean of all that fall into it. */
export function mergeClouds(clouds: readonly StereoCloud[], voxel: number): StereoCloud {
  const grid = new VoxelGrid(voxel)
  for (const cloud of clouds) addCloud(grid, cloud)
  return cloudOf(grid)
}

function gridOf(cloud: StereoCloud, voxel: number): VoxelGrid {
  const grid = new VoxelGrid(voxel)
  addCloud(grid, cloud)
  return grid
}
