import { CameraError } from './errors.js'

/** The part of a pinhole camera that does not move: image size, focal lengths and principal point, all in pixels. */
export interface Intrinsics {
  /** Pixels. */
  readonly width: number
  readonly height: number
  /** Focal lengths in pixels. */
  readonly fx: number
  readonly fy: number
  /** Principal point in pixels. */
  readonly cx: number
  readonly cy: number
}

/**
 * What a kernel needs of a pinhole camera. COLMAP and OpenCV conventions: x right, y down, z forward; a world point X is
 * `R X + t` in the camera and lands at pixel coordinates `(fx x/z + cx, fy y/z + cy)`; pixel (i, j) has its centre at
 * (i + 0.5, j + 0.5).
 */
export interface View extends Intrinsics {
  /** Twelve numbers, the 3x4 matrix [R | t] in row-major order, world to camera. */
  readonly worldToCamera: readonly number[]
}

/** Throws a {@link CameraError} unless sizes are positive integers, focal lengths positive and everything is finite. */
export function checkIntrinsics({ width, height, fx, fy, cx, cy }: Intrinsics): void {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new CameraError(`image size must be positive integers, got ${width} x ${height}`)
  }
  if (!(fx > 0 && fy > 0 && Number.isFinite(fx) && Number.isFinite(fy))) {
    throw new CameraError(`focal lengths must be positive pixels, got ${fx}, ${fy}`)
  }
  if (!(Number.isFinite(cx) && Number.isFinite(cy))) {
    throw new CameraError(`the principal point must be finite pixels, got ${cx}, ${cy}`)
  }
}

/**
 * The view that sees the same in an image of `width` x `height` pixels. Each axis is scaled by the exact ratio of the
 * sizes, the principal point included, which is right for pixel centres at +0.5.
 */
export function scaleView<V extends Intrinsics>(view: V, width: number, height: number): V {
  const sx = width / view.width
  const sy = height / view.height
  const scaled = { ...view, width, height, fx: view.fx * sx, fy: view.fy * sy, cx: view.cx * sx, cy: view.cy * sy }
  checkIntrinsics(scaled)
  return scaled
}

/**
 * The view as the original implementation reads it: focal lengths of the full-size camera divided by `downsample` and
 * floored to whole pixels, the principal point at the centre of the image of `width` x `height` that was loaded.
 */
export function parityView<V extends Intrinsics>(
  view: V,
  { downsample = 1, width = view.width, height = view.height } = {},
): V {
  const floored = {
    ...view,
    width,
    height,
    fx: Math.floor(view.fx / downsample),
    fy: Math.floor(view.fy / downsample),
    cx: width / 2,
    cy: height / 2,
  }
  checkIntrinsics(floored)
  return floored
}

/** The pixel in whose square a world point lands, and its depth (z in the camera, world units); null outside of the image. */
export function pixelOf(
  { worldToCamera: m, fx, fy, cx, cy, width, height }: View,
  x: number,
  y: number,
  z: number,
): { readonly x: number; readonly y: number; readonly depth: number } | null {
  const depth = m[8]! * x + m[9]! * y + m[10]! * z + m[11]!
  if (!(depth > 0)) return null
  const u = Math.floor((fx * (m[0]! * x + m[1]! * y + m[2]! * z + m[3]!)) / depth + cx)
  const v = Math.floor((fy * (m[4]! * x + m[5]! * y + m[6]! * z + m[7]!)) / depth + cy)
  return u >= 0 && v >= 0 && u < width && v < height ? { x: u, y: v, depth } : null
}
