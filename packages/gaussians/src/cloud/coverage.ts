import { ArgumentError, ShapeError } from '@clipgstream/tensor'
import { gatherRows } from '../rows.js'
import { checkPositive, countPoints } from './check.js'
import { KdTree } from './kdtree.js'
import { meanSquaredNeighbourDistances } from './neighbours.js'

/** Spheres around the points of a cloud that together stand for the space it covers. */
export interface Coverage {
  /** Spheres. */
  readonly size: number
  /** [N] world units. */
  readonly radii: Float64Array
  /** min over all spheres of |p - c| - r: negative inside. Infinity when there are no spheres. */
  signedDistance(x: number, y: number, z: number): number
  /**
   * |p - c| - r of the sphere whose centre c is nearest; of several equally near ones the smallest decides. Infinity
   * when there are no spheres.
   */
  nearestCentreDistance(x: number, y: number, z: number): number
  /** Whether the signed distance is below `distance`; stops at the first sphere that shows it. */
  isWithin(x: number, y: number, z: number, distance: number): boolean
}

/**
 * Radius of every point's sphere: the root of the mean of the squared distances to its 3 nearest neighbours.
 * positions // [N, 3]; returns [N] world units
 */
export function coverageRadii(positions: Float32Array): Float64Array {
  return meanSquaredNeighbourDistances(positions).map(Math.sqrt)
}

/** positions // [N, 3]; radii // [N], {@link coverageRadii} when left out */
export function createCoverage(positions: Float32Array, radii?: ArrayLike<number>): Coverage {
  const n = countPoints('createCoverage', 'positions', positions)
  if (radii && radii.length !== n) throw new ShapeError('createCoverage', 'radii', [n], [radii.length])
  return new SphereTree(positions, radii ? Float64Array.from(radii) : coverageRadii(positions))
}

class SphereTree implements Coverage {
  readonly size: number
  readonly #tree: KdTree
  /** In tree order. */
  readonly #radii: Float64Array
  /** Extreme radii below each node. */
  readonly #largest: Float64Array
  readonly #smallest: Float64Array

  constructor(
    positions: Float32Array,
    readonly radii: Float64Array,
  ) {
    const tree = new KdTree(positions)
    this.size = tree.size
    this.#tree = tree
    this.#radii = Float64Array.from(tree.order, (index) => radii[index]!)
    const nodes = tree.start.length
    this.#largest = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY)
    this.#smallest = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY)
    for (let node = nodes - 1; node >= 0; node--) {
      const include = (smallest: number, largest: number) => {
        this.#smallest[node] = Math.min(this.#smallest[node]!, smallest)
        this.#largest[node] = Math.max(this.#largest[node]!, largest)
      }
      if (node < tree.firstLeaf) {
        for (const child of [2 * node + 1, 2 * node + 2]) include(this.#smallest[child]!, this.#largest[child]!)
      } else {
        for (let i = tree.start[node]!; i < tree.end[node]!; i++) include(this.#radii[i]!, this.#radii[i]!)
      }
    }
  }

  signedDistance(x: number, y: number, z: number): number {
    return this.#search(x, y, z, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)
  }

  isWithin(x: number, y: number, z: number, distance: number): boolean {
    return this.#search(x, y, z, distance, distance) < distance
  }

  nearestCentreDistance(x: number, y: number, z: number): number {
    const tree = this.#tree
    const { firstLeaf, pendingNodes, pendingBounds } = tree
    if (tree.size === 0) return Number.POSITIVE_INFINITY
    let depth = 0
    let node = 0
    let nearest = Number.POSITIVE_INFINITY
    let radius = Number.POSITIVE_INFINITY
    for (;;) {
      while (node < firstLeaf) {
        const left = 2 * node + 1
        const a = tree.boxDistance(left, x, y, z)
        const b = tree.boxDistance(left + 1, x, y, z)
        const leftFirst = a <= b
        pendingNodes[depth] = leftFirst ? left + 1 : left
        pendingBounds[depth++] = leftFirst ? b : a
        node = leftFirst ? left : left + 1
      }
      const end = tree.end[node]!
      for (let i = tree.start[node]!; i < end; i++) {
        const dx = tree.x[i]! - x
        const dy = tree.y[i]! - y
        const dz = tree.z[i]! - z
        const distance = dx * dx + dy * dy + dz * dz
        if (distance > nearest || (distance === nearest && this.#radii[i]! >= radius)) continue
        nearest = distance
        radius = this.#radii[i]!
      }
      // A box as near as the best is only worth a look for a smaller sphere: coincident centres stay cheap.
      let bound: number
      do {
        if (depth === 0) return Math.sqrt(nearest) - radius
        depth--
        node = pendingNodes[depth]!
        bound = pendingBounds[depth]!
      } while (bound > nearest || (bound === nearest && this.#smallest[node]! >= radius))
    }
  }

  /** The minimum, or `best` when nothing lies below it, or the first value found below `enough`. */
  #search(x: number, y: number, z: number, best: number, enough: number): number {
    const tree = this.#tree
    const { firstLeaf, pendingNodes, pendingBounds } = tree
    if (tree.size === 0) return best
    let depth = 0
    let node = 0
    for (;;) {
      while (node < firstLeaf) {
        const left = 2 * node + 1
        const a = Math.sqrt(tree.boxDistance(left, x, y, z)) - this.#largest[left]!
        const b = Math.sqrt(tree.boxDistance(left + 1, x, y, z)) - this.#largest[left + 1]!
        const leftFirst = a <= b
        const far = leftFirst ? b : a
        if (far < best) {
          pendingNodes[depth] = leftFirst ? left + 1 : left
          pendingBounds[depth++] = far
        }
        node = leftFirst ? left : left + 1
      }
      const end = tree.end[node]!
      for (let i = tree.start[node]!; i < end; i++) {
        const dx = tree.x[i]! - x
        const dy = tree.y[i]! - y
        const dz = tree.z[i]! - z
        const distance = Math.sqrt(dx * dx + dy * dy + dz * dz) - this.#radii[i]!
        if (distance < best) best = distance
      }
      if (best < enough) return best
      do {
        if (depth === 0) return best
        depth--
      } while (pendingBounds[depth]! >= best)
      node = pendingNodes[depth]!
    }
  }
}

export interface ResidualCloudOptions {
  /**
   * `union` measures to the union of all spheres; `nearest` only to the sphere whose centre is nearest, as the original
   * does, and so misses larger spheres further away that contain the point.
   */
  rule?: 'union' | 'nearest'
  /** Points at least this far outside of the spheres are kept, world units. */
  threshold?: number
}

/** Threshold of the original, in world units; scale it with the scene where units are not metres or so. */
export const parityResidualThreshold = 0.005

export interface ResidualCloud {
  /** [R, 3] in the order of the candidates. */
  positions: Float32Array
  /** [R] indices into the candidates. */
  kept: Uint32Array
}

/**
 * Geometry-aware deduplication: the candidates that the reference cloud does not cover, those p with
 * max(d(p), 0) >= threshold. Everything is kept when the reference is empty.
 * reference // [N, 3], candidates // [M, 3]
 */
export function residualCloud(
  reference: Float32Array | Coverage,
  candidates: Float32Array,
  options: ResidualCloudOptions = {},
): ResidualCloud {
  const { rule = 'union', threshold = parityResidualThreshold } = options
  const n = countPoints('residualCloud', 'candidates', candidates)
  checkPositive('residualCloud', 'threshold', threshold)
  if (rule !== 'union' && rule !== 'nearest')
    throw new ArgumentError('residualCloud', 'rule', rule satisfies never, "'union' or 'nearest'")
  const coverage = reference instanceof Float32Array ? createCoverage(reference) : reference
  const kept = new Uint32Array(n)
  let count = 0
  for (let i = 0; i < n; i++) {
    const x = candidates[3 * i]!
    const y = candidates[3 * i + 1]!
    const z = candidates[3 * i + 2]!
    const covered =
      rule === 'union' ? coverage.isWithin(x, y, z, threshold) : coverage.nearestCentreDistance(x, y, z) < threshold
    if (!covered) kept[count++] = i
  }
  return { positions: gatherRows(candidates, 3, kept.subarray(0, count)), kept: kept.slice(0, count) }
}
