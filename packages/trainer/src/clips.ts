import { ArgumentError } from '@clipgstream/tensor'
import type { Config } from './config.js'

/** Frames [start, end) of a sequence. Clip 0 is the reference clip, the others are source clips. */
export interface Clip {
  index: number
  start: number
  end: number
}

/** Cuts `frames` frames into clips of `size`; the last one may be shorter. */
export function clipsOf(frames: number, size: number): Clip[] {
  if (!Number.isInteger(frames) || frames < 1)
    throw new ArgumentError('clipsOf', 'frames', frames, 'a positive integer')
  if (!Number.isInteger(size) || size < 1) throw new ArgumentError('clipsOf', 'size', size, 'a positive integer')
  return Array.from({ length: Math.ceil(frames / size) }, (_, index) => ({
    index,
    start: index * size,
    end: Math.min((index + 1) * size, frames),
  }))
}

/**
 * Time of `frame` inside its clip, in [0, 1): i / M. The original divides by the clip's own length F when it trains a
 * partial clip, and rounds that to a multiple of 1 / M when it renders; `quantized` repeats this.
 */
export function timeOf(frame: number, clip: Clip, clips: Config['clips'], use: 'training' | 'rendering'): number {
  const i = frame - clip.start
  if (clips.time === 'exact') return i / clips.size
  const trained = i / (clip.end - clip.start)
  return use === 'training' ? trained : Math.round(trained * clips.size) / clips.size
}

/** Number of steps a clip is trained for. */
export function stepsOf({ iterations, extraStep }: Config['optimizer']): number {
  return extraStep ? iterations + 1 : iterations
}
