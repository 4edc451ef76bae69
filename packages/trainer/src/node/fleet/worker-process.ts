import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { TrainEvent } from '../../events.js'
import { type FromWorker, isFromWorker, type ToWorker, type WorkerJob } from './messages.js'

/** A worker process ended before it was told to, or said that it cannot go on; `message` says why. */
export class WorkerFailure extends Error {}

export type ForkWorker = () => ChildProcess

/** The entry beside this file, or the built one when this file runs as TypeScript. */
const entry = [new URL('./worker.js', import.meta.url), new URL('../../../dist/node/fleet/worker.js', import.meta.url)]

export const forkWorker: ForkWorker = () => {
  const built = entry.find((url) => existsSync(url))
  if (!built) throw new WorkerFailure(`there is no ${entry.map((url) => fileURLToPath(url)).join(' and no ')}`)
  // What a worker prints goes to stderr: stdout belongs to the command.
  return fork(fileURLToPath(built), { serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'], execArgv: [] })
}

/** One process that trains clips on one device, one at a time. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #answer: { resolve: (message: FromWorker) => void; reject: (error: WorkerFailure) => void } | null = null
  #failure: WorkerFailure | null = null

  constructor(
    forkWorker: ForkWorker,
    private readonly onEvent: (event: TrainEvent) => void,
  ) {
    this.#child = forkWorker()
    this.#ended = new Promise((resolve) => {
      // Messages that were sent before the end arrive before the channel closes, but may arrive after the exit.
      let open = 2
      const close = () => {
        open--
        if (open > 0) return
        const { exitCode, signalCode } = this.#child
        this.#fail(
          signalCode ? `the worker process was killed by ${signalCode}` : `the worker process ended with ${exitCode}`,
        )
        resolve()
      }
      this.#child.once('exit', close)
      this.#child.once('disconnect', close)
      this.#child.once('error', (error) => {
        this.#fail(`the worker process could not be started: ${error.message}`)
        if (this.#child.pid === undefined) resolve()
      })
    })
    this.#child.on('message', (message: unknown) => {
      if (!isFromWorker(message)) return
      if (message.type === 'event') this.onEvent(message.event)
      else if (message.type === 'failed') this.#fail(message.reason)
      else {
        this.#answer?.resolve(message)
        this.#answer = null
      }
    })
  }

  /** Whether it can be asked for more. */
  get usable(): boolean {
    return this.#failure === null
  }

  /** Opens dataset and device; gives the device's label. @throws WorkerFailure */
  async open(job: WorkerJob): Promise<string> {
    const answer = await this.#ask({ type: 'open', job })
    return answer.type === 'opened' ? answer.device : ''
  }

  /** Trains one clip. True when it was stopped before its end, with a checkpoint. @throws WorkerFailure */
  async train(clip: number): Promise<boolean> {
    const answer = await this.#ask({ type: 'train', clip })
    return answer.type === 'finished' && answer.aborted
  }

  /** Lets it end its step and write a checkpoint. */
  stop(): void {
    this.#send({ type: 'stop' })
  }

  /** Tells it to end, and waits for that; a clip in training is left with a checkpoint. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended
  }

  #ask(message: ToWorker): Promise<FromWorker> {
    if (this.#failure) return Promise.reject(this.#failure)
    const answer = new Promise<FromWorker>((resolve, reject) => {
      this.#answer = { resolve, reject }
    })
    this.#send(message)
    return answer
  }

  /** A channel that breaks is noticed by its end. */
  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  #fail(reason: string): void {
    this.#failure ??= new WorkerFailure(reason)
    this.#answer?.reject(this.#failure)
    this.#answer = null
  }
}
