import { availableParallelism } from 'node:os'
import { ClipgstreamError, type DeviceName } from '@clipgstream/tensor'
import type { Config } from '../../config.js'
import type { TrainingData } from '../../data.js'
import { ClipStreamError, ConfigError } from '../../errors.js'
import type { TrainEvent } from '../../events.js'
import { kindOf } from '../../initial.js'
import { checkpointPath } from '../../stream/format.js'
import { readRecord, refreshManifest } from '../../stream/manifest.js'
import { doneEvent, planTraining } from '../../train.js'
import { openRunFolder } from '../folder.js'
import { Crew } from './crew.js'
import { EventQueue } from './event-queue.js'
import type { DatasetSource, WorkerJob } from './messages.js'
import { type ForkWorker, forkWorker, WorkerFailure } from './worker-process.js'

export interface DevicesOptions {
  /** The dataset, for checks before anything starts; nothing is decoded here. */
  data: TrainingData
  /** The same dataset, for the workers. */
  dataset: DatasetSource
  /** Folder of the run. */
  run: string
  config: Config
  /** One worker process each; a name may come twice. */
  devices: readonly DeviceName[]
  /** Of each wasm device; by default the cores are shared out. */
  threads?: number
  clips?: readonly number[]
  resume?: boolean
  /** Aborting stops every worker after its running step, with a checkpoint. */
  signal?: AbortSignal
  /** Starts the process of a worker, for tests. */
  forkWorker?: ForkWorker
}

/** A worker could not be started. */
export class WorkerError extends ClipgstreamError {}

/**
 * As `train`, on several devices: the reference clip on the first, then the source clips wherever a device is free, one
 * process a device. A clip has the same bytes as from one process. A clip whose process fails, or is killed, is resumed
 * once from its last checkpoint; when that fails too it is left out, named in `done.failed`, and the others are finished.
 *
 * Errors, besides those of `train` before it begins: WorkerError when a device is missing or a worker cannot read the
 * dataset; ConfigError for settings under which clips depend on each other.
 */
export async function* trainOnDevices(options: DevicesOptions): AsyncGenerator<TrainEvent, void> {
  const { config, devices, signal } = options
  requireIndependence(config)
  if (devices.length === 0) throw new WorkerError('there is no device to train on; name one or more')
  const started = performance.now()
  const run = await openRunFolder(options.run)
  const { wanted, header, start } = await planTraining({ ...options, run })
  const names = laneNames(devices)
  yield { ...start, device: names.join(', ') }

  const open: number[] = []
  for (const { index } of wanted) {
    if (!(await readRecord(run, index))) {
      open.push(index)
      continue
    }
    await run.remove(checkpointPath(index))
    yield { type: 'clip-skip', clip: index }
  }
  const needsReference = open.some((index) => kindOf(index, config) === 'source')
  if (needsReference && !open.includes(0) && !(await readRecord(run, 0))) {
    throw new ClipStreamError('reference', 'has not been trained yet; train clip 0 first')
  }

  const events = new EventQueue<TrainEvent>()
  const jobs = devices.map((device): WorkerJob => {
    const threads = options.threads ?? sharedThreads(devices)
    return { dataset: options.dataset, config, run: options.run, device, threads: device === 'wasm' ? threads : null }
  })
  // More workers than clips would only take memory.
  const used = jobs.slice(0, Math.max(1, open.filter((index) => index !== 0).length))
  const crew = new Crew({
    ...{ jobs: used, names, signal, forkWorker: options.forkWorker ?? forkWorker },
    onEvent: (event) => events.push(event),
  })
  const work = open.length === 0 ? Promise.resolve() : trainAll(crew, open)
  const closed = work.then(
    () => events.close(),
    () => events.close(),
  )
  try {
    yield* events
    await work
  } catch (error) {
    throw error instanceof WorkerFailure ? new WorkerError(error.message) : error
  } finally {
    await crew.close()
    await closed
  }
  const manifest = await refreshManifest(run, header)
  if (signal?.aborted) return
  yield { ...doneEvent(manifest, started), ...(crew.failed.length > 0 && { failed: crew.failed }) }
}

async function trainAll(crew: Crew, clips: readonly number[]): Promise<void> {
  await crew.open()
  const rest = clips.filter((clip) => clip !== 0)
  if (rest.length < clips.length) {
    await crew.train([0])
    if (crew.failed.length > 0) {
      const reason = 'the reference clip, from which it starts, could not be trained'
      crew.failed.push(...rest.map((clip) => ({ clip, reason })))
      return
    }
  }
  await crew.train(rest)
  crew.failed.sort((a, b) => a.clip - b.clip)
}

function requireIndependence({ field }: Config): void {
  if (field.warmStart !== 'previous') return
  const reason =
    "'previous' starts each clip from the one before, so clips cannot be trained side by side. " +
    "Train on one device, or take 'reference' or 'none'"
  throw new ConfigError('field.warmStart', reason)
}

/** `wasm #1` and `wasm #2` where a device comes twice. */
function laneNames(devices: readonly DeviceName[]): string[] {
  return devices.map((device, i) => {
    if (devices.filter((other) => other === device).length === 1) return device
    return `${device} #${devices.slice(0, i + 1).filter((other) => other === device).length}`
  })
}

function sharedThreads(devices: readonly DeviceName[]): number {
  const sharing = devices.filter((device) => device === 'wasm').length
  return Math.max(1, Math.floor(availableParallelism() / Math.max(1, sharing)))
}
