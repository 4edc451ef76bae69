import type { FailedClip, TrainEvent } from '../../events.js'
import type { WorkerJob } from './messages.js'
import { type ForkWorker, WorkerFailure, WorkerProcess } from './worker-process.js'

/** A device, and the process that trains on it now. */
interface Lane {
  /** For people; no two lanes have the same. */
  name: string
  job: WorkerJob
  worker: WorkerProcess | null
  /** Why no process can be started for the device any more. */
  lost: string | null
}

export interface CrewOptions {
  jobs: readonly WorkerJob[]
  names: readonly string[]
  forkWorker: ForkWorker
  signal: AbortSignal | undefined
  onEvent: (event: TrainEvent) => void
}

const attempts = 2

/**
 * One worker process a device. A clip whose process fails is put back into the queue once, for whoever is free first, and
 * its device gets a new process: after a kernel that failed, or a kill, nothing of the old one can be used.
 */
export class Crew {
  readonly failed: FailedClip[] = []
  readonly #lanes: Lane[]
  readonly #tried = new Map<number, number>()
  #closed = false

  constructor(private readonly options: CrewOptions) {
    this.#lanes = options.jobs.map((job, i) => ({
      name: options.names[i] ?? job.device,
      job,
      worker: null,
      lost: null,
    }))
    options.signal?.addEventListener('abort', this.#stop)
  }

  /** Starts all processes. @throws WorkerFailure when a device is not there, or the dataset cannot be read */
  async open(): Promise<void> {
    // All of them before anything is trained: a device that was named and is missing is an error of the command line.
    const results = await Promise.allSettled(this.#lanes.map((lane) => this.#start(lane)))
    const failure = results.find((result) => result.status === 'rejected')
    if (failure) throw failure.reason
  }

  /** Trains what can be trained; clips that failed twice are in `failed`. */
  async train(clips: readonly number[]): Promise<void> {
    const queue = [...clips]
    while (queue.length > 0 && !this.#stopped) {
      const able = this.#lanes.filter(({ lost }) => lost === null)
      if (able.length === 0) {
        const reason = `no device is left: ${this.#lanes.map(({ name, lost }) => `${name}: ${lost}`).join('; ')}`
        for (const clip of queue.splice(0)) this.failed.push({ clip, reason })
        return
      }
      // A clip may come back into the queue after other lanes have found it empty: then all are asked again.
      await Promise.all(able.map((lane) => this.#work(lane, queue)))
    }
  }

  /** Ends all processes; clips in training are left with checkpoints. */
  async close(): Promise<void> {
    this.#closed = true
    this.options.signal?.removeEventListener('abort', this.#stop)
    await Promise.all(this.#lanes.map((lane) => lane.worker?.close()))
  }

  get #stopped(): boolean {
    return this.#closed || (this.options.signal?.aborted ?? false)
  }

  readonly #stop = () => {
    for (const { worker } of this.#lanes) worker?.stop()
  }

  async #work(lane: Lane, queue: number[]): Promise<void> {
    while (!this.#stopped && lane.lost === null) {
      const clip = queue.shift()
      if (clip === undefined) return
      let worker: WorkerProcess
      try {
        worker = await this.#start(lane)
      } catch (error) {
        lane.lost = messageOf(error)
        queue.unshift(clip)
        this.options.onEvent({ type: 'warning', message: `${lane.name} is not used any more: ${lane.lost}` })
        return
      }
      try {
        const aborted = await worker.train(clip)
        if (aborted && !this.#stopped) throw new WorkerFailure('the worker process was stopped by a signal')
      } catch (error) {
        if (!(error instanceof WorkerFailure)) throw error
        this.#failed(lane, clip, error.message, queue)
        await worker.close()
      }
    }
  }

  #failed(lane: Lane, clip: number, reason: string, queue: number[]): void {
    const tried = (this.#tried.get(clip) ?? 0) + 1
    this.#tried.set(clip, tried)
    const again = tried < attempts
    if (again) queue.unshift(clip)
    else this.failed.push({ clip, reason })
    this.options.onEvent({ type: 'clip-failed', clip, device: lane.name, reason, again })
  }

  /** The lane's process; a new one when there is none that can go on. @throws WorkerFailure */
  async #start(lane: Lane): Promise<WorkerProcess> {
    if (lane.worker?.usable) return lane.worker
    const worker = new WorkerProcess(this.options.forkWorker, (event) => {
      this.options.onEvent(event.type === 'clip-start' ? { ...event, device: lane.name } : event)
    })
    lane.worker = worker
    try {
      await worker.open(lane.job)
    } catch (error) {
      await worker.close()
      throw new WorkerFailure(`${lane.name}: ${messageOf(error)}`)
    }
    if (this.#stopped) worker.stop()
    return worker
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
