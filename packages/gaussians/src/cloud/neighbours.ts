import { ArgumentError } from '@clipgstream/tensor'
import { countPoints } from './check.js'
import { KdTree } from './kdtree.js'

export interface Neighbours {
  /** [N, k] ascending; Infinity where the cloud has too few points. */
  squaredDistances: Float64Array
  /** [N, k] indices into the cloud; undefined where the distance is Infinity. */
  indices: Uint32Array
}

/**
 * The exact k nearest other points of every point. A point is excluded by its index, so coincident points are
 * neighbours at distance 0. positions // [N, 3]
 */
export function nearestNeighbours(positions: Float32Array, k: number): Neighbours {
  const n = countPoints('nearestNeighbours', 'positions', positions)
  if (!Number.isInteger(k) || k < 1) throw new ArgumentError('nearestNeighbours', 'k', k, 'a positive integer')
  const tree = new KdTree(positions)
  const squaredDistances = new Float64Array(n * k)
  const indices = new Uint32Array(n * k)
  const found = new Float64Array(k)
  const who = new Uint32Array(k)
  for (let i = 0; i < n; i++) {
    const index = tree.order[i]!
    tree.nearest(tree.x[i]!, tree.y[i]!, tree.z[i]!, index, found, who)
    squaredDistances.set(found, index * k)
    indices.set(who, index * k)
  }
  return { squaredDistances, indices }
}

/** Smallest value of {@link meanSquaredNeighbourDistances}, squared world units. */
export const minimumSquaredDistance = 1e-7

/**
 * max(mean of the squared distances to the 3 nearest other points, 1e-7) of the points `from` up to `to` of a cloud.
 * In a cloud of fewer than four points it is the mean over those that there are, and 1e-7 for a single point.
 * positions // [N, 3]; returns [to - from]
 */
export function meanSquaredNeighbourDistances(
  positions: Float32Array,
  from = 0,
  to = Math.floor(positions.length / 3),
): Float64Array {
  const n = countPoints('meanSquaredNeighbourDistances', 'positions', positions)
  if (!(from >= 0 && from <= to && to <= n))
    throw new ArgumentError('meanSquaredNeighbourDistances', 'range', `[${from}, ${to})`, `inside [0, ${n})`)
  const tree = new KdTree(positions)
  const k = Math.min(3, n - 1)
  const found = new Float64Array(Math.max(k, 0))
  const who = new Uint32Array(found.length)
  const result = new Float64Array(to - from)
  // In tree order, since neighbours in the tree are neighbours in space.
  for (let i = 0; i < n; i++) {
    const index = tree.order[i]!
    if (index < from || index >= to) continue
    tree.nearest(tree.x[i]!, tree.y[i]!, tree.z[i]!, index, found, who)
    let sum = 0
    for (let j = 0; j < k; j++) sum += found[j]!
    result[index - from] = Math.max(k > 0 ? sum / k : 0, minimumSquaredDistance)
  }
  return result
}
