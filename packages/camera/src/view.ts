/**
 * What a kernel needs of a pinhole camera. COLMAP and OpenCV conventions: x right, y down, z forward; a world point X is
 * `R X + t` in the camera and lands at pixel coordinates `(fx x/z + cx, fy y/z + cy)`; pixel (i, j) has its centre at
 * (i + 0.5, j + 0.5).
 */
export interface View {
  /** Pixels. */
  readonly width: number
  readonly height: number
  /** Focal lengths in pixels. */
  readonly fx: number
  readonly fy: number
  /** Principal point in pixels. */
  readonly cx: number
  readonly cy: number
  /** Twelve numbers, the 3x4 matrix [R | t] in row-major order, world to camera. */
  readonly worldToCamera: readonly number[]
}
