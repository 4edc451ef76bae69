// COLMAP's projections, each written out on its own as its documentation gives them.
import type { CameraModelName } from '@clipgstream/camera'

type Projection = (p: readonly number[], x: number, y: number, z: number) => [number, number]

const polynomial = (s: number, ...k: number[]) => k.reduce((sum, value, i) => sum + value * s ** (i + 1), 0)

const fisheye =
  (take: (p: readonly number[]) => { f: [number, number]; c: [number, number]; k: number[] }): Projection =>
  (p, x, y, z) => {
    const { f, c, k } = take(p)
    const r = Math.sqrt(x * x + y * y)
    const theta = Math.PI / 2 - Math.atan(z / r)
    const bent = theta * (1 + polynomial(theta * theta, ...k))
    return [f[0] * (x / r) * bent + c[0], f[1] * (y / r) * bent + c[1]]
  }

export const projections: Record<CameraModelName, Projection> = {
  SIMPLE_PINHOLE: ([f, cx, cy], x, y, z) => [(f! * x) / z + cx!, (f! * y) / z + cy!],
  PINHOLE: ([fx, fy, cx, cy], x, y, z) => [(fx! * x) / z + cx!, (fy! * y) / z + cy!],
  SIMPLE_RADIAL: ([f, cx, cy, k], x, y, z) => projections.RADIAL([f!, cx!, cy!, k!, 0], x, y, z),
  RADIAL: ([f, cx, cy, k1, k2], x, y, z) => {
    const [u, v] = [x / z, y / z]
    const r2 = u ** 2 + v ** 2
    const radial = 1 + k1! * r2 + k2! * r2 ** 2
    return [f! * u * radial + cx!, f! * v * radial + cy!]
  },
  OPENCV: ([fx, fy, cx, cy, k1, k2, p1, p2], x, y, z) => {
    const [u, v] = [x / z, y / z]
    const r2 = u ** 2 + v ** 2
    const radial = 1 + k1! * r2 + k2! * r2 ** 2
    return [
      fx! * (u * radial + 2 * p1! * u * v + p2! * (r2 + 2 * u ** 2)) + cx!,
      fy! * (v * radial + p1! * (r2 + 2 * v ** 2) + 2 * p2! * u * v) + cy!,
    ]
  },
  FULL_OPENCV: ([fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, k5, k6], x, y, z) => {
    const [u, v] = [x / z, y / z]
    const r2 = u ** 2 + v ** 2
    const radial = (1 + k1! * r2 + k2! * r2 ** 2 + k3! * r2 ** 3) / (1 + k4! * r2 + k5! * r2 ** 2 + k6! * r2 ** 3)
    return [
      fx! * (u * radial + 2 * p1! * u * v + p2! * (r2 + 2 * u ** 2)) + cx!,
      fy! * (v * radial + p1! * (r2 + 2 * v ** 2) + 2 * p2! * u * v) + cy!,
    ]
  },
  FOV: ([fx, fy, cx, cy, omega], x, y, z) => {
    const [u, v] = [x / z, y / z]
    const r = Math.hypot(u, v)
    const factor = Math.atan(r * 2 * Math.tan(omega! / 2)) / (r * omega!)
    return [fx! * u * factor + cx!, fy! * v * factor + cy!]
  },
  OPENCV_FISHEYE: fisheye(([fx, fy, cx, cy, ...k]) => ({ f: [fx!, fy!], c: [cx!, cy!], k })),
  SIMPLE_RADIAL_FISHEYE: fisheye(([f, cx, cy, ...k]) => ({ f: [f!, f!], c: [cx!, cy!], k })),
  RADIAL_FISHEYE: fisheye(([f, cx, cy, ...k]) => ({ f: [f!, f!], c: [cx!, cy!], k })),
  THIN_PRISM_FISHEYE: ([fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, sx1, sy1], x, y, z) => {
    const r = Math.hypot(x, y)
    const theta = Math.atan2(r, z)
    const [u, v] = [(theta * x) / r, (theta * y) / r]
    const s = u ** 2 + v ** 2
    const radial = 1 + polynomial(s, k1!, k2!, k3!, k4!)
    return [
      fx! * (u * radial + 2 * p1! * u * v + p2! * (s + 2 * u ** 2) + sx1! * s) + cx!,
      fy! * (v * radial + p1! * (s + 2 * v ** 2) + 2 * p2! * u * v + sy1! * s) + cy!,
    ]
  },
}

/** Plausible parameters of every model for a 640 x 480 image. */
export const examples: Record<CameraModelName, number[]> = {
  SIMPLE_PINHOLE: [500, 331, 228],
  PINHOLE: [500, 510, 331, 228],
  SIMPLE_RADIAL: [500, 331, 228, -0.12],
  RADIAL: [500, 331, 228, -0.2, 0.05],
  OPENCV: [500, 510, 331, 228, -0.25, 0.08, 0.001, -0.002],
  OPENCV_FISHEYE: [300, 305, 331, 228, 0.02, -0.01, 0.003, -0.0005],
  FULL_OPENCV: [500, 510, 331, 228, 0.3, 0.1, 0.001, -0.002, 0.02, 0.5, 0.15, 0.03],
  FOV: [400, 405, 331, 228, 0.9],
  SIMPLE_RADIAL_FISHEYE: [300, 331, 228, -0.03],
  RADIAL_FISHEYE: [300, 331, 228, -0.03, 0.004],
  THIN_PRISM_FISHEYE: [300, 305, 331, 228, -0.03, 0.004, 0.001, -0.002, 0.001, -0.0004, 0.002, -0.001],
}
