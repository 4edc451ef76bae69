import { ArgumentError, type Random, ShapeError } from '@clipgstream/tensor'
import { CellNumbering, checkCells } from './cloud/cells.js'
import { checkPositive, countPoints } from './cloud/check.js'
import { gatherRows } from './rows.js'

/** All anchors that a clip is drawn with, on the host. */
export interface AnchorSet {
  positions: Float32Array // [N, 3] world units
  features: Float32Array // [N, Cs] static features
}

/** The statistics of `accumulateGrowth`, read back. */
export interface GrowthData {
  visits: Uint32Array // [N]
  opacitySums: Float32Array // [N]
  counts: Uint32Array // [N, K]
  maxGradients: Float32Array // [N, K]
  maxMeans: Float32Array // [N, K, 3]
}

export interface GrowthOptions {
  /** Largest screen-space gradient that a Gaussian must have reached, at the coarsest depth; NDC units. */
  gradientThreshold: number
  /** Gaussians drawn this often or less are not judged yet. */
  minCount: number
  /** Edge of the finest cells, world units. */
  cellSize: number
  /** Where the draws of the random choice come from. */
  random: Random
  /** Cell sizes that are tried, coarsest first. */
  depths?: number
  /** Factor of the threshold from one depth to the next. */
  thresholdFactor?: number
  /** Factor between the cells of neighbouring depths. */
  cellFactor?: number
}

export interface GrownAnchors {
  positions: Float32Array // [A, 3] centres of the new cells
  logScaling: Float32Array // [A, 6] ln of the cell's edge
  features: Float32Array // [A, Cs] element-wise maximum over the anchors whose Gaussians called for it
  /** Rows n K + k that were judged, ascending. Their counts and maxima start anew. */
  judged: Uint32Array
}

/**
 * New anchors where Gaussians were pulled hardest (Scaffold-GS, Lu et al. 2024, over remembered positions): at depth j,
 * Gaussians whose largest gradient reaches gradientThreshold thresholdFactor^j are taken with probability 1 - 0.5^(j + 1)
 * and call for an anchor in the cell, of edge cellSize cellFactor^(depths - 1 - j), around the place of that gradient.
 * Cells, centred on multiples of their edge, that hold an anchor already stay as they are.
 *
 * Pass the union of reference and residual anchors with its statistics; what is new belongs to the clip.
 */
export function growAnchors(anchors: AnchorSet, data: GrowthData, options: GrowthOptions): GrownAnchors {
  const { gradientThreshold, minCount, cellSize, random, depths = 3, thresholdFactor = 2, cellFactor = 4 } = options
  const operator = 'growAnchors'
  const { n, k, width } = checkStatistics(operator, anchors, data)
  checkPositive(operator, 'gradientThreshold', gradientThreshold)
  checkPositive(operator, 'cellSize', cellSize)
  checkPositive(operator, 'thresholdFactor', thresholdFactor)
  if (!(cellFactor >= 1)) throw new ArgumentError(operator, 'cellFactor', cellFactor, 'at least 1')
  if (!Number.isInteger(depths) || depths < 1) throw new ArgumentError(operator, 'depths', depths, 'a positive integer')
  const judged = Uint32Array.from(data.counts.keys()).filter((row) => data.counts[row]! > minCount)
  checkCells(operator, 'cellSize', cellSize, anchors.positions)
  const places = gatherRows(data.maxMeans, 3, judged)
  countPoints(operator, 'maxMeans', places)
  checkCells(operator, 'cellSize', cellSize, places)

  const positions: number[] = []
  const logScaling: number[] = []
  const features: number[][] = []
  for (let depth = 0; depth < depths; depth++) {
    const edge = cellSize * cellFactor ** (depths - 1 - depth)
    const threshold = gradientThreshold * thresholdFactor ** depth
    const probability = 1 - 0.5 ** (depth + 1)
    const cells = new CellNumbering()
    for (let i = 0; i < n; i++) addToCell(cells, anchors.positions, i, edge)
    for (let i = 0; i < positions.length / 3; i++) addToCell(cells, positions, i, edge)
    const occupied = cells.size
    const firstNew = features.length
    for (const row of judged) {
      if (!(data.maxGradients[row]! >= threshold) || random.uniform() >= probability) continue
      const cell = addToCell(cells, data.maxMeans, row, edge)
      if (cell < occupied) continue
      const anchor = Math.floor(row / k)
      const own = anchors.features.subarray(anchor * width, (anchor + 1) * width)
      const index = firstNew + cell - occupied
      const known = features[index]
      if (known) {
        for (let c = 0; c < width; c++) known[c] = Math.max(known[c]!, own[c]!)
        continue
      }
      for (let axis = 0; axis < 3; axis++) positions.push(Math.round(data.maxMeans[3 * row + axis]! / edge) * edge)
      for (let axis = 0; axis < 6; axis++) logScaling.push(Math.log(edge))
      features[index] = Array.from(own)
    }
  }
  const flat = new Float32Array(features.length * width)
  features.forEach((row, i) => {
    flat.set(row, i * width)
  })
  return {
    positions: Float32Array.from(positions),
    logScaling: Float32Array.from(logScaling),
    features: flat,
    judged,
  }
}

export interface PruneOptions {
  /** Anchors whose opacities summed to less than this in the mean of their visits go. */
  minOpacity: number
  /** Anchors visible this often or less are not judged yet. */
  minVisits: number
  /** Anchors before this one stay, as the reference's do in a source clip. */
  firstRow?: number
}

/** The anchors to keep, ascending; gather every array of theirs with {@link gatherRows}. */
export function pruneAnchors(data: Pick<GrowthData, 'visits' | 'opacitySums'>, options: PruneOptions): Uint32Array {
  const { minOpacity, minVisits, firstRow = 0 } = options
  const n = data.visits.length
  if (data.opacitySums.length !== n) throw new ShapeError('pruneAnchors', 'opacitySums', [n], [data.opacitySums.length])
  return Uint32Array.from(data.visits.keys()).filter((anchor) => {
    const visits = data.visits[anchor]!
    return anchor < firstRow || !(visits > minVisits && data.opacitySums[anchor]! / visits < minOpacity)
  })
}

/**
 * Statistics of the anchors [kept; added] after a round of growing and pruning: what was judged starts anew, and so do
 * the added anchors. perAnchor: K; keep: ascending
 * indices of the anchors that stay
 */
export function carryStatistics(
  data: GrowthData,
  perAnchor: number,
  { judged, keep, added }: { judged: Uint32Array; keep: Uint32Array; added: number },
): GrowthData {
  const counts = data.counts.slice()
  const maxGradients = data.maxGradients.slice()
  for (const row of judged) {
    counts[row] = 0
    maxGradients[row] = 0
  }
  const integers = (values: Uint32Array, width: number) => {
    const result = new Uint32Array((keep.length + added) * width)
    result.set(gatherRows(values, width, keep))
    return result
  }
  const floats = (values: Float32Array, width: number) => {
    const result = new Float32Array((keep.length + added) * width)
    result.set(gatherRows(values, width, keep))
    return result
  }
  return {
    visits: integers(data.visits, 1),
    opacitySums: floats(data.opacitySums, 1),
    counts: integers(counts, perAnchor),
    maxGradients: floats(maxGradients, perAnchor),
    maxMeans: floats(data.maxMeans, 3 * perAnchor),
  }
}

function checkStatistics(operator: string, anchors: AnchorSet, data: GrowthData) {
  const n = countPoints(operator, 'positions', anchors.positions)
  const k = n === 0 ? 0 : data.counts.length / n
  const width = n === 0 ? 0 : anchors.features.length / n
  if (!Number.isInteger(k)) throw new ShapeError(operator, 'counts', [n, '*'], [data.counts.length])
  if (!Number.isInteger(width)) throw new ShapeError(operator, 'features', [n, '*'], [anchors.features.length])
  const expect = (name: keyof GrowthData, size: number) => {
    if (data[name].length !== size) throw new ShapeError(operator, name, [size], [data[name].length])
  }
  expect('visits', n)
  expect('opacitySums', n)
  expect('counts', n * k)
  expect('maxGradients', n * k)
  expect('maxMeans', n * k * 3)
  return { n, k, width }
}

function addToCell(cells: CellNumbering, positions: ArrayLike<number>, i: number, edge: number): number {
  return cells.add(
    Math.round(positions[3 * i]! / edge),
    Math.round(positions[3 * i + 1]! / edge),
    Math.round(positions[3 * i + 2]! / edge),
  )
}
