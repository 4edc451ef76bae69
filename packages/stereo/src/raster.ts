import { cameraCentre, rotationOf, type Vec3, type View } from '@clipgstream/camera'
import type { StereoCloud } from './fuse.js'
import { fill, type Slopes } from './membrane.js'
import type { Capture } from './pictures.js'
import { selectInPlace } from './select.js'

/** The cells of a view, and how likely a surface goes on from one to the next. */
export interface Lattice {
  readonly view: View
  /** Pixels along a side of a cell. */
  readonly cell: number
  readonly columns: number
  readonly rows: number
  /** [rows, columns, 3] mean colours */
  readonly colours: Float64Array
  /** [rows, columns] weight of a cell and the one to its right, of a cell and the one below */
  readonly rightwards: Float64Array
  readonly downwards: Float64Array
}

/** Known cells have inverse depths of the cloud, the others what is interpolated between those. */
export interface Raster extends Lattice, Slopes {
  /** [rows, columns] world units^-1 */
  readonly rho: Float64Array
  /** [rows, columns] 1 where points of the cloud are seen */
  readonly known: Uint8Array
}

/** Difference of colours, 0 to 255, over which surfaces hardly go on. */
const colourDeviation = 12
/** Difference of inverse depths, in parts, of points on one surface. */
const alikeDepth = 0.05
/** Cosine of the angle between the normal and the ray: surfaces are not taken to be steeper. */
const leastCosine = 0.15

export function latticeOf({ view, image }: Capture, cell: number): Lattice {
  const [columns, rows] = [Math.ceil(view.width / cell), Math.ceil(view.height / cell)]
  const colours = coloursOf(image, cell, columns, rows)
  const weight = (a: number, b: number) => 1e-3 + Math.exp(-((colourDistance(colours, a, b) / colourDeviation) ** 2))
  const rightwards = new Float64Array(columns * rows)
  const downwards = new Float64Array(columns * rows)
  for (let at = 0; at < columns * rows; at++) {
    if ((at + 1) % columns !== 0) rightwards[at] = weight(at, at + 1)
    if (at + columns < columns * rows) downwards[at] = weight(at, at + columns)
  }
  return { view, cell, columns, rows, colours, rightwards, downwards }
}

/** What a view sees, by cells: the inverse depths in cell i are values[starts[i]] to values[starts[i + 1]]. */
export interface Depths {
  readonly starts: Int32Array
  readonly values: Float64Array
}

export function noDepths({ columns, rows }: Lattice): Depths {
  return { starts: new Int32Array(columns * rows + 1), values: new Float64Array() }
}

/** What a view sees of clouds, and what may be between that. Changes the order of depths within a cell. */
export function rasterOf(lattice: Lattice, { starts, values }: Depths, clouds: readonly StereoCloud[]): Raster {
  const size = lattice.columns * lattice.rows
  const floats = () => new Float64Array(size)
  const known = new Uint8Array(size)
  const raster = { ...lattice, rho: floats(), known, slopeX: floats(), slopeY: floats() }
  for (let at = 0; at < size; at++) {
    const [first, last] = [starts[at]!, starts[at + 1]! - 1]
    if (last <= first) continue
    // Not the very nearest, which may have strayed, and none that is alone: it would spread over all that is unknown.
    const chosen = selectInPlace(values, last - ((last - first) >> 2), first, last)
    let alike = 0
    for (let i = first; i <= last; i++) if (isAlike(values[i]!, chosen)) alike++
    if (alike < 2) continue
    raster.rho[at] = chosen
    raster.known[at] = 1
  }
  findSlopes(raster, clouds)
  fill(raster, raster.slopeX)
  fill(raster, raster.slopeY)
  fill(raster, raster.rho, raster)
  keepInRange(raster)
  return raster
}

/** Beyond the horizon of a plane there is nothing: inverse depth stays within the range of what is known. */
function keepInRange({ rho, known }: Raster): void {
  let [farthest, nearest] = [Number.POSITIVE_INFINITY, 0]
  for (let at = 0; at < rho.length; at++) {
    if (known[at] === 0) continue
    farthest = Math.min(farthest, rho[at]!)
    nearest = Math.max(nearest, rho[at]!)
  }
  if (nearest === 0) return
  for (let at = 0; at < rho.length; at++) rho[at] = Math.min(nearest, Math.max(farthest, rho[at]!))
}

function isAlike(rho: number, chosen: number): boolean {
  return Math.abs(rho - chosen) < alikeDepth * chosen
}

/** The slopes of known cells: inverse depth is linear over the picture of a plane, that of the mean normal. */
function findSlopes(raster: Raster, clouds: readonly StereoCloud[]): void {
  const { view, cell, rho, known, slopeX, slopeY } = raster
  const normals = new Float64Array(3 * rho.length)
  for (const cloud of clouds) {
    forSeen(raster, cloud, (at, depth, i) => {
      if (known[at] === 0 || !isAlike(1 / depth, rho[at]!)) return
      for (let axis = 0; axis < 3; axis++) normals[3 * at + axis] = normals[3 * at + axis]! + cloud.normals[i + axis]!
    })
  }
  const [right, down, forward] = rotationOf(view)
  for (let at = 0; at < rho.length; at++) {
    if (known[at] === 0) continue
    const [x, y] = rayOf(raster, at)
    const along = (axis: Vec3) =>
      axis[0] * normals[3 * at]! + axis[1] * normals[3 * at + 1]! + axis[2] * normals[3 * at + 2]!
    const [nx, ny, nz] = [along(right), along(down), along(forward)]
    const length = Math.hypot(nx, ny, nz) * Math.hypot(x, y, 1)
    if (length === 0) continue
    const scale = (cell * rho[at]!) / Math.min(nx * x + ny * y + nz, -leastCosine * length)
    slopeX[at] = (scale * nx) / view.fx
    slopeY[at] = (scale * ny) / view.fy
  }
}

/** x and y of the ray through the middle of a cell, its z being 1. */
export function rayOf({ view, cell, columns }: Lattice, at: number) {
  const u = Math.min(view.width, ((at % columns) + 0.5) * cell)
  const v = Math.min(view.height, (Math.floor(at / columns) + 0.5) * cell)
  return [(u - view.cx) / view.fx, (v - view.cy) / view.fy] as const
}

/** z of a point in a camera, world units. */
export function depthIn({ worldToCamera: m }: View, x: number, y: number, z: number): number {
  return m[8]! * x + m[9]! * y + m[10]! * z + m[11]!
}

/** The cell in which a view has a point of which the depth is known, or -1. */
export function cellAt({ view, cell, columns }: Lattice, x: number, y: number, z: number, depth: number): number {
  if (!(depth > 0)) return -1
  const { worldToCamera: m, fx, fy, cx, cy, width, height } = view
  const u = (fx * (m[0]! * x + m[1]! * y + m[2]! * z + m[3]!)) / depth + cx
  const v = (fy * (m[4]! * x + m[5]! * y + m[6]! * z + m[7]!)) / depth + cy
  if (!(u >= 0 && v >= 0 && u < width && v < height)) return -1
  return Math.floor(v / cell) * columns + Math.floor(u / cell)
}

/** Calls `visit` with the cell, the depth, and 3 times the number of each point that a view may see. */
function forSeen(lattice: Lattice, cloud: StereoCloud, visit: (at: number, depth: number, i: number) => void): void {
  const { count, positions, normals } = cloud
  const [cx, cy, cz] = cameraCentre(lattice.view)
  for (let i = 0; i < 3 * count; i += 3) {
    const x = positions[i]!
    const y = positions[i + 1]!
    const z = positions[i + 2]!
    // Surfaces that are seen from behind are hidden.
    if (normals[i]! * (cx - x) + normals[i + 1]! * (cy - y) + normals[i + 2]! * (cz - z) < 0) continue
    const depth = depthIn(lattice.view, x, y, z)
    const at = cellAt(lattice, x, y, z, depth)
    if (at >= 0) visit(at, depth, i)
  }
}

/** `depths` and those of the points of a cloud. */
export function withCloud(lattice: Lattice, depths: Depths, cloud: StereoCloud): Depths {
  const cells = new Int32Array(cloud.count)
  const found = new Float64Array(cloud.count)
  const counts = new Int32Array(lattice.columns * lattice.rows)
  let seen = 0
  forSeen(lattice, cloud, (at, depth) => {
    cells[seen] = at
    found[seen++] = 1 / depth
    counts[at] = counts[at]! + 1
  })
  const starts = new Int32Array(depths.starts.length)
  const values = new Float64Array(depths.values.length + seen)
  const next = new Int32Array(counts.length)
  for (let at = 0; at < counts.length; at++) {
    const [first, last] = [depths.starts[at]!, depths.starts[at + 1]!]
    values.set(depths.values.subarray(first, last), starts[at]!)
    next[at] = starts[at]! + last - first
    starts[at + 1] = next[at]! + counts[at]!
  }
  for (let i = 0; i < seen; i++) {
    const at = cells[i]!
    values[next[at]!] = found[i]!
    next[at] = next[at]! + 1
  }
  return { starts, values }
}

function colourDistance(colours: Float64Array, a: number, b: number): number {
  const difference = (c: number) => colours[3 * a + c]! - colours[3 * b + c]!
  return Math.hypot(difference(0), difference(1), difference(2))
}

function coloursOf({ width, data }: Capture['image'], cell: number, columns: number, rows: number): Float64Array {
  const sums = new Float64Array(3 * columns * rows)
  const counts = new Float64Array(columns * rows)
  const pixels = data.length / 3
  for (let pixel = 0, x = 0, y = 0; pixel < pixels; pixel++) {
    const at = Math.floor(y / cell) * columns + Math.floor(x / cell)
    for (let c = 0; c < 3; c++) sums[3 * at + c] = sums[3 * at + c]! + data[3 * pixel + c]!
    counts[at] = counts[at]! + 1
    if (++x === width) {
      x = 0
      y++
    }
  }
  for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! / counts[Math.floor(i / 3)]!
  return sums
}
