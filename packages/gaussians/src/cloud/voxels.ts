import { CellNumbering, checkCells } from './cells.js'
import { checkPositive, countPoints } from './check.js'

export interface VoxelAverage {
  /** [V, 3] mean of the points of every occupied voxel, in the order in which voxels are first met. */
  positions: Float32Array
  /** [N] which voxel each point fell into. */
  voxels: Uint32Array
}

/** One averaged point per occupied voxel floor(p / voxel). positions // [N, 3]; voxel: edge in world units */
export function averageVoxels(positions: Float32Array, voxel: number): VoxelAverage {
  const n = countPoints('averageVoxels', 'positions', positions)
  checkPositive('averageVoxels', 'voxel', voxel)
  checkCells('averageVoxels', 'voxel', voxel, positions)
  const cells = new CellNumbering()
  const voxels = new Uint32Array(n)
  for (let i = 0; i < n; i++) voxels[i] = addPoint(cells, positions, i, voxel)
  const sums = new Float64Array(4 * cells.size)
  for (let i = 0; i < n; i++) {
    const at = 4 * voxels[i]!
    for (let axis = 0; axis < 3; axis++) sums[at + axis] = sums[at + axis]! + positions[3 * i + axis]!
    sums[at + 3] = sums[at + 3]! + 1
  }
  const means = new Float32Array(3 * cells.size)
  for (let i = 0; i < cells.size; i++) {
    for (let axis = 0; axis < 3; axis++) means[3 * i + axis] = sums[4 * i + axis]! / sums[4 * i + 3]!
  }
  return { positions: means, voxels }
}

export interface VoxelMerge {
  /** [V, 3] */
  positions: Float32Array
  /** [V] which cloud each point comes from, and which point of it. */
  clouds: Uint32Array
  points: Uint32Array
}

/**
 * All points of the first cloud, then of each later one, in order, the points whose voxel floor(p / voxel) is still
 * free. clouds // [N_i, 3] each; voxel: edge in world units
 */
export function mergeFirstCome(clouds: readonly Float32Array[], voxel: number): VoxelMerge {
  checkPositive('mergeFirstCome', 'voxel', voxel)
  const cells = new CellNumbering()
  let capacity = 0
  clouds.forEach((cloud, i) => {
    capacity += countPoints('mergeFirstCome', `cloud ${i}`, cloud)
    checkCells('mergeFirstCome', 'voxel', voxel, cloud)
  })
  const positions = new Float32Array(3 * capacity)
  const fromCloud = new Uint32Array(capacity)
  const points = new Uint32Array(capacity)
  let count = 0
  clouds.forEach((cloud, which) => {
    for (let i = 0; i < cloud.length / 3; i++) {
      const occupied = cells.size
      addPoint(cells, cloud, i, voxel)
      if (which > 0 && cells.size === occupied) continue
      for (let axis = 0; axis < 3; axis++) positions[3 * count + axis] = cloud[3 * i + axis]!
      fromCloud[count] = which
      points[count++] = i
    }
  })
  return {
    positions: positions.slice(0, 3 * count),
    clouds: fromCloud.slice(0, count),
    points: points.slice(0, count),
  }
}

/**
 * The cloud of a clip out of the clouds of its frames, however many: every frame is averaged per voxel, then frames are
 * merged, first come. frames // [N_i, 3] each; voxel: edge in world units; returns [N, 3]
 */
export function mergeClip(frames: readonly Float32Array[], voxel: number): Float32Array {
  return mergeFirstCome(
    frames.map((frame) => averageVoxels(frame, voxel).positions),
    voxel,
  ).positions
}

/**
 * Indices, ascending, of the points whose voxel floor(p / voxel) has none of `occupied` in it. occupied // [M, 3];
 * positions // [N, 3]; voxel: edge in world units
 */
export function pointsOutside(occupied: Float32Array, positions: Float32Array, voxel: number): Uint32Array {
  const m = countPoints('pointsOutside', 'occupied', occupied)
  const n = countPoints('pointsOutside', 'positions', positions)
  checkPositive('pointsOutside', 'voxel', voxel)
  checkCells('pointsOutside', 'voxel', voxel, occupied)
  checkCells('pointsOutside', 'voxel', voxel, positions)
  const cells = new CellNumbering()
  for (let i = 0; i < m; i++) addPoint(cells, occupied, i, voxel)
  const outside = new Uint32Array(n)
  let count = 0
  for (let i = 0; i < n; i++) {
    const [x, y, z] = [positions[3 * i]!, positions[3 * i + 1]!, positions[3 * i + 2]!]
    const number = cells.find(Math.floor(x / voxel), Math.floor(y / voxel), Math.floor(z / voxel))
    if (number < 0) outside[count++] = i
  }
  return outside.slice(0, count)
}

function addPoint(cells: CellNumbering, positions: Float32Array, i: number, voxel: number): number {
  return cells.add(
    Math.floor(positions[3 * i]! / voxel),
    Math.floor(positions[3 * i + 1]! / voxel),
    Math.floor(positions[3 * i + 2]! / voxel),
  )
}
