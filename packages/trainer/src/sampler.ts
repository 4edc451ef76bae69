import { createRandom } from '@clipgstream/tensor'

/** One training image: index of the camera among the training cameras, and the frame of the sequence. */
export interface TrainingView {
  camera: number
  frame: number
}

/**
 * The view of every step: all cameras times all frames of a clip, shuffled anew each epoch, without replacement. A pure
 * function of seed, clip and step, so that a run that resumes at a step sees the same views.
 */
export interface Sampler {
  readonly epochLength: number
  at(step: number): TrainingView
}

export interface SamplerOptions {
  seed: number
  clip: number
  cameras: number
  frames: { start: number; end: number }
  /** Show the last view of each epoch twice. */
  repeatLast: boolean
}

export function createSampler({ seed, clip, cameras, frames, repeatLast }: SamplerOptions): Sampler {
  const views: TrainingView[] = []
  for (let camera = 0; camera < cameras; camera++) {
    for (let frame = frames.start; frame < frames.end; frame++) views.push({ camera, frame })
  }
  const epochLength = views.length + (repeatLast ? 1 : 0)
  let known = -1
  let order: TrainingView[] = []
  return {
    epochLength,
    at(step) {
      const epoch = Math.floor(step / epochLength)
      if (epoch !== known) {
        order = createRandom(seedFor('views', seed, clip, epoch)).shuffle([...views])
        known = epoch
      }
      return order[Math.min(step % epochLength, views.length - 1)]!
    },
  }
}

const purposes = { views: 1, field: 2, decoders: 3, growth: 4 }

/** A seed for one purpose, mixed from the run's seed and up to two further numbers. */
export function seedFor(purpose: keyof typeof purposes, seed: number, a = 0, b = 0): number {
  return [purposes[purpose], a, b].reduce(
    (state, value) => Math.imul(state ^ (value + 0x9e3779b9), 0x85ebca6b) ^ (state >>> 13),
    seed | 0,
  )
}
