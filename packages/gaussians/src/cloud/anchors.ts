import { ArgumentError } from '@clipgstream/tensor'
import { gatherRows } from '../rows.js'
import { cloudExtent } from './bounds.js'
import { checkPositive, countPoints } from './check.js'
import { meanSquaredNeighbourDistances } from './neighbours.js'

export interface AnchorOptions {
  /** Every `ratio`-th point becomes an anchor; 1 takes all. */
  ratio?: number
  /**
   * Points whose root mean square distance to their 3 nearest neighbours reaches it are dropped, world units. The
   * {@link cloudExtent} when left out (no limit below four points); {@link parityOutlierDistance} repeats the original.
   */
  outlierDistance?: number
}

/** The original drops points from a mean squared distance of 10 on, in whatever units the scene has. */
export const parityOutlierDistance = Math.sqrt(10)

export interface NewAnchors {
  /** [N, 3] world units. */
  positions: Float32Array
  /** [N, 6] ln of the root mean square distance to the 3 nearest neighbours, six times. */
  logScaling: Float32Array
  /** [N] which point of the cloud each anchor is. */
  kept: Uint32Array
  /** Points of the cloud that were dropped as outliers, ascending. */
  outliers: Uint32Array
  /** The distance that decided, world units. */
  outlierDistance: number
}

/** Anchors of the reference clip out of its cloud. positions // [N, 3] */
export function anchorsFromCloud(positions: Float32Array, options: AnchorOptions = {}): NewAnchors {
  const { ratio = 1 } = options
  const n = countPoints('anchorsFromCloud', 'positions', positions)
  if (!Number.isInteger(ratio) || ratio < 1)
    throw new ArgumentError('anchorsFromCloud', 'ratio', ratio, 'a positive integer')
  const chosen = Uint32Array.from({ length: Math.ceil(n / ratio) }, (_, i) => i * ratio)
  const cloud = ratio === 1 ? positions : gatherRows(positions, 3, chosen)
  const distances = meanSquaredNeighbourDistances(cloud)
  return select('anchorsFromCloud', cloud, chosen, distances, options.outlierDistance, cloud)
}

export interface ResidualAnchorOptions extends Omit<AnchorOptions, 'ratio'> {
  /**
   * Repeat the original, which gives the residual anchors the distances of the first anchors of the union
   * [reference; residual], sizes and outliers alike.
   */
  parity?: boolean
}

/**
 * Anchors that a source clip adds to the reference's, sized by their neighbours in the union of both. An empty residual
 * gives no anchors. reference // [N, 3], residual // [R, 3]
 */
export function residualAnchors(
  reference: Float32Array,
  residual: Float32Array,
  options: ResidualAnchorOptions = {},
): NewAnchors {
  const first = countPoints('residualAnchors', 'reference', reference)
  const added = countPoints('residualAnchors', 'residual', residual)
  const union = new Float32Array(reference.length + residual.length)
  union.set(reference)
  union.set(residual, reference.length)
  const chosen = Uint32Array.from({ length: added }, (_, i) => i)
  const from = options.parity ? 0 : first
  const distances = added === 0 ? new Float64Array() : meanSquaredNeighbourDistances(union, from, from + added)
  return select('residualAnchors', residual, chosen, distances, options.outlierDistance, union)
}

function select(
  operator: string,
  cloud: Float32Array,
  chosen: Uint32Array,
  squaredDistances: Float64Array,
  given: number | undefined,
  neighbourhood: Float32Array,
): NewAnchors {
  const outlierDistance = given ?? limitOf(neighbourhood)
  if (given !== undefined && given !== Number.POSITIVE_INFINITY) checkPositive(operator, 'outlierDistance', given)
  const isKept = (_: number, i: number) => Math.sqrt(squaredDistances[i]!) < outlierDistance
  const rows = Uint32Array.from(chosen.keys()).filter(isKept)
  const logScaling = new Float32Array(6 * rows.length)
  rows.forEach((row, i) => {
    logScaling.fill(Math.log(Math.sqrt(squaredDistances[row]!)), 6 * i, 6 * i + 6)
  })
  return {
    positions: gatherRows(cloud, 3, rows),
    logScaling,
    kept: chosen.filter(isKept),
    outliers: chosen.filter((index, i) => !isKept(index, i)),
    outlierDistance,
  }
}

/** Without three neighbours or any extent (all points in one place) nothing can be far from the rest. */
function limitOf(cloud: Float32Array): number {
  return cloud.length < 12 ? Number.POSITIVE_INFINITY : cloudExtent(cloud) || Number.POSITIVE_INFINITY
}
