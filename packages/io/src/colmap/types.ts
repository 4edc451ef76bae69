import type { ColmapModelName } from './cameras.js'

export interface ColmapCamera {
  readonly id: number
  readonly model: ColmapModelName
  /** Pixels. */
  readonly width: number
  readonly height: number
  /** In the order of `colmapCameraModels`. */
  readonly params: readonly number[]
}

/** `X_to = R(rotation) X_from + translation`. */
export interface RigidTransform {
  /** Unit quaternion w x y z. */
  readonly rotation: readonly [number, number, number, number]
  readonly translation: readonly [number, number, number]
}

export interface ColmapImage {
  readonly id: number
  /** UTF-8 in the file; may hold folders and spaces. */
  readonly name: string
  readonly cameraId: number
  /** World to camera; for rigs the product of the frame's pose and the sensor's. */
  readonly pose: RigidTransform
  /** Keypoints, where they were asked for. */
  readonly points2D: ColmapPoints2D | null
}

export interface ColmapPoints2D {
  /** [n, 2] pixels, centres at +0.5 */
  readonly xy: Float64Array
  /** [n] ids of 3D points, -1 for none */
  readonly pointIds: BigInt64Array
}

export interface ColmapPoints3D {
  readonly count: number
  readonly ids: BigInt64Array
  /** [count, 3] */
  readonly positions: Float64Array
  /** [count, 3] 0 to 255 */
  readonly colors: Uint8Array
  /** [count] pixels */
  readonly errors: Float64Array
  /** [count + 1]: the track of point i is entries trackStarts[i] to trackStarts[i + 1] of the next two. */
  readonly trackStarts: Uint32Array
  readonly trackImageIds: Uint32Array
  readonly trackPoints2D: Uint32Array
}

export interface ColmapSensor {
  /** 0 is a camera, 1 an inertial unit. */
  readonly type: number
  readonly id: number
}

export interface ColmapRig {
  readonly id: number
  /** The first is the reference sensor, whose pose is the rig's. */
  readonly sensors: readonly (ColmapSensor & {
    /** Rig to sensor; null where it is not known, identity for the reference sensor. */
    readonly pose: RigidTransform | null
  })[]
}

export interface ColmapFrame {
  readonly id: number
  readonly rigId: number
  /** World to rig. */
  readonly pose: RigidTransform
  readonly data: readonly (ColmapSensor & {
    /** The image id, for cameras. */
    readonly dataId: number
  })[]
}

export interface ColmapModel {
  readonly format: 'binary' | 'text'
  /** `rigs` where the model has rigs and frames (COLMAP 3.12 and later). */
  readonly layout: 'classic' | 'rigs'
  readonly cameras: ReadonlyMap<number, ColmapCamera>
  /** In the order of the file. */
  readonly images: ReadonlyMap<number, ColmapImage>
  readonly points3D: ColmapPoints3D | null
  readonly rigs: ReadonlyMap<number, ColmapRig>
  readonly frames: ReadonlyMap<number, ColmapFrame>
}
