import { type Camera, type CameraModel, cameraModel, isUndistorted, parametersOf } from './models.js'
import type { Vec3 } from './vector.js'

/**
 * A camera ready to project. A ray (x, y, z) first meets a plane at (a, b):
 *
 *     perspective   (x, y) / z
 *     fisheye       (x, y) theta / |(x, y)|, theta the angle to the optical axis
 *     fov           (x, y) / z atan(2 r tan(omega / 2)) / (r omega), r = |(x, y)| / z   (Devernay and Faugeras 2001)
 *
 * then, with s = a^2 + b^2, the polynomial of OpenCV bends it,
 *
 *     a' = a N(s) / D(s) + 2 p1 a b + p2 (s + 2 a^2) + sx1 s
 *     b' = b N(s) / D(s) + 2 p2 a b + p1 (s + 2 b^2) + sy1 s
 *
 * and the pixel is (fx a' + cx, fy b' + cy). The FOV formula is used as it stands where COLMAP has a truncated series
 * (omega below 0.01).
 */
export interface Lens {
  /** The pixel coordinates of a camera-space point, or null when no ray of it reaches the image plane. */
  project(point: Vec3): readonly [number, number] | null
  /**
   * The unit direction, in camera space, that is seen at a pixel coordinate; the inverse of `project` to 1e-9 pixels.
   * Null when no ray lands there: the pixel lies outside the region where the distortion can be inverted.
   */
  unproject(x: number, y: number): Vec3 | null
}

/** Bent coordinates and their Jacobian. */
interface Bent {
  a: number
  b: number
  aa: number
  ab: number
  ba: number
  bb: number
}

export function createLens(camera: Camera): Lens {
  const { fx, fy, cx, cy, k1, k2, k3, k4, k5, k6, p1, p2, sx1, sy1, omega } = parametersOf(camera)
  const { projection, name } = cameraModel(camera.model)
  const rational = name === 'FULL_OPENCV'
  const straight = isUndistorted(camera) || projection === 'fov'

  const bend = (a: number, b: number): Bent => {
    const s = a * a + b * b
    const d = rational ? 1 + s * (k4 + s * (k5 + s * k6)) : 1
    const dPrime = rational ? k4 + s * (2 * k5 + s * 3 * k6) : 0
    const n = 1 + s * (k1 + s * (k2 + s * (k3 + (rational ? 0 : s * k4))))
    const nPrime = k1 + s * (2 * k2 + s * (3 * k3 + (rational ? 0 : s * 4 * k4)))
    const radial = n / d
    const slope = (2 * (nPrime - radial * dPrime)) / d
    const mixed = slope * a * b + 2 * (p1 * a + p2 * b)
    return {
      a: a * radial + 2 * p1 * a * b + p2 * (s + 2 * a * a) + sx1 * s,
      b: b * radial + 2 * p2 * a * b + p1 * (s + 2 * b * b) + sy1 * s,
      aa: radial + slope * a * a + 2 * p1 * b + 6 * p2 * a + 2 * sx1 * a,
      ab: mixed + 2 * sx1 * b,
      ba: mixed + 2 * sy1 * a,
      bb: radial + slope * b * b + 2 * p2 * a + 6 * p1 * b + 2 * sy1 * b,
    }
  }

  return {
    project(point) {
      const plane = meetPlane(projection, omega, point)
      if (!plane) return null
      const { a, b } = straight ? { a: plane[0], b: plane[1] } : bend(...plane)
      return [fx * a + cx, fy * b + cy]
    },
    unproject(x, y) {
      const target = [(x - cx) / fx, (y - cy) / fy] as const
      const plane = straight ? target : invert(bend, ...target)
      return plane && leavePlane(projection, omega, ...plane)
    },
  }
}

/** {@link Lens.project} for a single point. */
export function project(camera: Camera, point: Vec3): readonly [number, number] | null {
  return createLens(camera).project(point)
}

/** {@link Lens.unproject} for a single pixel coordinate. */
export function unproject(camera: Camera, x: number, y: number): Vec3 | null {
  return createLens(camera).unproject(x, y)
}

function meetPlane(
  projection: CameraModel['projection'],
  omega: number,
  [x, y, z]: Vec3,
): readonly [number, number] | null {
  const r = Math.hypot(x, y)
  if (projection === 'fisheye') {
    if (r === 0) return z > 0 ? [0, 0] : null
    const factor = Math.atan2(r, z) / r
    return [x * factor, y * factor]
  }
  if (!(z > 0)) return null
  const factor = projection === 'fov' && omega !== 0 ? fovFactor(r / z, omega) : 1
  return [(x / z) * factor, (y / z) * factor]
}

function leavePlane(projection: CameraModel['projection'], omega: number, a: number, b: number): Vec3 | null {
  const r = Math.hypot(a, b)
  if (projection === 'fisheye') {
    if (r > Math.PI) return null
    const factor = r === 0 ? 1 : Math.sin(r) / r
    return [a * factor, b * factor, Math.cos(r)]
  }
  let factor = 1
  if (projection === 'fov' && omega !== 0 && r > 0) {
    if (Math.abs(r * omega) >= Math.PI / 2) return null
    factor = Math.tan(r * omega) / (2 * Math.tan(omega / 2) * r)
  }
  const norm = Math.hypot(a * factor, b * factor, 1)
  return [(a * factor) / norm, (b * factor) / norm, 1 / norm]
}

function fovFactor(r: number, omega: number): number {
  const c = 2 * Math.tan(omega / 2)
  return r === 0 ? c / omega : Math.atan(c * r) / (r * omega)
}

/** Newton's method with the exact Jacobian, halving steps that do not help. */
function invert(bend: (a: number, b: number) => Bent, x: number, y: number): readonly [number, number] | null {
  let [a, b] = [x, y]
  let at = bend(a, b)
  let error = Math.hypot(at.a - x, at.b - y)
  const goal = 1e-16 * Math.hypot(x, y)
  for (let iteration = 0; iteration < 100 && error > goal; iteration++) {
    const determinant = at.aa * at.bb - at.ab * at.ba
    const da = (at.bb * (at.a - x) - at.ab * (at.b - y)) / determinant
    const db = (at.aa * (at.b - y) - at.ba * (at.a - x)) / determinant
    let step = 1
    let next = bend(a - da, b - db)
    while (!(Math.hypot(next.a - x, next.b - y) < error) && step > 1e-4) {
      step /= 2
      next = bend(a - step * da, b - step * db)
    }
    const nextError = Math.hypot(next.a - x, next.b - y)
    if (!(nextError < error)) break
    a -= step * da
    b -= step * db
    at = next
    error = nextError
  }
  // Beyond a fold the polynomial turns the image over; rays may land here by the formula, but not in a lens.
  const upright = at.aa * at.bb - at.ab * at.ba > 0 && at.aa + at.bb > 0
  return upright && error <= 1e-12 * (1 + Math.hypot(x, y)) ? [a, b] : null
}
