import type { View } from '@clipgstream/camera'
import type { Clip } from './clips.js'

export interface TrainingCamera {
  name: string
  view: View
  /** Held out: measured, never trained on. */
  test: boolean
}

/** What training needs of a dataset. `trainingData` makes one of a dataset in the clip-stream layout. */
export interface TrainingData {
  readonly cameras: readonly TrainingCamera[]
  /** Frames of the sequence. */
  readonly frames: number
  /** All full but for the last; `clipsOf` cuts a sequence from its first frame on. */
  readonly clips: readonly Clip[]
  /** Says which data these are: a run goes on only with the data that it began with, to which frames may be added. */
  readonly fingerprint: string
  /** Whether there is an image; of every camera at every frame when left out. */
  has?(camera: number, frame: number): boolean
  /** The image as sRGB bytes // [height, width, 3] */
  image(camera: number, frame: number): Promise<Uint8Array>
  /** Says which images come next. */
  prefetch?(views: readonly { camera: number; frame: number }[]): void
  /** Points of `plys/<clip>.ply` // [n, 3], or null when there is no such file. */
  cloud(clip: number): Promise<Float32Array | null>
}
