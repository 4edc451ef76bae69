// A scene that is known exactly: a textured floor, a wall behind and two spheres, ray-cast, seen by a ring of cameras.
import { cameraCentre, lookAt, rotationOf, type View } from '@clipgstream/camera'
import type { Capture } from '@clipgstream/stereo'

type Vector = readonly [number, number, number]

const spheres = [
  { centre: [0.5, 0.3, 0.6] as Vector, radius: 0.6, seed: 3 },
  { centre: [-0.9, -0.5, 0.45] as Vector, radius: 0.45, seed: 7 },
]
/** Radius of the cylinder behind everything. */
const wall = 4.5
export const sceneRadius = 3

interface Hit {
  distance: number
  point: Vector
  colour: Vector
}

/** Where a ray meets the scene first. */
function cast(origin: Vector, d: Vector): Hit {
  let distance = Number.POSITIVE_INFINITY
  let seed = 0
  if (d[2] < 0) {
    distance = -origin[2] / d[2]
    seed = 1
  }
  // The wall: from inside a cylinder around the z axis.
  const a = d[0] ** 2 + d[1] ** 2
  const b = origin[0] * d[0] + origin[1] * d[1]
  const c = origin[0] ** 2 + origin[1] ** 2 - wall ** 2
  const toWall = (-b + Math.sqrt(b * b - a * c)) / a
  if (toWall < distance) {
    distance = toWall
    seed = 2
  }
  for (const sphere of spheres) {
    const [ox, oy, oz] = [origin[0] - sphere.centre[0], origin[1] - sphere.centre[1], origin[2] - sphere.centre[2]]
    const half = ox * d[0] + oy * d[1] + oz * d[2]
    const rest = ox * ox + oy * oy + oz * oz - sphere.radius ** 2
    const root = half * half - rest
    if (root < 0) continue
    const near = -half - Math.sqrt(root)
    if (near > 0 && near < distance) {
      distance = near
      seed = sphere.seed
    }
  }
  const point: Vector = [origin[0] + distance * d[0], origin[1] + distance * d[1], origin[2] + distance * d[2]]
  return { distance, point, colour: texture(point, seed) }
}

/** Solid noise of three sizes, the finest about three pixels in a picture of 96. */
function texture(point: Vector, seed: number): Vector {
  const value = 0.5 * noise(point, 2, seed) + 0.3 * noise(point, 4.5, seed + 3) + 0.2 * noise(point, 9, seed + 5)
  const grey = 255 * Math.min(1, Math.max(0, 0.5 + 1.8 * (value - 0.5)))
  return [grey, 0.6 * grey + 40, 0.6 * grey + 60]
}

/** Trilinear value noise, in [0, 1]. */
function noise([x, y, z]: Vector, frequency: number, seed: number): number {
  const [i, j, k] = [Math.floor(x * frequency), Math.floor(y * frequency), Math.floor(z * frequency)]
  const [a, b, c] = [x * frequency - i, y * frequency - j, z * frequency - k]
  const line = (dj: number, dk: number) =>
    hash(i, j + dj, k + dk, seed) * (1 - a) + hash(i + 1, j + dj, k + dk, seed) * a
  const plane = (dk: number) => line(0, dk) * (1 - b) + line(1, dk) * b
  return plane(0) * (1 - c) + plane(1) * c
}

function hash(x: number, y: number, z: number, seed: number): number {
  let h = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca77) ^ Math.imul(z, 0xc2b2ae3d) ^ Math.imul(seed, 0x27d4eb2f)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39)
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32
}

/** Cameras on a ring of radius 3, 18 degrees apart, looking inwards and down. */
export function ring(count: number, width: number, height: number, step = 18): View[] {
  return Array.from({ length: count }, (_, i) => {
    const angle = (i * step * Math.PI) / 180
    const eye: Vector = [sceneRadius * Math.cos(angle), sceneRadius * Math.sin(angle), 1.6 + 0.2 * (i % 2)]
    const f = 0.9 * width
    return lookAt(eye, [0, 0, 0.5], [0, 0, 1], { width, height, fx: f, fy: f, cx: width / 2 + 1, cy: height / 2 - 1 })
  })
}

export interface Shot extends Capture {
  /** [height, width] along the optical axis */
  readonly depths: Float64Array
}

/** The picture of a view, four rays a pixel, and its exact depths. `contrast` 0 leaves nothing but grey. */
export function shoot(view: View, contrast = 1): Shot {
  const { width, height, fx, fy, cx, cy } = view
  const rows = rotationOf(view)
  const origin = cameraCentre(view)
  const ray = (u: number, v: number): Vector => {
    const [a, b] = [(u - cx) / fx, (v - cy) / fy]
    const norm = Math.sqrt(a * a + b * b + 1)
    const along = (i: 0 | 1 | 2) => (rows[0][i] * a + rows[1][i] * b + rows[2][i]) / norm
    return [along(0), along(1), along(2)]
  }
  const data = new Uint8Array(3 * width * height)
  const depths = new Float64Array(width * height)
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const { point } = cast(origin, ray(x + 0.5, y + 0.5))
      depths[pixel] = rows[2].reduce((sum, value, i) => sum + value * (point[i]! - origin[i]!), 0)
      for (let k = 0; k < 4; k++) {
        const { colour } = cast(origin, ray(x + 0.25 + 0.5 * (k & 1), y + 0.25 + 0.5 * (k >> 1)))
        for (let c = 0; c < 3; c++) data[3 * pixel + c]! += Math.floor((128 + contrast * (colour[c]! - 128)) / 4)
      }
    }
  }
  return { view, image: { width, height, data }, depths }
}

/** Distance of a point to the nearest surface. */
export function distanceToScene(x: number, y: number, z: number): number {
  const toSpheres = spheres.map(({ centre, radius }) =>
    Math.abs(Math.hypot(x - centre[0], y - centre[1], z - centre[2]) - radius),
  )
  return Math.min(Math.abs(z), Math.abs(wall - Math.hypot(x, y)), ...toSpheres)
}
