import type { View } from '@clipgstream/camera'
import type { ColmapModelName } from '../colmap/cameras.js'
import type { Vfs } from '../vfs/vfs.js'

export type ProblemCode =
  | 'no-model'
  | 'bad-model'
  | 'no-cameras'
  | 'unsupported-camera'
  | 'ambiguous-camera'
  | 'bad-name'
  | 'no-frames'
  | 'frame-numbers'
  | 'missing-image'
  | 'extra-image'
  | 'ambiguous-image'
  | 'wrong-size'
  | 'unreadable-image'
  | 'missing-mask'
  | 'missing-cloud'
  | 'extra-cloud'
  | 'bad-cloud'
  | 'partial-clip'
  | 'bad-meta'
  | 'bad-split'
  | 'fractional-focal'
  | 'missing-video'
  | 'camera-count'
  | 'uncalibrated'
  | 'assumed'
  | 'left-out'

/** Something about a dataset that its owner should know. */
export interface Problem {
  /** `error`: the dataset cannot be used as it is. `warning`: it can, but look. `note`: for information. */
  readonly severity: 'error' | 'warning' | 'note'
  readonly code: ProblemCode
  /** What is wrong, where, and what to do. */
  readonly message: string
  /** An error of this kind is passed over with `allowGaps`. */
  readonly gap?: boolean
}

export interface DatasetOptions {
  /** Frames of a clip. Default: that of `meta.json`, else 10. */
  readonly clipSize?: number
  /** Images are resized to ceil(width / downsample). Default 1. */
  readonly downsample?: number
  /** Test cameras by name or by index in the order of names. Default: those of `meta.json`, else by `hold`. */
  readonly testCameras?: readonly (string | number)[]
  /** Every hold-th camera, from the first, is a test camera. Default 10. */
  readonly hold?: number
  /** Focal lengths become floor(f / downsample), as in the original (for comparisons with it). Default false. */
  readonly flooredFocal?: boolean
  /**
   * Use only frames [first, end) of the sequence: others are not looked at and have no images. Clips keep their numbers;
   * `first` must begin a clip.
   */
  readonly frames?: readonly [first: number, end: number]
  /** Accept missing images and clouds: such views and clouds are null. Default false. */
  readonly allowGaps?: boolean
  /** Folder of the COLMAP model. Default `sparse/0`. */
  readonly sparse?: string
  /** Folder of the clips' clouds. Default `plys`. */
  readonly clouds?: string
}

export interface DatasetCamera {
  /** In the order of names. */
  readonly index: number
  /** Name of its images without folder and extension. */
  readonly name: string
  readonly model: ColmapModelName
  /** As the model says. */
  readonly sourceWidth: number
  readonly sourceHeight: number
  /** Pose and intrinsics at the size at which images are used. */
  readonly view: View
  readonly test: boolean
}

export interface DatasetFrame {
  /** Position in the sequence. */
  readonly index: number
  readonly folder: string
}

export interface DatasetClip {
  readonly index: number
  /** Frames [start, end). */
  readonly start: number
  readonly end: number
  /** Path of its points: of the whole scene for clip 0, of what is new for the others. */
  readonly cloud: string | null
  /** Path of its whole cloud before deduplication, where there is one. */
  readonly candidates: string | null
}

/** A multi-view sequence whose files have been found and paired; images are read when they are asked for. */
export interface Dataset {
  readonly name: string
  readonly vfs: Vfs
  readonly cameras: readonly DatasetCamera[]
  /** All frames of the sequence; `clips` say which of them are in use. */
  readonly frames: readonly DatasetFrame[]
  readonly clips: readonly DatasetClip[]
  readonly clipSize: number
  readonly downsample: number
  readonly trainCameras: readonly number[]
  readonly testCameras: readonly number[]
  /** Frames a second, where `meta.json` says so. */
  readonly fps: number | null
  /** Cameras move: each of `cameras` is one shot, with an image in some frames only. */
  readonly moving: boolean
  readonly problems: readonly Problem[]
  /** Path of an image, null where there is none. Indices as in `cameras` and `frames`. */
  imagePath(camera: number, frame: number): string | null
  /** Path of the mask of moving things, null where there is none. */
  maskPath(camera: number, frame: number): string | null
}
