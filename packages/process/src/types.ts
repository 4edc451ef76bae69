import type { Camera } from '@clipgstream/camera'
import type { CaptureKind, TestRule } from '@clipgstream/io'
import type { DeviceName } from '@clipgstream/tensor'

/** In this order. */
export const stepNames = ['frames', 'cameras', 'images', 'points', 'clouds', 'dataset'] as const
export type StepName = (typeof stepNames)[number]

/** Where the points of a frame come from. */
export const cloudSources = ['auto', 'fused', 'stereo', 'given', 'sparse', 'random'] as const
export type CloudSource = (typeof cloudSources)[number]

export interface ProcessOptions {
  /** The layout of the source, instead of what is detected. */
  readonly kind?: CaptureKind
  /** Where the calibration's pixels have their centres; default: what the layout does. */
  readonly pixelCentres?: 'half' | 'integer'
  /** Name of the folder of masks beside that of the images. */
  readonly masks?: string
  /** Which cameras are kept for testing. Default: the source's own, else every 10th. */
  readonly test?: TestRule
  /** Frames of a clip. Default 10. */
  readonly clipSize?: number

  /** Frames [first, end) on the common time line, before `every` or `fps` thins them out. Default all. */
  readonly frames?: readonly [first: number, end: number]
  /** Every n-th frame. Default 1. */
  readonly every?: number
  /** Frames a second of the dataset; not more than the videos have. Default: theirs. */
  readonly fps?: number
  /** For each camera the number of its frame that shows what frame 0 of the others shows. Default 0. */
  readonly offsets?: Readonly<Record<string, number>>
  /** Finds the offsets by the sound of the videos. */
  readonly alignAudio?: boolean
  /** Looks for cameras whose motion comes earlier or later than that of the others, and says so; nothing is shifted. */
  readonly checkAlignment?: boolean
  /**
   * Cameras with different numbers of frames: `refuse`; `shortest` takes what all have; `gaps` takes what any has and leaves
   * images out. Default `refuse`.
   */
  readonly lengths?: 'refuse' | 'shortest' | 'gaps'
  /** A video that is cut off or damaged: `refuse`, or `keep` the frames before the damage. Default `refuse`. */
  readonly damaged?: 'refuse' | 'keep'

  /** Compute cameras with COLMAP, although the source has a calibration. */
  readonly calibrate?: 'colmap'
  readonly colmap?: ColmapOptions
  /** Moments of which COLMAP gets the images; all of a camera's share one pose and one lens. Default 1. */
  readonly colmapFrames?: number
  /** Share of blank pixels in undistorted images, 0 to 1. Default 0. */
  readonly blankPixels?: number
  /** Divides the size of the images. Default 1. */
  readonly downscale?: number
  /** Default jpg. */
  readonly format?: 'jpg' | 'png'
  /** Of JPEG files, 1 to 100. Default 95. */
  readonly quality?: number

  /**
   * `fused`: COLMAP's `frameNNNNNN/stereo/fused.ply` of every frame, in the source or the dataset. `stereo`: multi-view stereo
   * on the device. `given`: the source's own clouds. `sparse`: the points of COLMAP's model, else corners triangulated frame by
   * frame. `random`: points anywhere in the space that several cameras see. Default `auto`: fused where every frame has one,
   * else stereo, else given, else sparse.
   */
  readonly clouds?: CloudSource
  /** Every n-th frame of a clip gets a cloud. Default 1. */
  readonly cloudEvery?: number
  /** Test cameras take part in stereo, too. Default false. */
  readonly stereoAllCameras?: boolean
  /**
   * Stereo estimates every frame whole. Default false: what stands still is estimated once, from the median over time of every
   * camera, and of every frame only what differs from it.
   */
  readonly stereoWholeFrames?: boolean
  /**
   * What stands still and has no texture gets rough points, interpolated from around, unless frames are estimated whole.
   * Default true.
   */
  readonly stereoCover?: boolean
  /** The images that stereo works on are halved so many times. Default 0. */
  readonly stereoHalvings?: number
  /** Edge of the voxels of clouds, world units. Default: a 500th of the extent of the scene, 3 pixels by stereo, more if there are too many. */
  readonly voxel?: number
  /** Distance to clip 0 from which points are new, world units. Default: 5/12 of the voxel of what moves. */
  readonly threshold?: number
  /** Voxel 0.012, threshold 0.005 and the distance to the nearest centre, as the original has them. */
  readonly originalConstants?: boolean
  /** Points that clip 0 may have before voxels grow. Default 100,000. */
  readonly maxPoints?: number
  /** Random points on a far sphere, where clip 0 has none, that it gets besides. Default 0. */
  readonly distantPoints?: number
  /** Points of `random` clouds. Default 20,000. */
  readonly randomPoints?: number
  readonly device?: DeviceName
  readonly threads?: number

  /** Steps to do again although they are complete. */
  readonly force?: readonly StepName[]
  /** Go on although the disk seems too small. */
  readonly ignoreDisk?: boolean
  readonly signal?: AbortSignal
}

export interface ColmapOptions {
  /** Default `colmap`, found on PATH. */
  readonly program?: string
  /** Lens of every camera. Default: SIMPLE_RADIAL, or OPENCV where it fits clearly better. */
  readonly cameraModel?: string
  /** All cameras have the same lens. Default false. */
  readonly sharedLens?: boolean
  /**
   * Match only cameras at most so many apart in the order of names, which go around a ring. Default: those that a first look at
   * all pairs shows to see the same things; up to eight cameras, every camera with every other.
   */
  readonly neighbours?: number
  /** Go on without cameras that could not be registered. Default false. */
  readonly allowMissing?: boolean
  /** Further options by command: `{ mapper: { 'Mapper.init_min_tri_angle': '8' } }`; commands
   * are feature_extractor, matcher and mapper. */
  readonly set?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** What happens, for people and programs. */
export type ProcessEvent =
  | {
      readonly type: 'source'
      readonly kind: CaptureKind
      readonly cameras: readonly string[]
      readonly frames: number
    }
  | { readonly type: 'estimate'; readonly parts: readonly EstimatePart[]; readonly free: number }
  | {
      readonly type: 'step'
      readonly step: StepName
      readonly state: 'start' | 'resume' | 'skip'
      readonly reason: string
    }
  | {
      readonly type: 'progress'
      readonly step: StepName
      readonly done: number
      readonly total: number
      readonly note: string
    }
  | {
      readonly type: 'step'
      readonly step: StepName
      readonly state: 'done'
      readonly seconds: number
      readonly files: number
      readonly bytes: number
    }
  | { readonly type: 'output'; readonly step: StepName; readonly text: string }
  | { readonly type: 'note' | 'warning'; readonly message: string }

export interface EstimatePart {
  readonly step: StepName
  readonly what: string
  /** Of what is still to be written. */
  readonly bytes: number
  /** Null where nothing is known before the start. */
  readonly seconds: number | null
}

export type Report = (event: ProcessEvent) => void

/** A camera with its lens and where it stands. */
export interface Calibrated {
  readonly name: string
  readonly camera: Camera
  /** Twelve numbers, [R | t] in row-major order. */
  readonly worldToCamera: readonly number[]
}
