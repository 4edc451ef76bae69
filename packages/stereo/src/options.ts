import { ArgumentError } from '@clipgstream/tensor'
import type { ConsistencySettings, PatchSettings } from './contract.js'

export interface CloudOptions {
  /** Points that are known already // [N, 3]; they tell which views share what they see, and how deep the scene is. */
  readonly points?: Float32Array
  /** Depths between which every view is searched, world units; told by `points` or by the cameras when left out. */
  readonly near?: number
  readonly far?: number
  /** Views that each one is matched with, at most 32. Default 8. */
  readonly sources?: number
  /** Of these, how many count: the mean over those that match best, 1 to 4. Default 2. */
  readonly best?: number
  /** Pixels of the longer side of the coarsest level, at least. Default 80. */
  readonly coarsest?: number
  /** Times that the finest level has half the size of the images. 0 uses every pixel. Default 0. */
  readonly skipLevels?: number
  /** `spacing` is told by the size of the images when left out: 1 up to 600 pixels, 2 up to 1000. */
  readonly patch?: PatchSettings
  /**
   * What confirms a surface. Default: 2 others (1 where cameras are far apart, see {@link defaultAgreement}) of cost below
   * 0.7, within 1 pixel, 1 % of depth and 60 degrees.
   */
  readonly consistency?: Partial<ConsistencySettings>
  /** Edge of the voxels of which each gives one point, world units. Default: two pixels at the distance of the scene. */
  readonly voxel?: number
  /** Voxels grow until there are at most as many points. Default 500,000. */
  readonly maxPoints?: number
  /** Points with fewer occupied voxels around, of 26, are left out. Default 2. */
  readonly minNeighbours?: number
  /** Of the random numbers. Default 1. */
  readonly seed?: number
  /** Ends the work between two steps; the promise then rejects with its reason. */
  readonly signal?: AbortSignal
}

/** Where the work is. */
export interface StereoProgress {
  readonly stage: 'prepare' | 'match' | 'fuse'
  /** Views that are done in this stage, and all. */
  readonly done: number
  readonly total: number
}

export const defaultConsistency: Omit<ConsistencySettings, 'agree'> = {
  maxCost: 0.7,
  maxPixels: 1,
  maxDepth: 0.01,
  maxNormalAngle: 60,
}

export function checkOptions(options: CloudOptions): void {
  const integer = (
    name: 'sources' | 'best' | 'coarsest' | 'skipLevels' | 'maxPoints' | 'minNeighbours',
    min: number,
    max: number,
  ) => {
    const value = options[name]
    if (value !== undefined && !(Number.isInteger(value) && value >= min && value <= max))
      throw new ArgumentError('estimateCloud', name, value, `an integer from ${min} to ${max}`)
  }
  integer('sources', 1, 32)
  integer('best', 1, 4)
  integer('coarsest', 16, 1 << 20)
  integer('skipLevels', 0, 8)
  integer('maxPoints', 1, 2 ** 28)
  integer('minNeighbours', 0, 26)
  for (const name of ['near', 'far', 'voxel'] as const) {
    const value = options[name]
    if (value !== undefined && !(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new ArgumentError('estimateCloud', name, value, 'a positive finite number')
  }
  const { near, far, points } = options
  if (near !== undefined && far !== undefined && near >= far)
    throw new ArgumentError('estimateCloud', 'near', near, `below far (${far})`)
  if (points && (points.length % 3 !== 0 || !points.every(Number.isFinite)))
    throw new ArgumentError('estimateCloud', 'points', `${points.length} numbers`, 'finite numbers, three a point')
}
