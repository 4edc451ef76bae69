import { cameraCentre, rotationOf } from '@clipgstream/camera'
import { ArgumentError } from '@clipgstream/tensor'
import { addCloud, cloudOf, type StereoCloud } from './fuse.js'
import { pointSize, VoxelGrid } from './grid.js'
import { mergeClouds } from './over-time.js'
import type { Capture } from './pictures.js'
import { focusDistance } from './range.js'
import { cellAt, depthIn, latticeOf, noDepths, type Raster, rasterOf, rayOf, withCloud } from './raster.js'

export interface CoverOptions {
  /** Pixels of the cells that have a point of the cloud or get one. Default: an 80th of the longer side, at least 2. */
  readonly cell?: number
  /** Largest difference of inverse depths at which two views mean the same surface, in parts of it. Default 0.02. */
  readonly difference?: number
}

/** Occupied voxels around a point, of 26, that it takes to stay. */
const company = 4

/** Rounds, each on what those before have found: how much more than `difference` they allow, whether views must agree. */
const rounds = [
  { wider: 1, agreed: true },
  { wider: 2, agreed: true },
  { wider: 1, agreed: false },
] as const
/** Where a point would hide what others know, it lies further away: parts of inverse depth that are tried. */
const nearest = [1] as const
const further = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]

/**
 * Points on what has no texture: where a view has none of the cloud's points, inverse depth goes on from around, from cells
 * of like colour above all, with the slopes that the normals there have, interpolated in the same way (inverse depth is
 * linear in the picture of a plane, so planes go on as planes). A point a cell is kept when other views mean the same
 * surface, or, where none do in the end, when it hides nothing that they know. They are rough: something to start from
 * where there would be nothing. Memory: 8 bytes a point and view that sees it.
 */
export function coverHoles(captures: readonly Capture[], cloud: StereoCloud, options: CoverOptions = {}): StereoCloud {
  const { difference = 0.02 } = options
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
  const lattices = captures.map((capture, i) => latticeOf(capture, cells[i]!))
  let depths = lattices.map(noDepths)
  const covered: StereoCloud[] = []
  for (const { wider, agreed } of rounds) {
    const latest = covered.at(-1) ?? cloud
    depths = lattices.map((lattice, i) => withCloud(lattice, depths[i]!, latest))
    const clouds = [cloud, ...covered]
    const rasters = lattices.map((lattice, i) => rasterOf(lattice, depths[i]!, clouds))
    const grid = new VoxelGrid(edge)
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
  addCloud(grid, cloud)
  addCloud(grid, cover)
  const { positions, colors, normals } = cover
  const kept: number[] = []
  for (let i = 0; i < positions.length; i += 3) {
    if (grid.hasNeighboursAt(positions[i]!, positions[i + 1]!, positions[i + 2]!, company)) kept.push(i)
  }
  const pick = <T extends Float32Array | Uint8Array>(values: T, picked: T): T => {
    kept.forEach((from, i) => {
      for (let axis = 0; axis < 3; axis++) picked[3 * i + axis] = values[from + axis]!
    })
    return picked
  }
  const size = 3 * kept.length
  return {
    count: kept.length,
    positions: pick(positions, new Float32Array(size)),
    colors: pick(colors, new Uint8Array(size)),
    normals: pick(normals, new Float32Array(size)),
  }
}

function addHoles(
  grid: VoxelGrid,
  raster: Raster,
  rasters: readonly Raster[],
  difference: number,
  agreed: boolean,
): void {
  const { view, columns, rows, known, rho, colours } = raster
  const [[rx, ry, rz], [dx, dy, dz], [ax, ay, az]] = rotationOf(view)
  const [ox, oy, oz] = cameraCentre(view)
  const point = new Float64Array(pointSize)
  for (let at = 0; at < rows * columns; at++) {
    if (known[at] === 1 || !(rho[at]! > 0)) continue
    const [tx, ty] = rayOf(raster, at)
    const [fx, fy, fz] = [rx * tx + dx * ty + ax, ry * tx + dy * ty + ay, rz * tx + dz * ty + az]
    for (const part of agreed ? nearest : further) {
      const depth = 1 / (part * rho[at]!)
      const [x, y, z] = [ox + fx * depth, oy + fy * depth, oz + fz * depth]
      if (!isLikely(x, y, z, raster, rasters, difference, agreed)) continue
      const [nx, ny, nz] = normalAt(raster, at, tx, ty)
      point.set([x, y, z], 0)
      point.set(colours.subarray(3 * at, 3 * at + 3), 3)
      point.set([rx * nx + dx * ny + ax * nz, ry * nx + dy * ny + ay * nz, rz * nx + dz * ny + az * nz, 1], 6)
      grid.add(point, 1)
      break
    }
  }
}

/** The normal in the camera of the plane m . X = 1 whose inverse depth m . r at (x, y, 1) has the slopes of a cell. */
function normalAt({ view, cell, rho, slopeX, slopeY }: Raster, at: number, x: number, y: number) {
  const mx = (slopeX[at]! * view.fx) / cell
  const my = (slopeY[at]! * view.fy) / cell
  const mz = rho[at]! - mx * x - my * y
  const scale = -1 / Math.hypot(mx, my, mz)
  return [scale * mx, scale * my, scale * mz] as const
}

/** Whether other views have a surface at a point, or `agreed` not being asked for, none that it would hide. */
function isLikely(
  x: number,
  y: number,
  z: number,
  own: Raster,
  rasters: readonly Raster[],
  difference: number,
  agreed: boolean,
): boolean {
  let [agree, against, hides] = [0, 0, 0]
  for (const raster of rasters) {
    if (raster === own) continue
    const depth = depthIn(raster.view, x, y, z)
    const at = cellAt(raster, x, y, z, depth)
    if (at < 0) continue
    const there = raster.rho[at]!
    const rho = 1 / depth
    if (Math.abs(rho - there) <= difference * there) agree++
    else if (rho > there) {
      against++
      if (raster.known[at] === 1) hides++
    }
  }
  return agreed ? agree > 0 && agree >= 3 * against : agree >= hides
}
