import type { CloudSource } from '../types.js'
import type { ColoredCloud } from './merge.js'

/** Makes the cloud of a frame of the dataset. */
export interface CloudMaker {
  readonly kind: Exclude<CloudSource, 'auto'>
  /** Part of what the clouds depend on. */
  readonly inputs: unknown
  /** Every frame has the same cloud: it is made once. */
  readonly still: boolean
  /** Points need not lie closer, world units; told by the images that they are made of. */
  readonly finest?: number
  /** What all frames have in common, made before them; a frame's cloud is then what it has besides. */
  readonly background?: Background
  /** `next` is the frame after it, if there is one: a maker may read it meanwhile. */
  make(frame: number, onProgress: (note: string) => void, next?: number): Promise<ColoredCloud>
}

export interface Background {
  /** Files below the dataset's folder. */
  readonly files: readonly string[]
  /** That of its cloud. */
  readonly cloud: string
  /** Writes those that are wanted. */
  make(wanted: ReadonlySet<string>, onProgress: (note: string) => void): Promise<void>
}
