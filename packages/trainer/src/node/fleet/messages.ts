import type { DeviceName } from '@clipgstream/tensor'
import type { Config } from '../../config.js'
import type { TrainEvent } from '../../events.js'

/** A dataset that every worker opens by itself. */
export interface DatasetSource {
  /** Folder in the clip-stream layout. */
  folder: string
  /** Frames [first, end); all when left out. */
  frames?: readonly [number, number]
  allowGaps?: boolean
}

/** What a worker is told once. */
export interface WorkerJob {
  dataset: DatasetSource
  config: Config
  /** Folder of the run. */
  run: string
  device: DeviceName
  /** Of a wasm device. */
  threads: number | null
}

/** From the process that was started by people to a worker. A worker whose channel closes stops by itself. */
export type ToWorker =
  | { type: 'open'; job: WorkerJob }
  | { type: 'train'; clip: number }
  /** After the running step, with a checkpoint. */
  | { type: 'stop' }

export type FromWorker =
  | { type: 'opened'; device: string }
  | { type: 'event'; event: TrainEvent }
  | { type: 'finished'; clip: number; aborted: boolean }
  /** Opening failed, or the clip that was being trained. */
  | { type: 'failed'; reason: string }

/** Whether `value` is a message of `types`; both ends are built together, so the rest is taken as it is. */
function isMessage(value: unknown, types: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && 'type' in value && types.includes(String(value.type))
}

export function isToWorker(value: unknown): value is ToWorker {
  return isMessage(value, ['open', 'train', 'stop'])
}

export function isFromWorker(value: unknown): value is FromWorker {
  return isMessage(value, ['opened', 'event', 'finished', 'failed'])
}
