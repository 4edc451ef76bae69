import type { PointCloud } from '@clipgstream/io'
import type { Subject } from './subject.js'
import { type Lag, lags, type MotionMaps } from './sync.js'
import { type Greys, timeWindow } from './watch.js'

/** Points on each side of the volume in which motion is looked for, and levels of difference that are taken for noise. */
const side = 36
const noise = 10

/** How far each camera is behind the others; null where that cannot be told, and for cameras that are `distrusted`. */
export function compareTimes(
  subject: Subject,
  greys: readonly (Greys | null)[],
  cloud: PointCloud,
  distrusted: ReadonlySet<number>,
): (Lag | null)[] {
  const [from] = timeWindow(subject)
  const cameras = subject.cameras.map((camera, i): MotionMaps | null => {
    const own = distrusted.has(i) ? null : greys[i]
    const calibration = camera.calibration(from)
    return own && calibration ? { width: own.width, height: own.height, maps: motionMaps(own), calibration } : null
  })
  const { points, step } = volumeOf(cloud)
  return lags(cameras, points, step)
}

/** Difference from the median over time, in steps that saturate, smoothed over 3 x 3 pixels. */
function motionMaps({ width, height, frames }: Greys): (Uint8Array | null)[] {
  const usable = frames.map((frame) => (frame?.length === width * height && brightEnough(frame) ? frame : null))
  const there = usable.filter((frame) => frame !== null)
  const still = new Uint8Array(width * height)
  const values = new Uint8Array(there.length)
  for (let i = 0; i < still.length; i++) {
    there.forEach((frame, f) => {
      values[f] = frame[i] ?? 0
    })
    still[i] = values.sort()[there.length >> 1] ?? 0
  }
  return usable.map((frame) => {
    if (!frame) return null
    const map = new Uint8Array(still.length)
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        let sum = 0
        let count = 0
        for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
          for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
            sum += Math.min(60, Math.max(0, Math.abs(frame[v * width + u]! - still[v * width + u]!) - noise))
            count++
          }
        }
        map[y * width + x] = Math.min(255, (sum / count) * 8)
      }
    }
    return map
  })
}

/** A grid of points in the box that holds the middle 96 % of the cloud on each axis. */
function volumeOf({ positions, count }: PointCloud): { points: Float32Array; step: number } {
  const bounds = [0, 1, 2].map((axis) => {
    const values = Float32Array.from({ length: count }, (_, i) => positions[3 * i + axis]!).sort()
    return [values[Math.floor(count * 0.02)] ?? 0, values[Math.floor(count * 0.98)] ?? 0] as const
  })
  const longest = Math.max(...bounds.map(([low, high]) => high - low))
  const step = longest / side
  const counts = bounds.map(([low, high]) => Math.max(1, Math.round((high - low) / Math.max(step, 1e-9))))
  const [nx = 1, ny = 1, nz = 1] = counts
  const points = new Float32Array(nx * ny * nz * 3)
  let at = 0
  for (let i = 0; i < nx; i++) {
    for (let j = 0; j < ny; j++) {
      for (let k = 0; k < nz; k++) {
        for (const [axis, index] of [i, j, k].entries()) points[at++] = (bounds[axis]?.[0] ?? 0) + (index + 0.5) * step
      }
    }
  }
  return { points, step }
}

/** A black frame would be motion everywhere. */
function brightEnough(frame: Uint8Array): boolean {
  let sum = 0
  for (const value of frame) sum += value
  return sum > 6 * frame.length
}
