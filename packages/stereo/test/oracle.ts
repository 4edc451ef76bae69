// Stereo in float64, as plain as its formulas.
import { rotationOf, type View } from '@clipgstream/camera'
import type { ConsistencySettings, Grey, PatchSettings } from '@clipgstream/stereo'

type Vector = readonly [number, number, number]

const worst = 2

function times(m: readonly (readonly number[])[], v: readonly number[]): Vector {
  const row = (i: number) => (m[i]?.[0] ?? 0) * v[0]! + (m[i]?.[1] ?? 0) * v[1]! + (m[i]?.[2] ?? 0) * v[2]!
  return [row(0), row(1), row(2)]
}

function transposed(m: readonly (readonly number[])[]): number[][] {
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => m[j]?.[i] ?? 0))
}

export function translationOf(view: View): Vector {
  return [view.worldToCamera[3]!, view.worldToCamera[7]!, view.worldToCamera[11]!]
}

/** The ray of depth 1 through a point of the picture (pixel (i, j) has its centre at (i + 0.5, j + 0.5)). */
export function rayOf(view: View, u: number, v: number): Vector {
  return [(u - view.cx) / view.fx, (v - view.cy) / view.fy, 1]
}

export function toWorld(view: View, point: Vector): Vector {
  const t = translationOf(view)
  return times(transposed(rotationOf(view)), [point[0] - t[0], point[1] - t[1], point[2] - t[2]])
}

export function toCamera(view: View, point: Vector): Vector {
  const t = translationOf(view)
  const p = times(rotationOf(view), point)
  return [p[0] + t[0], p[1] + t[1], p[2] + t[2]]
}

/** Where the plane of pixel (x, y) meets the ray through (u, v), in the camera. */
function pointOnPlane(view: View, plane: ArrayLike<number>, x: number, y: number, u: number, v: number): Vector {
  const rho = plane[0]! + plane[1]! * (u - x - 0.5) + plane[2]! * (v - y - 0.5)
  const [a, b] = rayOf(view, u, v)
  return [a / rho, b / rho, 1 / rho]
}

/** The vector m with m . X = 1 on the plane, in the camera: away from it. */
export function normalOf(view: View, plane: ArrayLike<number>, x: number, y: number): Vector {
  const [a, b] = rayOf(view, x + 0.5, y + 0.5)
  const mx = plane[1]! * view.fx
  const my = plane[2]! * view.fy
  return [mx, my, plane[0]! - mx * a - my * b]
}

function project(view: View, [x, y, z]: Vector): [number, number] {
  return [(view.fx * x) / z + view.cx, (view.fy * y) / z + view.cy]
}

function greyAt({ width, height, data }: Grey, x: number, y: number): number {
  return data[Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))]!
}

/** At array coordinates, the border repeated. */
function bilinear(image: Grey, u: number, v: number): number {
  const x = Math.min(image.width - 1, Math.max(0, u))
  const y = Math.min(image.height - 1, Math.max(0, v))
  const [left, top] = [Math.floor(x), Math.floor(y)]
  const [a, b] = [x - left, y - top]
  const row = (j: number) => greyAt(image, left, j) * (1 - a) + greyAt(image, left + 1, j) * a
  return row(top) * (1 - b) + row(top + 1) * b
}

/** The cost of the plane of one pixel, and the smaller of the two variances. */
export function matchCost(
  reference: { view: View; image: Grey },
  source: { view: View; image: Grey },
  plane: ArrayLike<number>,
  x: number,
  y: number,
  { samples = 5, spacing = 2, spatialDeviation = 1, greyDeviation = 16, minContrast = 1 }: PatchSettings,
): { cost: number; variance: number; border: number } {
  const half = (samples - 1) / 2
  const spatial = spatialDeviation * half * spacing
  const central = greyAt(reference.image, x, y)
  const triples: { weight: number; here: number; there: number }[] = []
  const place = (dx: number, dy: number) => {
    const point = pointOnPlane(reference.view, plane, x, y, x + dx + 0.5, y + dy + 0.5)
    const seen = toCamera(source.view, toWorld(reference.view, point))
    return seen[2] * Math.sign(point[2]) > 0 ? project(source.view, seen) : null
  }
  const centre = place(0, 0)
  if (!centre) return { cost: worst, variance: 0, border: 0 }
  const { width, height } = source.image
  const border = Math.min(centre[0] - 0.5, centre[1] - 0.5, width - 0.5 - centre[0], height - 0.5 - centre[1])
  for (let j = -half; j <= half; j++) {
    for (let i = -half; i <= half; i++) {
      const [dx, dy] = [i * spacing, j * spacing]
      const at = place(dx, dy)
      if (!at) return { cost: worst, variance: 0, border: 0 }
      const here = greyAt(reference.image, x + dx, y + dy)
      const weight = Math.exp(
        -(dx ** 2 + dy ** 2) / (2 * spatial ** 2) - (here - central) ** 2 / (2 * greyDeviation ** 2),
      )
      triples.push({ weight, here, there: bilinear(source.image, at[0] - 0.5, at[1] - 0.5) })
    }
  }
  const total = triples.reduce((sum, { weight }) => sum + weight, 0)
  const mean = (f: (triple: (typeof triples)[number]) => number) =>
    triples.reduce((sum, triple) => sum + triple.weight * f(triple), 0) / total
  const [mr, ms] = [mean(({ here }) => here), mean(({ there }) => there)]
  const vr = mean(({ here }) => (here - mr) ** 2)
  const vs = mean(({ there }) => (there - ms) ** 2)
  const variance = Math.min(vr, vs)
  if (border < 0 || variance < minContrast ** 2) return { cost: worst, variance, border }
  const covariance = mean(({ here, there }) => (here - mr) * (there - ms))
  return { cost: Math.min(worst, Math.max(0, 1 - covariance / Math.sqrt(vr * vs))), variance, border }
}

/** What the check of consistency says of one pixel: fused inverse depth and how many agree. */
export function consistencyOf(
  views: readonly View[],
  maps: readonly (readonly (readonly number[])[])[],
  reference: number,
  sources: readonly number[],
  x: number,
  y: number,
  { agree, maxCost, maxPixels, maxDepth, maxNormalAngle }: ConsistencySettings,
): { rho: number; count: number } {
  const view = views[reference]!
  const plane = maps[reference]![y * view.width + x]!
  let sum = plane[0]!
  let count = 0
  for (const source of plane[3]! < maxCost ? sources : []) {
    const other = views[source]!
    const world = toWorld(view, pointOnPlane(view, plane, x, y, x + 0.5, y + 0.5))
    const seen = toCamera(other, world)
    if (seen[2] <= 0) continue
    const [u, v] = project(other, seen)
    const [column, row] = [Math.floor(u), Math.floor(v)]
    if (column < 0 || row < 0 || column >= other.width || row >= other.height) continue
    const theirs = maps[source]![row * other.width + column]!
    if (!(theirs[3]! < maxCost)) continue
    const point = pointOnPlane(other, theirs, column, row, u, v)
    const back = toCamera(view, toWorld(other, point))
    if (point[2] <= 0 || back[2] <= 0) continue
    if (Math.abs(1 / back[2] - plane[0]!) > maxDepth * plane[0]!) continue
    const [bu, bv] = project(view, back)
    if (Math.hypot(bu - x - 0.5, bv - y - 0.5) > maxPixels) continue
    const a = times(transposed(rotationOf(view)), normalOf(view, plane, x, y))
    const b = times(transposed(rotationOf(other)), normalOf(other, theirs, column, row))
    const cosine = (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / (Math.hypot(...a) * Math.hypot(...b))
    if (cosine < Math.cos((maxNormalAngle * Math.PI) / 180)) continue
    sum += 1 / back[2]
    count++
  }
  return { rho: sum / (count + 1), count: count >= agree ? count : 0 }
}
