import { type Camera, createLens, isUndistorted, parametersOf } from '@clipgstream/camera'
import type { CaptureCalibration } from '@clipgstream/io'

/** Points in an image: u and v in shares of its width and height, and the depth; u is NaN for points that are not in it. */
export interface Projected {
  /** [N, 3] u, v, depth */
  readonly values: Float32Array
  readonly inside: number
}

/** positions // [N, 3] world units */
export function projectPoints({ camera, worldToCamera: m }: CaptureCalibration, positions: Float32Array): Projected {
  const count = positions.length / 3
  const values = new Float32Array(count * 3)
  const toPixel = pixelOf(camera)
  const { width, height } = camera
  let inside = 0
  for (let i = 0; i < count; i++) {
    const [x, y, z] = [positions[3 * i]!, positions[3 * i + 1]!, positions[3 * i + 2]!]
    const depth = m[8]! * x + m[9]! * y + m[10]! * z + m[11]!
    values[3 * i] = Number.NaN
    values[3 * i + 2] = depth
    if (!(depth > 1e-6)) continue
    const right = (m[0]! * x + m[1]! * y + m[2]! * z + m[3]!) / depth
    const down = (m[4]! * x + m[5]! * y + m[6]! * z + m[7]!) / depth
    const pixel = toPixel(right, down)
    if (!pixel || !(pixel[0] >= 0 && pixel[0] < width && pixel[1] >= 0 && pixel[1] < height)) continue
    values[3 * i] = pixel[0] / width
    values[3 * i + 1] = pixel[1] / height
    inside++
  }
  return { values, inside }
}

/** Focal length of a camera in pixels of an image of this width. */
export function focalAt(camera: Camera, width: number): number {
  return (parametersOf(camera).fx * width) / camera.width
}

/** From the plane at depth 1 to pixels; null for rays that the lens does not show. */
function pixelOf(camera: Camera): (x: number, y: number) => readonly [number, number] | null {
  const { fx, fy, cx, cy } = parametersOf(camera)
  if (isUndistorted(camera)) return (x, y) => [fx * x + cx, fy * y + cy]
  const lens = createLens(camera)
  // Beyond the corners the polynomial may fold rays back into the image.
  const { width, height } = camera
  let most = 0
  for (let i = 0; i < 8; i++) {
    for (const [x, y] of [
      [(i * width) / 8, 0],
      [width, (i * height) / 8],
      [width - (i * width) / 8, height],
      [0, height - (i * height) / 8],
    ] as const) {
      const ray = lens.unproject(x, y)
      if (ray && ray[2] > 0) most = Math.max(most, Math.hypot(ray[0], ray[1]) / ray[2])
    }
  }
  return (x, y) => (Math.hypot(x, y) > most * 1.02 ? null : lens.project([x, y, 1]))
}
