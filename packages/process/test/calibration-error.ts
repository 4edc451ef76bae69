import {
  type Camera,
  createLens,
  type Matrix3,
  matrixToQuaternion,
  normalizeQuaternion,
  quaternionToMatrix,
  rotationFromVector,
  scaleCamera,
  type Vec3,
} from '@clipgstream/camera'

export interface PlacedCamera {
  readonly name: string
  readonly camera: Camera
  /** [R | t], twelve numbers in row-major order. */
  readonly worldToCamera: readonly number[]
}

/** A point of the true surface and the cameras that see it. */
export interface SeenPoint {
  readonly position: Vec3
  readonly cameras: readonly string[]
}

export interface CameraError {
  readonly name: string
  /** Pixels of the found camera. */
  readonly median: number
  readonly p95: number
  /** Found focal length against the true one, minus 1. */
  readonly focal: number
  /** Distance of the centres in units of the true world. */
  readonly centre: number
  /** Degrees between the orientations. */
  readonly turn: number
}

export interface CalibrationError {
  readonly median: number
  readonly p95: number
  readonly cameras: readonly CameraError[]
}

/** x' = scale R x + t, from the true world to the found one. */
interface Similarity {
  readonly scale: number
  readonly rotation: Matrix3
  readonly translation: Vec3
}

interface Pair {
  readonly name: string
  readonly truth: PlacedCamera
  readonly found: PlacedCamera
  /** [n, 3] of the true world, and where the true camera sees them. */
  readonly points: readonly Vec3[]
  readonly pixels: readonly (readonly [number, number])[]
}

/**
 * Distances in pixels between points of the true surface seen by true cameras and seen by found ones, after the similarity
 * that makes them small (Huber at one pixel). True cameras of another size are scaled to the found ones.
 */
export function calibrationError(
  truth: readonly PlacedCamera[],
  points: readonly SeenPoint[],
  found: readonly PlacedCamera[],
): CalibrationError {
  const pairs = pairUp(truth, points, found)
  const similarity = refine(startOf(pairs), pairs)
  const all: number[] = []
  const cameras = pairs.map((pair): CameraError => {
    const errors = distances(pair, similarity)
    all.push(...errors)
    const [trueFocal, focal] = [pair.truth, pair.found].map(({ camera }) => camera.params[0] ?? Number.NaN)
    const c = apply(similarity, centreOf(pair.truth))
    const away = centreOf(pair.found).map((value, axis) => value - (c[axis] ?? 0))
    return {
      ...{ name: pair.name, median: quantile(errors, 0.5), p95: quantile(errors, 0.95) },
      focal: (focal ?? Number.NaN) / (trueFocal ?? Number.NaN) - 1,
      centre: Math.hypot(...away) / similarity.scale,
      turn: turnOf(pair, similarity.rotation),
    }
  })
  return { median: quantile(all, 0.5), p95: quantile(all, 0.95), cameras }
}

function pairUp(
  truth: readonly PlacedCamera[],
  points: readonly SeenPoint[],
  found: readonly PlacedCamera[],
): readonly Pair[] {
  return found.map((camera) => {
    const known = truth.find(({ name }) => name === camera.name)
    if (!known) throw new Error(`the truth has no camera ${camera.name}; it has ${truth.map(({ name }) => name)}`)
    const { width, height } = camera.camera
    const scaled = { ...known, camera: scaleCamera(known.camera, width, height) }
    const lens = createLens(scaled.camera)
    const seen = points.flatMap(({ position, cameras }) => {
      const pixel = cameras.includes(camera.name) ? lens.project(transform(known.worldToCamera, position)) : null
      return pixel ? [{ position, pixel }] : []
    })
    if (seen.length < 10) throw new Error(`${camera.name} sees ${seen.length} of the true points; 10 are needed`)
    return {
      ...{ name: camera.name, truth: scaled, found: camera },
      ...{ points: seen.map(({ position }) => position), pixels: seen.map(({ pixel }) => pixel) },
    }
  })
}

/** The mean of the cameras' turns; scale and shift of their centres. */
function startOf(pairs: readonly Pair[]): Similarity {
  const quaternions = pairs.map(({ truth, found }) =>
    matrixToQuaternion(product(transpose(rotation(found)), rotation(truth))),
  )
  const first = quaternions[0] ?? [1, 0, 0, 0]
  const mean = [0, 1, 2, 3].map((i) =>
    quaternions.reduce((sum, q) => {
      const sign = q.reduce((dot, value, k) => dot + value * (first[k] ?? 0), 0) < 0 ? -1 : 1
      return sum + sign * (q[i] ?? 0)
    }, 0),
  )
  const turn = quaternionToMatrix(normalizeQuaternion(mean))
  const from = pairs.map(({ truth }) => times(turn, centreOf(truth)))
  const to = pairs.map(({ found }) => centreOf(found))
  const [a, b] = [meanOf(from), meanOf(to)]
  let [cross, square] = [0, 0]
  for (const [i, p] of from.entries()) {
    for (const axis of [0, 1, 2] as const) {
      cross += (p[axis] - a[axis]) * ((to[i]?.[axis] ?? 0) - b[axis])
      square += (p[axis] - a[axis]) ** 2
    }
  }
  const scale = Math.max(cross / square, 1e-6)
  return { scale, rotation: turn, translation: [b[0] - scale * a[0], b[1] - scale * a[1], b[2] - scale * a[2]] }
}

/** Levenberg-Marquardt over seven parameters with numeric derivatives. */
function refine(start: Similarity, pairs: readonly Pair[]): Similarity {
  const thin = pairs.map((pair) => {
    const step = Math.ceil(pair.points.length / 200)
    const keep = (_: unknown, i: number) => i % step === 0
    return { ...pair, points: pair.points.filter(keep), pixels: pair.pixels.filter(keep) }
  })
  const residuals = (s: Similarity) => thin.flatMap((pair) => differences(pair, s).flat())
  const cost = (values: readonly number[]) => {
    let sum = 0
    for (let i = 0; i < values.length; i += 2) sum += huber(Math.hypot(values[i] ?? 0, values[i + 1] ?? 0))
    return sum
  }
  let best = start
  let values = residuals(best)
  let damping = 1e-3
  for (let round = 0; round < 60; round++) {
    const columns = Array.from({ length: 7 }, (_, k) => {
      const h = 1e-6
      const moved = residuals(nudged(best, k, h))
      return moved.map((value, i) => (value - (values[i] ?? 0)) / h)
    })
    const normal = columns.map(() => new Array<number>(8).fill(0))
    for (let i = 0; i < values.length; i += 2) {
      const weight = 1 / Math.max(1, Math.hypot(values[i] ?? 0, values[i + 1] ?? 0))
      for (const j of [i, i + 1])
        for (const [r, row] of normal.entries()) {
          const g = weight * (columns[r]?.[j] ?? 0)
          for (let c = 0; c < 7; c++) row[c]! += g * (columns[c]?.[j] ?? 0)
          row[7]! -= g * (values[j] ?? 0)
        }
    }
    const step = solve(normal.map((row, r) => row.map((v, c) => (r === c ? v * (1 + damping) : v))))
    const next = step.reduce((s, size, k) => nudged(s, k, size), best)
    const then = residuals(next)
    if (cost(then) < cost(values)) {
      const gain = 1 - cost(then) / cost(values)
      best = next
      values = then
      damping /= 4
      if (gain < 1e-9) break
    } else {
      damping *= 8
      if (damping > 1e12) break
    }
  }
  return best
}

/** The similarity after a small turn (0 to 2), shift (3 to 5; relative to the scale) or growth (6). */
function nudged(s: Similarity, k: number, size: number): Similarity {
  if (k < 3) {
    const vector: Vec3 = [k === 0 ? size : 0, k === 1 ? size : 0, k === 2 ? size : 0]
    return { ...s, rotation: product(s.rotation, rotationFromVector(vector)) }
  }
  if (k === 6) return { ...s, scale: s.scale * Math.exp(size) }
  const [x, y, z] = s.translation
  const by = size * s.scale
  return { ...s, translation: [x + (k === 3 ? by : 0), y + (k === 4 ? by : 0), z + (k === 5 ? by : 0)] }
}

const huber = (distance: number) => (distance < 1 ? distance * distance : 2 * distance - 1)

function differences({ found, points, pixels }: Pair, similarity: Similarity): (readonly [number, number])[] {
  const lens = createLens(found.camera)
  return points.map((point, i) => {
    const seen = lens.project(transform(found.worldToCamera, apply(similarity, point)))
    const [x, y] = pixels[i] ?? [0, 0]
    // Behind the camera or outside of its lens: far off.
    return seen ? [seen[0] - x, seen[1] - y] : [1e4, 1e4]
  })
}

const distances = (pair: Pair, s: Similarity) => differences(pair, s).map(([x, y]) => Math.hypot(x, y))

function turnOf({ truth, found }: Pair, between: Matrix3): number {
  const q = matrixToQuaternion(product(product(rotation(found), between), transpose(rotation(truth))))
  return (2 * Math.atan2(Math.hypot(q[1], q[2], q[3]), q[0]) * 180) / Math.PI
}

function rotation({ worldToCamera: m }: PlacedCamera): Matrix3 {
  return [
    [m[0]!, m[1]!, m[2]!],
    [m[4]!, m[5]!, m[6]!],
    [m[8]!, m[9]!, m[10]!],
  ]
}

function centreOf(camera: PlacedCamera): Vec3 {
  const { worldToCamera: m } = camera
  const [x, y, z] = times(transpose(rotation(camera)), [m[3]!, m[7]!, m[11]!])
  return [-x, -y, -z]
}

function transform(m: readonly number[], [x, y, z]: Vec3): Vec3 {
  const row = (r: number) => m[r]! * x + m[r + 1]! * y + m[r + 2]! * z + m[r + 3]!
  return [row(0), row(4), row(8)]
}

function apply({ scale, rotation: r, translation: [x, y, z] }: Similarity, point: Vec3): Vec3 {
  const [a, b, c] = times(r, point)
  return [scale * a + x, scale * b + y, scale * c + z]
}

function times([a, b, c]: Matrix3, p: Vec3): Vec3 {
  const dot = (row: Vec3) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]
  return [dot(a), dot(b), dot(c)]
}

function transpose([a, b, c]: Matrix3): Matrix3 {
  return [
    [a[0], b[0], c[0]],
    [a[1], b[1], c[1]],
    [a[2], b[2], c[2]],
  ]
}

function product(a: Matrix3, b: Matrix3): Matrix3 {
  const [x, y, z] = transpose(b)
  return transpose([times(a, x), times(a, y), times(a, z)])
}

function meanOf(points: readonly Vec3[]): Vec3 {
  const sum = (axis: 0 | 1 | 2) => points.reduce((total, p) => total + p[axis], 0) / points.length
  return [sum(0), sum(1), sum(2)]
}

/** Gaussian elimination with pivots of [A | b]. */
function solve(rows: readonly number[][]): number[] {
  const n = rows.length
  for (let k = 0; k < n; k++) {
    let pivot = k
    for (let r = k + 1; r < n; r++) if (Math.abs(rows[r]![k]!) > Math.abs(rows[pivot]![k]!)) pivot = r
    const [a, b] = [rows[k]!, rows[pivot]!]
    for (let c = 0; c <= n; c++) [a[c], b[c]] = [b[c]!, a[c]!]
    for (let r = 0; r < n; r++) {
      if (r === k) continue
      const factor = rows[r]![k]! / a[k]!
      for (let c = k; c <= n; c++) rows[r]![c]! -= factor * a[c]!
    }
  }
  return rows.map((row, k) => row[n]! / row[k]!)
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
