import type { CaptureCalibration } from '@clipgstream/io'
import { projectPoints } from './project.js'
import { correlation, mean } from './statistics.js'

/** What moves in the images of one camera. */
export interface MotionMaps {
  readonly width: number
  readonly height: number
  /** By frame of the window; [height, width] 0 stands still to 255 moves; null without an image. */
  readonly maps: readonly (Uint8Array | null)[]
  readonly calibration: CaptureCalibration
}

export interface Lag {
  /** Frames by which this camera is behind the others; negative: ahead. */
  readonly lag: number
  /** Correlation of what moves in this camera with what moves in the others, at that lag and as the files are. */
  readonly best: number
  readonly now: number
  /** Points of space that took part. */
  readonly points: number
}

export const mostLag = 3
/** Gain in correlation from which another lag is believed, and the least correlation. */
const lagMargin = 0.02
const lagCorrelation = 0.1

/** Whether another lag fits so much better that it is worth a look. */
export function isBehind({ lag, best, now }: Lag): boolean {
  return lag !== 0 && best - now >= lagMargin && best >= lagCorrelation
}

const mostPoints = 1500
const leastPoints = 30
const leastFrames = 4
/** Shorter sequences fit some other lag by chance. */
const leastWindow = 16

/**
 * How far behind the others each camera is. Points of space through which something passes are found by the cameras
 * together, as where nearly all that see them see motion; when it passes in one camera is then compared with when it passes
 * in the others, at each lag. Null for cameras that see too little of it. volume // [N, 3] a grid of points to try, `step` apart
 */
export function lags(cameras: readonly (MotionMaps | null)[], volume: Float32Array, step: number): (Lag | null)[] {
  const frames = cameras.find((camera) => camera)?.maps.length ?? 0
  if (frames < leastWindow) return cameras.map(() => null)
  const coarse = cameras.map((camera) => camera && samples(camera, volume, frames))
  const fine = refine(volume, chooseVarying(coarse, volume.length / 3, frames, mostPoints / 4), step)
  const series = cameras.map((camera) => camera && samples(camera, fine, frames))
  const points = chooseVarying(series, fine.length / 3, frames, mostPoints)
  const others = new Float32Array(cameras.length)
  return series.map((own, index) => {
    if (!own) return null
    const rows: { mine: number[]; theirs: number[] }[] = []
    for (const point of points) {
      const mine = own.get(point)
      if (!mine) continue
      const theirs: number[] = []
      for (let frame = 0; frame < frames; frame++) {
        let seen = 0
        series.forEach((other, i) => {
          const value = i === index ? undefined : other?.get(point)?.[frame]
          if (value !== undefined && value >= 0) others[seen++] = value
        })
        theirs.push(seen >= 3 ? agreed(others, seen) : Number.NaN)
      }
      if (theirs.every((value) => !Number.isNaN(value))) rows.push({ mine: [...mine], theirs })
    }
    return rows.length < leastPoints ? null : bestLag(rows, frames)
  })
}

function bestLag(rows: readonly { mine: number[]; theirs: number[] }[], frames: number): Lag | null {
  const at = (lag: number): number => {
    const [a, b]: [number[], number[]] = [[], []]
    // The same frames of the others for every lag.
    for (const { mine, theirs } of rows) {
      const middle = theirs.slice(mostLag, frames - mostLag)
      const moved = mine.slice(mostLag + lag, frames - mostLag + lag)
      // Frames without an image take no part.
      const there = [...moved.keys()].filter((i) => moved[i]! >= 0)
      if (there.length < leastFrames) continue
      const [ma, mb] = [mean(there.map((i) => middle[i]!)), mean(there.map((i) => moved[i]!))]
      for (const i of there) {
        a.push(middle[i]! - ma)
        b.push(moved[i]! - mb)
      }
    }
    return correlation(a, b)
  }
  let best = { lag: 0, value: at(0) }
  const now = best.value
  for (let lag = -mostLag; lag <= mostLag; lag++) {
    const value = at(lag)
    if (value > best.value) best = { lag, value }
  }
  return { lag: best.lag, best: best.value, now, points: rows.length }
}

/** Values over time by point, for the points that the camera sees; -1 where there is no image. */
function samples(camera: MotionMaps, volume: Float32Array, frames: number): Map<number, Int16Array> {
  const { width, height, maps, calibration } = camera
  const { values } = projectPoints(calibration, volume)
  const found = new Map<number, Int16Array>()
  for (let i = 0; i < values.length / 3; i++) {
    const [u, v] = [values[3 * i]!, values[3 * i + 1]!]
    if (Number.isNaN(u)) continue
    const at = Math.floor(v * height) * width + Math.floor(u * width)
    found.set(
      i,
      Int16Array.from({ length: frames }, (_, frame) => maps[frame]?.[at] ?? -1),
    )
  }
  return found
}

/** What nearly all see: the value that a quarter of them are below. */
function agreed(values: Float32Array, count: number): number {
  return values.subarray(0, count).sort()[count >> 2]!
}

/** The points in which what moves changes most over time. */
function chooseVarying(
  series: readonly (Map<number, Int16Array> | null)[],
  count: number,
  frames: number,
  most: number,
): number[] {
  const scores: { point: number; score: number }[] = []
  const values = new Float32Array(series.length)
  for (let point = 0; point < count; point++) {
    let [low, high] = [255, 0]
    for (let frame = 0; frame < frames; frame++) {
      let seen = 0
      for (const own of series) {
        const value = own?.get(point)?.[frame]
        if (value !== undefined && value >= 0) values[seen++] = value
      }
      if (seen < 4) continue
      const value = agreed(values, seen)
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
    if (high - low > 20) scores.push({ point, score: high - low })
  }
  scores.sort((a, b) => b.score - a.score || a.point - b.point)
  return scores.slice(0, most).map(({ point }) => point)
}

/** 27 points in the place of each of these. */
function refine(volume: Float32Array, points: readonly number[], step: number): Float32Array {
  const fine = new Float32Array(points.length * 81)
  let at = 0
  for (const point of points) {
    for (let i = 0; i < 27; i++) {
      const offsets = [i % 3, Math.floor(i / 3) % 3, Math.floor(i / 9)]
      for (const [axis, offset] of offsets.entries()) fine[at++] = volume[3 * point + axis]! + ((offset - 1) * step) / 3
    }
  }
  return fine
}
