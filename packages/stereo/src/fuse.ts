import { cameraCentre, rotationOf, type View } from '@clipgstream/camera'
import type { VoxelGrid } from './grid.js'
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
  const [right, down, forward] = rotationOf(view)
  const centre = cameraCentre(view)
  let count = 0
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const at = 4 * pixel
      const support = fused[at + 3]!
      const rho = fused[at]!
      if (!(support > 0 && rho > 0)) continue
      count++
      const z = 1 / rho
      const [px, py] = [x + 0.5 - cx, y + 0.5 - cy]
      const [u, v] = [(px / fx) * z, (py / fy) * z]
      const [gx, gy] = [fused[at + 1]!, fused[at + 2]!]
      const [mx, my, mz] = [gx * fx, gy * fy, rho - gx * px - gy * py]
      const scale = -1 / Math.hypot(mx, my, mz)
      const weight = ((support + 1) * fx * fy) / (z * z)
      const p = 3 * pixel
      grid.add(
        centre[0] + right[0] * u + down[0] * v + forward[0] * z,
        centre[1] + right[1] * u + down[1] * v + forward[1] * z,
        centre[2] + right[2] * u + down[2] * v + forward[2] * z,
        image.data[p]!,
        image.data[p + 1]!,
        image.data[p + 2]!,
        scale * (right[0] * mx + down[0] * my + forward[0] * mz),
        scale * (right[1] * mx + down[1] * my + forward[1] * mz),
        scale * (right[2] * mx + down[2] * my + forward[2] * mz),
        weight,
      )
    }
  }
  return count
}

/** One point a cell: the means of what fell into it. Cells with fewer than `minNeighbours` occupied around are left out. */
export function cloudOf(grid: VoxelGrid, minNeighbours = 0): StereoCloud {
  const kept: number[] = []
  for (let cell = 0; cell < grid.size; cell++) {
    if (minNeighbours === 0 || grid.neighboursOf(cell) >= minNeighbours) kept.push(cell)
  }
  const positions = new Float32Array(3 * kept.length)
  const colors = new Uint8Array(3 * kept.length)
  const normals = new Float32Array(3 * kept.length)
  kept.forEach((cell, i) => {
    const sums = grid.sumsOf(cell)
    const weight = sums[0]!
    const norm = Math.hypot(sums[7]!, sums[8]!, sums[9]!)
    for (let axis = 0; axis < 3; axis++) {
      positions[3 * i + axis] = sums[1 + axis]! / weight
      colors[3 * i + axis] = Math.round(sums[4 + axis]! / weight)
      normals[3 * i + axis] = norm > 0 ? sums[7 + axis]! / norm : 0
    }
  })
  return { count: kept.length, positions, colors, normals }
}
