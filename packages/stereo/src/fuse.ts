import { cameraCentre, rotationOf, type View } from '@clipgstream/camera'
import { ArgumentError } from '@clipgstream/tensor'
import { batch, pointSize, type VoxelGrid } from './grid.js'
import type { RgbPicture } from './pictures.js'

/** Points with colours and normals. */
export interface StereoCloud {
  readonly count: number
  /** [count, 3] world units */
  readonly positions: Float32Array
  /** [count, 3] 0 to 255 */
  readonly colors: Uint8Array
  /** [count, 3] unit vectors towards the cameras; zeros where they are not known */
  readonly normals: Float32Array
}

/**
 * Adds the surface of one view to a grid. fused // [H, W, 4] of the check of consistency; image // of the view's size.
 * Points weigh the number of views that agree over the squared size of a pixel on the surface. Returns how many there are.
 */
export function addSurface(grid: VoxelGrid, view: View, image: RgbPicture, fused: Float32Array): number {
  const { width, height, fx, fy, cx, cy } = view
  const { data } = image
  const [[rx, ry, rz], [dx, dy, dz], [ax, ay, az]] = rotationOf(view)
  const [ox, oy, oz] = cameraCentre(view)
  const points = new Float64Array(pointSize * width)
  let count = 0
  for (let y = 0, pixel = 0; y < height; y++) {
    let to = 0
    const py = y + 0.5 - cy
    for (let x = 0; x < width; x++, pixel++) {
      const at = 4 * pixel
      const support = fused[at + 3]!
      const rho = fused[at]!
      if (!(support > 0 && rho > 0)) continue
      const z = 1 / rho
      const px = x + 0.5 - cx
      const u = (px / fx) * z
      const v = (py / fy) * z
      const gx = fused[at + 1]!
      const gy = fused[at + 2]!
      const mx = gx * fx
      const my = gy * fy
      const mz = rho - gx * px - gy * py
      const scale = -1 / Math.hypot(mx, my, mz)
      const p = 3 * pixel
      points[to] = ox + rx * u + dx * v + ax * z
      points[to + 1] = oy + ry * u + dy * v + ay * z
      points[to + 2] = oz + rz * u + dz * v + az * z
      points[to + 3] = data[p]!
      points[to + 4] = data[p + 1]!
      points[to + 5] = data[p + 2]!
      points[to + 6] = scale * (rx * mx + dx * my + ax * mz)
      points[to + 7] = scale * (ry * mx + dy * my + ay * mz)
      points[to + 8] = scale * (rz * mx + dz * my + az * mz)
      points[to + 9] = ((support + 1) * fx * fy) / (z * z)
      to += pointSize
    }
    grid.add(points, to / pointSize)
    count += to / pointSize
  }
  return count
}

/** Adds the points of a cloud to a grid, all of the same weight. */
export function addCloud(grid: VoxelGrid, { count, positions, colors, normals }: StereoCloud): void {
  for (const [name, values] of Object.entries({ positions, colors, normals })) {
    if (values.length !== 3 * count) throw new ArgumentError('clouds', name, `${values.length} values`, `[${count}, 3]`)
  }
  const points = new Float64Array(pointSize * Math.min(batch, count))
  for (let first = 0; first < count; first += batch) {
    const last = Math.min(first + batch, count)
    for (let i = first, to = 0; i < last; i++, to += pointSize) {
      for (let axis = 0; axis < 3; axis++) {
        points[to + axis] = positions[3 * i + axis]!
        points[to + 3 + axis] = colors[3 * i + axis]!
        points[to + 6 + axis] = normals[3 * i + axis]!
      }
      points[to + 9] = 1
    }
    grid.add(points, last - first)
  }
}

/** One point a cell: the means of what fell into it. Cells with fewer than `minNeighbours` occupied around are left out. */
export function cloudOf(grid: VoxelGrid, minNeighbours = 0): StereoCloud {
  const kept = new Int32Array(grid.size)
  let count = 0
  for (let cell = 0; cell < grid.size; cell++) {
    if (grid.hasNeighbours(cell, minNeighbours)) kept[count++] = cell
  }
  const positions = new Float32Array(3 * count)
  const colors = new Uint8Array(3 * count)
  const normals = new Float32Array(3 * count)
  const { sums } = grid
  for (let i = 0; i < count; i++) {
    const at = pointSize * kept[i]!
    const weight = sums[at + 9]!
    const norm = Math.hypot(sums[at + 6]!, sums[at + 7]!, sums[at + 8]!)
    for (let axis = 0; axis < 3; axis++) {
      positions[3 * i + axis] = sums[at + axis]! / weight
      colors[3 * i + axis] = Math.round(sums[at + 3 + axis]! / weight)
      normals[3 * i + axis] = norm > 0 ? sums[at + 6 + axis]! / norm : 0
    }
  }
  return { count, positions, colors, normals }
}
