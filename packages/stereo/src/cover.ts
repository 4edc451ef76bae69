import { cameraCentre, rotationOf, type View } from '@clipgstream/camera'
import { ArgumentError } from '@clipgstream/tensor'
import { cloudOf, type StereoCloud } from './fuse.js'
import { VoxelGrid } from './grid.js'
import { mergeClouds } from './over-time.js'
import type { Capture } from './pictures.js'
import { focusDistance } from './range.js'

export interface CoverOptions {
  /** Pixels of the cells that have a point of the cloud or get one. Default: an 80th of the longer side, at least 2. */
  readonly cell?: number
  /** Largest difference of inverse depths at which two views mean the same surface, in parts of it. Default 0.05. */
  readonly difference?: number
}

/** Cells of a view. Known ones have inverse depths of the cloud, the others what is interpolated between those. */
interface Raster {
  readonly view: View
  readonly cell: number
  readonly columns: number
  readonly rows: number
  /** [rows, columns] world units^-1 */
  readonly rho: Float64Array
  /** [rows, columns] 1 where a point of the cloud is seen */
  readonly known: Uint8Array
  /** [rows, columns, 3] mean colours */
  readonly colours: Float64Array
}

/** Difference of colours, 0 to 255, over which surfaces hardly go on. */
const colourDeviation = 12
/** Difference of inverse depths, in parts, of points on one surface. */
const alikeDepth = 0.05
/** Occupied voxels around a point, of 26, that it takes to stay. */
const company = 4
const sweeps = 300
/** Successive over-relaxation. */
const relaxation = 1.8

/** Rounds, each on what the one before has found: how much more than `difference` they allow, and whether views must agree. */
const rounds = [
  { wider: 1, agreed: true },
  { wider: 2, agreed: true },
  { wider: 4, agreed: true },
  { wider: 4, agreed: false },
] as const
/** Where a point would hide what others know, it lies further away: parts of inverse depth that are tried. */
const further = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]

/**
 * Points on what has no texture: where a view has none of the cloud's points, inverse depth is interpolated from around, from
 * cells of like colour above all (a weighted membrane; a plane's inverse depth is linear in a picture), and a point a cell is
 * kept when other views mean the same surface, or, where none do in the end, when it hides nothing that they know. They are
 * rough: something to start from where there would be nothing.
 */
export function coverHoles(captures: readonly Capture[], cloud: StereoCloud, options: CoverOptions = {}): StereoCloud {
  const { difference = 0.05 } = options
  if (!(difference > 0 && difference < 1))
    throw new ArgumentError('coverHoles', 'difference', difference, 'between 0 and 1')
  const views = captures.map(({ view }) => view)
  const cells = views.map(({ width, height }) => {
    const cell = options.cell ?? Math.max(2, Math.round(Math.max(width, height) / 80))
    if (!(Number.isInteger(cell) && cell >= 1))
      throw new ArgumentError('coverHoles', 'cell', cell, 'an integer from 1 on')
    return cell
  })
  const footprints = views.map((view, i) => (cells[i]! * focusDistance(views, i)) / view.fx).sort((a, b) => a - b)
  const edge = footprints[footprints.length >> 1]
  if (edge === undefined) throw new ArgumentError('coverHoles', 'captures', 'none', 'images of several views')
  const covered: StereoCloud[] = []
  for (const { wider, agreed } of rounds) {
    const grid = new VoxelGrid(edge)
    const rasters = captures.map((capture, i) => rasterOf(capture, [cloud, ...covered], cells[i]!))
    for (const raster of rasters) {
      if (raster.known.includes(1)) addHoles(grid, raster, rasters, wider * difference, agreed)
    }
    covered.push(cloudOf(grid))
  }
  return withoutLoners(mergeClouds(covered, edge), cloud, 2 * edge)
}

/** What is left without points that hardly have others around: before a camera, a single one becomes fog. */
function withoutLoners(cover: StereoCloud, cloud: StereoCloud, edge: number): StereoCloud {
  const grid = new VoxelGrid(edge)
  for (const { positions } of [cloud, cover]) {
    for (let i = 0; i < positions.length; i += 3)
      grid.add(positions[i]!, positions[i + 1]!, positions[i + 2]!, 0, 0, 0, 0, 0, 0, 1)
  }
  const { positions, colors, normals } = cover
  const kept: number[] = []
  for (let i = 0; i < positions.length; i += 3) {
    if (grid.neighboursAt(positions[i]!, positions[i + 1]!, positions[i + 2]!) >= company) kept.push(i)
  }
  const three = (values: Float32Array | Uint8Array) => kept.flatMap((i) => [values[i]!, values[i + 1]!, values[i + 2]!])
  return {
    count: kept.length,
    positions: Float32Array.from(three(positions)),
    colors: Uint8Array.from(three(colors)),
    normals: Float32Array.from(three(normals)),
  }
}

function addHoles(
  grid: VoxelGrid,
  raster: Raster,
  rasters: readonly Raster[],
  difference: number,
  agreed: boolean,
): void {
  const { view, cell, columns, rows, known, rho, colours } = raster
  const [right, down, forward] = rotationOf(view)
  const centre = cameraCentre(view)
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) {
      if (known[at] === 1 || !(rho[at]! > 0)) continue
      const [u, v] = [Math.min(view.width, (column + 0.5) * cell), Math.min(view.height, (row + 0.5) * cell)]
      const [x, y] = [(u - view.cx) / view.fx, (v - view.cy) / view.fy]
      const ray = (i: 0 | 1 | 2) => right[i] * x + down[i] * y + forward[i]
      const place = (part: number) => {
        const z = 1 / (part * rho[at]!)
        return [centre[0] + ray(0) * z, centre[1] + ray(1) * z, centre[2] + ray(2) * z] as const
      }
      const tried = (agreed ? [1] : further).map(place)
      const point = tried.find((one) => isLikely(one, raster, rasters, difference, agreed))
      if (!point) continue
      const length = Math.hypot(x, y, 1)
      const colour = [colours[3 * at]!, colours[3 * at + 1]!, colours[3 * at + 2]!] as const
      grid.add(...point, ...colour, -ray(0) / length, -ray(1) / length, -ray(2) / length, 1)
    }
  }
}

/** Whether other views have a surface at a point, or `agreed` not being asked for, none that it would hide. */
function isLikely(
  point: readonly [number, number, number],
  own: Raster,
  rasters: readonly Raster[],
  difference: number,
  agreed: boolean,
): boolean {
  let [agree, against, hides] = [0, 0, 0]
  for (const raster of rasters) {
    if (raster === own) continue
    const seen = cellOf(raster, ...point)
    if (!seen) continue
    const there = raster.rho[seen.at]!
    if (Math.abs(seen.rho - there) <= difference * there) agree++
    else if (seen.rho > there) {
      against++
      if (raster.known[seen.at] === 1) hides++
    }
  }
  return agreed ? agree > 0 && agree >= 3 * against : agree >= hides
}

/** The cell in which a view has a point, and the point's inverse depth there. */
function cellOf({ view, cell, columns }: Raster, x: number, y: number, z: number): { at: number; rho: number } | null {
  const m = view.worldToCamera
  const depth = m[8]! * x + m[9]! * y + m[10]! * z + m[11]!
  if (!(depth > 0)) return null
  const u = (view.fx * (m[0]! * x + m[1]! * y + m[2]! * z + m[3]!)) / depth + view.cx
  const v = (view.fy * (m[4]! * x + m[5]! * y + m[6]! * z + m[7]!)) / depth + view.cy
  if (!(u >= 0 && v >= 0 && u < view.width && v < view.height)) return null
  return { at: Math.floor(v / cell) * columns + Math.floor(u / cell), rho: 1 / depth }
}

function rasterOf({ view, image }: Capture, clouds: readonly StereoCloud[], cell: number): Raster {
  const [columns, rows] = [Math.ceil(view.width / cell), Math.ceil(view.height / cell)]
  const known = new Uint8Array(columns * rows)
  const rho = new Float64Array(columns * rows)
  const raster = { view, cell, columns, rows, rho, known, colours: coloursOf(image, cell, columns, rows) }
  const found: number[][] = Array.from({ length: columns * rows }, () => [])
  const [cx, cy, cz] = cameraCentre(view)
  for (const { positions, normals } of clouds) {
    for (let i = 0; i < positions.length; i += 3) {
      const [x, y, z] = [positions[i]!, positions[i + 1]!, positions[i + 2]!]
      // Surfaces that are seen from behind are hidden.
      if (normals[i]! * (cx - x) + normals[i + 1]! * (cy - y) + normals[i + 2]! * (cz - z) < 0) continue
      const seen = cellOf(raster, x, y, z)
      if (seen) found[seen.at]?.push(seen.rho)
    }
  }
  found.forEach((values, at) => {
    // Not the very nearest, which may have strayed, and none that is alone: it would spread over all that is unknown.
    const chosen = values.sort((a, b) => b - a)[(values.length - 1) >> 2]
    if (chosen === undefined) return
    const alike = values.filter((value) => Math.abs(value - chosen) < alikeDepth * chosen).length
    if (alike < 2) return
    rho[at] = chosen
    known[at] = 1
  })
  interpolate(raster)
  return raster
}

/** Fills what is not known: each cell becomes the mean of those around it, weighted by the likeness of their colours. */
function interpolate({ columns, rows, rho, known, colours }: Raster): void {
  const start = meanOf(rho, known)
  const unknown = [...known.keys()].filter((at) => known[at] === 0)
  for (const at of unknown) rho[at] = start
  const links = unknown.map((at) => {
    const [column, row] = [at % columns, Math.floor(at / columns)]
    const around = [
      ...(column > 0 ? [at - 1] : []),
      ...(column + 1 < columns ? [at + 1] : []),
      ...(row > 0 ? [at - columns] : []),
      ...(row + 1 < rows ? [at + columns] : []),
    ]
    const weights = around.map(
      (other) => 1e-3 + Math.exp(-((colourDistance(colours, at, other) / colourDeviation) ** 2)),
    )
    return { at, around, weights, sum: weights.reduce((sum, weight) => sum + weight, 0) }
  })
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (const { at, around, weights, sum } of links) {
      let mean = 0
      for (let i = 0; i < around.length; i++) mean += weights[i]! * rho[around[i]!]!
      rho[at] = rho[at]! + relaxation * (mean / sum - rho[at]!)
    }
  }
}

function meanOf(values: Float64Array, known: Uint8Array): number {
  let [sum, count] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    if (known[i] === 0) continue
    sum += values[i]!
    count++
  }
  return count > 0 ? sum / count : 0
}

function colourDistance(colours: Float64Array, a: number, b: number): number {
  const difference = (c: number) => colours[3 * a + c]! - colours[3 * b + c]!
  return Math.hypot(difference(0), difference(1), difference(2))
}

function coloursOf({ width, data }: Capture['image'], cell: number, columns: number, rows: number): Float64Array {
  const sums = new Float64Array(3 * columns * rows)
  const counts = new Float64Array(columns * rows)
  for (let i = 0; i < data.length; i += 3) {
    const pixel = i / 3
    const at = Math.floor(Math.floor(pixel / width) / cell) * columns + Math.floor((pixel % width) / cell)
    for (let c = 0; c < 3; c++) sums[3 * at + c] = sums[3 * at + c]! + data[i + c]!
    counts[at] = counts[at]! + 1
  }
  return sums.map((sum, i) => sum / counts[Math.floor(i / 3)]!)
}
