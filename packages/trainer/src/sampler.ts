import { createRandom } from '@clipgstream/tensor'

/**
 * What a step is shown: a frame of the sequence, and training cameras by their indices among these. They are different
 * unless the frame has images of fewer cameras than a step shows.
 */
export interface TrainingSample {
  frame: number
  cameras: readonly number[]
}

/**
 * The sample of every step: all images of all cameras and frames of a clip, shuffled anew each epoch, without replacement. With
 * several views a step, each epoch shuffles the cameras of each frame and cuts them into samples; the last of a frame is
 * filled up from its first cameras. A pure function of seed, clip and step, so that a run that resumes at a step sees the
 * same views.
 */
export interface Sampler {
  /** 0 where there are no images. */
  readonly epochLength: number
  at(step: number): TrainingSample
}

export interface SamplerOptions {
  seed: number
  clip: number
  cameras: number
  frames: { start: number; end: number }
  /** Views a step; at most as many as the cameras with an image of the frame that has most. */
  viewsPerStep: number
  /** Whether a camera has an image at a frame; every one at all when left out. */
  has?: (camera: number, frame: number) => boolean
  /** Show the last sample of each epoch twice. */
  repeatLast: boolean
}

export function createSampler(options: SamplerOptions): Sampler {
  const { seed, clip, cameras, frames, has = () => true, repeatLast } = options
  const all = Array.from({ length: cameras }, (_, camera) => camera)
  const seen = Array.from({ length: frames.end - frames.start }, (_, i) => ({
    frame: frames.start + i,
    own: all.filter((camera) => has(camera, frames.start + i)),
  }))
  const most = Math.max(...seen.map(({ own }) => own.length))
  const viewsPerStep = Math.max(1, Math.min(options.viewsPerStep, most))
  const samples = seen.reduce((sum, { own }) => sum + Math.ceil(own.length / viewsPerStep), 0)
  const epochLength = samples + (repeatLast && samples > 0 ? 1 : 0)

  const shuffled = (epoch: number): TrainingSample[] => {
    const random = createRandom(seedFor('views', seed, clip, epoch))
    const list: TrainingSample[] = []
    if (viewsPerStep === 1) {
      for (const camera of all)
        for (const { frame, own } of seen) if (own.includes(camera)) list.push({ frame, cameras: [camera] })
    } else {
      for (const { frame, own } of seen) {
        const order = random.shuffle([...own])
        for (let i = 0; i < order.length; i += viewsPerStep) {
          const some = Array.from({ length: viewsPerStep }, (_, k) => order[(i + k) % order.length]!)
          list.push({ frame, cameras: some })
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
