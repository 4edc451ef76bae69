import type { Camera } from '@clipgstream/camera'
import type { Problem } from '../dataset/types.js'
import type { PointCloud } from '../ply/points.js'
import type { Vfs } from '../vfs/vfs.js'

/**
 * Layouts that are known:
 *
 *     clip-stream    frame000000/images and sparse/0: what `openDataset` reads
 *     colmap-videos  videos (or frames before undistortion) beside a COLMAP model
 *     colmap         one COLMAP model and its images, no time
 *     panoptic       train_meta.json, test_meta.json, ims/, seg/ (Dynamic 3D Gaussians)
 *     nerfstudio     transforms.json
 *     blender        transforms_train.json (NeRF synthetic, D-NeRF)
 *     nerfies        dataset.json, metadata.json, camera/ (Nerfies, HyperNeRF)
 *     llff           poses_bounds.npy and a video or an image folder a camera (Neural 3D Video, Meet Room)
 *     easyvolcap     intri.yml, extri.yml (EasyMocap, EasyVolcap)
 *     qualisys       videos and a .qca.txt calibration
 *     pose2sim       videos and a Calib*.toml calibration
 *     videos         videos without a calibration
 *     images         image folders without a calibration
 */
export type CaptureKind =
  | 'clip-stream'
  | 'colmap-videos'
  | 'colmap'
  | 'panoptic'
  | 'nerfstudio'
  | 'blender'
  | 'nerfies'
  | 'llff'
  | 'easyvolcap'
  | 'qualisys'
  | 'pose2sim'
  | 'videos'
  | 'images'

/** Where a camera stands and what its lens does, with this project's conventions whatever the file's were. */
export interface CaptureCalibration {
  /** With its distortion; pixel centres at +0.5. */
  readonly camera: Camera
  /** Twelve numbers, [R | t] in row-major order: right, down, forward. */
  readonly worldToCamera: readonly number[]
}

/** One image of a camera. */
export interface CaptureImage {
  /** Index into the capture's times. */
  readonly frame: number
  readonly path: string
  readonly mask: string | null
  /** Of a camera that moves; of others the camera has it. */
  readonly calibration: CaptureCalibration | null
}

export type CaptureSource =
  | { readonly kind: 'video'; readonly path: string }
  | { readonly kind: 'images'; readonly images: readonly CaptureImage[] }

export interface CaptureCamera {
  /** Unique; a file name without folder and extension. */
  readonly name: string
  /** Null where there is none: it has to be computed, or the camera moves. */
  readonly calibration: CaptureCalibration | null
  readonly source: CaptureSource
  readonly test: boolean
}

export interface CaptureCloud {
  readonly path: string
  /** Frames [start, end) that it shows; null: not said. */
  readonly frames: readonly [start: number, end: number] | null
  /** Points in the capture's world. */
  read(): Promise<PointCloud>
}

/** How to read a mask's pixels. */
export interface CaptureMasks {
  /** `moving`: what moves or is in front; `valid`: what may be learned from. */
  readonly meaning: 'moving' | 'valid'
  /** Values of at least this much are in the mask. */
  readonly threshold: number
}

/** What other projects' files say of their scene, for information: nothing has been applied to cameras or points. */
export interface CaptureScene {
  readonly near: number | null
  readonly far: number | null
  /** The files' own normalisation is (x - center) * scale. */
  readonly center: readonly [number, number, number] | null
  readonly scale: number | null
}

/** Somebody's recording in neutral terms: what a converter needs to know and nothing of how the files said it. */
export interface Capture {
  readonly kind: CaptureKind
  readonly vfs: Vfs
  /** In natural order of their names. */
  readonly cameras: readonly CaptureCamera[]
  /** Time of every frame in the files' unit; null where only the videos know how many frames there are. */
  readonly times: readonly number[] | null
  /** Frames a second, where the files say so. */
  readonly fps: number | null
  /** Whether cameras move: each image then has its own calibration, or is a camera of its own (`shots`). */
  readonly moving: boolean
  /** Images have an alpha channel and are to be laid over this colour, each channel in [0, 1]. */
  readonly background: readonly [number, number, number] | null
  readonly masks: CaptureMasks | null
  readonly clouds: readonly CaptureCloud[]
  readonly scene: CaptureScene
  /** What is wrong, and what was assumed. */
  readonly problems: readonly Problem[]
}

/** Which cameras are kept for testing. */
export type TestRule =
  /** Every n-th camera in the order of names, from `from` (0). */
  | { readonly every: number; readonly from?: number }
  /** Names, or indices in the order of names. */
  | { readonly names: readonly (string | number)[] }

export interface CaptureOptions {
  /** The layout, instead of what `detectCapture` finds. */
  readonly kind?: CaptureKind
  /** Default: the files' own split, else what their publishers do, else every 10th camera. */
  readonly test?: TestRule
  /**
   * Where the calibration's pixels have their centres: `half` at +0.5, `integer` at whole numbers, as OpenCV has them; half a
   * pixel is then added to principal points. Default: what the layout does (see the README).
   */
  readonly pixelCentres?: 'half' | 'integer'
  /** Colour under transparent images, each channel in [0, 1]. Default white. */
  readonly background?: readonly [number, number, number]
  /** Name of the folder of masks beside that of the images. Default: whichever of `masks`, `mask`, `seg` is there. */
  readonly masks?: string
  /** Every image of a camera that moves as a camera of its own, which has one image. Default false. */
  readonly shots?: boolean
  /** Leave out images and videos that the files name and that are not there, instead of an error. Default false. */
  readonly allowGaps?: boolean
}
