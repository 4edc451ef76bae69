import { ProcessError } from '../errors.js'
import { findLag } from './correlate.js'

export interface Offsets {
  /** Whole frames by camera, as `ProcessOptions.offsets` has them. */
  readonly offsets: Record<string, number>
  /** What was found, a line a camera. */
  readonly lines: readonly string[]
}

/** Longest time between the starts of two recordings, seconds. */
const mostSeconds = 120

/**
 * Offsets of cameras to the first one, from a signal of each at `rate` samples a second (onsets of sound). Throws a
 * {@link ProcessError} that names cameras whose signal does not fit.
 */
export function offsetsOf(signals: ReadonlyMap<string, ArrayLike<number>>, rate: number, fps: number): Offsets {
  const [reference] = signals
  if (!reference) return { offsets: {}, lines: [] }
  const offsets: Record<string, number> = {}
  const lines: string[] = []
  const failed: string[] = []
  for (const [name, signal] of signals) {
    if (name === reference[0]) {
      offsets[name] = 0
      continue
    }
    const found = findLag(reference[1], signal, mostSeconds * rate, rate / 10)
    if (!found || found.score < 0.15 || found.score < 1.3 * found.next) {
      failed.push(`${name} (correlation ${(found?.score ?? 0).toFixed(2)}, elsewhere ${(found?.next ?? 0).toFixed(2)})`)
      continue
    }
    const frames = (found.lag / rate) * fps
    offsets[name] = Math.round(frames)
    lines.push(
      `${name}: ${frames.toFixed(2)} frames after ${reference[0]}, taken as ${offsets[name]} (correlation ${found.score.toFixed(2)})`,
    )
  }
  if (failed.length > 0)
    throw new ProcessError(
      `the sound of ${failed.join(', ')} does not fit that of ${reference[0]}; give offsets by --offsets instead`,
    )
  return { offsets, lines }
}

export interface Misfit {
  readonly camera: string
  /** Frames by which it is late against most of the others. */
  readonly frames: number
  readonly score: number
}

/**
 * Cameras whose motion comes earlier or later than that of the others. energies // for each camera, the mean absolute change
 * of the picture from frame to frame. How it rises and falls, each camera is compared with the mean of all others,
 * standardised, within `most` frames: how much moves differs between views, when it sets in does not. What fits nowhere (a
 * correlation below 0.5), or not better than in step by three standard errors of Fisher's transform, is not reported: of
 * few frames there is always one shift that fits by chance.
 */
export function findMisfits(energies: ReadonlyMap<string, ArrayLike<number>>, most = 5): Misfit[] {
  const names = [...energies.keys()]
  const signals = names.map((name) => standardised(steps(energies.get(name) ?? [])))
  const misfits: Misfit[] = []
  for (const [i, camera] of names.entries()) {
    const signal = signals[i]
    if (!signal || names.length < 3) continue
    const others = signals.filter((_, j) => j !== i)
    const mean = signal.map((_, t) => others.reduce((sum, other) => sum + (other[t] ?? 0), 0) / others.length)
    const found = findLag(mean, signal, most)
    const still = findLag(mean, signal, 0)
    if (!found || found.score < 0.5) continue
    const frames = Math.round(found.lag)
    const better = fisher(found.score) - fisher(still?.score ?? 0)
    const error = Math.sqrt(2 / Math.max(1, signal.length - Math.abs(frames) - 3))
    if (frames !== 0 && better > 3 * error) misfits.push({ camera, frames, score: found.score })
  }
  return misfits
}

/** Of a correlation, which rounding may take past 1. */
function fisher(score: number): number {
  return Math.atanh(Math.max(-0.9999, Math.min(0.9999, score)))
}

function steps(values: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: Math.max(0, values.length - 1) }, (_, i) => values[i + 1]! - values[i]!)
}

function standardised(values: ArrayLike<number>): Float64Array {
  const all = Float64Array.from(values)
  const mean = all.reduce((sum, value) => sum + value, 0) / Math.max(1, all.length)
  const deviation = Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, all.length))
  return all.map((value) => (deviation > 0 ? (value - mean) / deviation : 0))
}
