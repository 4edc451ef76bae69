import type { View } from '@clipgstream/camera'
import type { TrainEvent } from '@clipgstream/trainer'
import type { Settings } from './settings.js'

/** Where the dataset comes from. */
export type Source =
  | { kind: 'sample'; url: string }
  | { kind: 'folder'; handle: FileSystemDirectoryHandle }
  | { kind: 'zip'; file: File }

/** What the canvas shows. */
export interface Look {
  /** Counts the looks, so that the page knows which one a drawing answers. */
  number: number
  view: View
  frame: number
}

export type ToWorker =
  | { type: 'start'; settings: Settings; source: Source; canvas: OffscreenCanvas }
  /** Go on from the last checkpoint, on another canvas: one whose device was lost stays dark. */
  | { type: 'go-on'; canvas: OffscreenCanvas }
  | { type: 'look'; look: Look }
  | { type: 'pause'; paused: boolean }
  | { type: 'stop' }
  | { type: 'save' }

export interface SceneCamera {
  name: string
  test: boolean
  view: View
}

export type FromWorker =
  | { type: 'device'; label: string; details: string }
  | { type: 'scene'; name: string; cameras: SceneCamera[]; frames: number }
  | { type: 'event'; event: TrainEvent }
  | { type: 'drawn'; look: number; frame: number; iteration: number | null; milliseconds: number }
  /** `kept` is the iteration of the checkpoint to go on from, where there is one. */
  | { type: 'problem'; message: string; kept: number | null }
  | { type: 'saved'; name: string; bytes: Uint8Array<ArrayBuffer> }
