import { createRandom } from '@clipgstream/tensor'

/** What a step is shown: a frame of the sequence, and different training cameras by their indices among these. */
export interface TrainingSample {
  frame: number
  cameras: readonly number[]
}

/**
 * The sample of every step: all cameras times all frames of a clip, shuffled anew each epoch, without replacement. With
 * several views a step, each epoch shuffles the cameras of each frame and cuts them into samples; the last of a frame is
 * filled up from its first cameras. A pure function of seed, clip and step, so that a run that resumes at a step sees the
 * same views.
 */
export interface Sampler {
  readonly epochLength: number
  at(step: number): TrainingSample
}

export interface SamplerOptions {
  seed: number
  clip: number
  cameras: number
  frames: { start: number; end: number }
  /** Views a step; as many as there are cameras at most. */
  viewsPerStep: number
  /** Show the last sample of each epoch twice. */
  repeatLast: boolean
}

export function createSampler(options: SamplerOptions): Sampler {
  const { seed, clip, cameras, frames, repeatLast } = options
  const viewsPerStep = Math.max(1, Math.min(options.viewsPerStep, cameras))
  const samples = (frames.end - frames.start) * Math.ceil(cameras / viewsPerStep)
  const epochLength = samples + (repeatLast ? 1 : 0)
  const all = Array.from({ length: cameras }, (_, camera) => camera)

  const shuffled = (epoch: number): TrainingSample[] => {
    const random = createRandom(seedFor('views', seed, clip, epoch))
    const list: TrainingSample[] = []
    if (viewsPerStep === 1) {
      for (const camera of all)
        for (let frame = frames.start; frame < frames.end; frame++) list.push({ frame, cameras: [camera] })
    } else {
      for (let frame = frames.start; frame < frames.end; frame++) {
        const order = random.shuffle([...all])
        for (let i = 0; i < cameras; i += viewsPerStep) {
          const few = order.slice(i, i + viewsPerStep)
          list.push({ frame, cameras: [...few, ...order.slice(0, viewsPerStep - few.length)] })
        }
      }
    }
    return random.shuffle(list)
  }
  // The running epoch and the next one, into which those look that load ahead.
  const known = new Map<number, TrainingSample[]>()
  const epochOf = (epoch: number): TrainingSample[] => {
    let order = known.get(epoch)
    if (!order) {
      order = shuffled(epoch)
      for (const other of known.keys()) if (Math.abs(other - epoch) > 1) known.delete(other)
      known.set(epoch, order)
    }
    return order
  }
  return {
    epochLength,
    at: (step) => epochOf(Math.floor(step / epochLength))[Math.min(step % epochLength, samples - 1)]!,
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
