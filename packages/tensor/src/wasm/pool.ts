import { ArgumentError, DeviceUnavailableError, DisposedError, KernelError } from '../errors.js'
import type { Host, HostWorker } from './host.js'
import { argsAt, command, maxArgs, reasonAt, word } from './layout.js'
import { instantiate, runChunks } from './worker-loop.js'

export interface Kernel {
  readonly name: string
  /** Number of arguments behind chunk and scratch. */
  readonly arity: number
  readonly id: number
}

type KernelFunction = (chunk: number, scratch: number, ...args: number[]) => void

/**
 * The calling thread and its workers over one memory. A launch hands out chunks through an atomic counter and returns
 * when all are done; a launch of one chunk, or one made while a module is being loaded, stays on the calling thread.
 * A kernel that traps, on whichever thread, fails its launch and leaves the pool as it was.
 */
export class ThreadPool {
  readonly #control: Int32Array
  readonly #kernels: Kernel[] = []
  readonly #functions: KernelFunction[] = []
  readonly #workers: HostWorker[] = []
  /** Modules are loaded one after another: a worker that serves launches again would not hear of a second one. */
  #loads: Promise<unknown> = Promise.resolve()
  #loading = false
  #disposed = false

  private constructor(
    readonly memory: WebAssembly.Memory,
    readonly host: Host,
    readonly scratch: readonly number[],
  ) {
    this.#control = new Int32Array(memory.buffer, 0, 64)
  }

  /** One thread for each address in `scratch`; the first belongs to the caller. */
  static async create(memory: WebAssembly.Memory, host: Host, scratch: readonly number[]): Promise<ThreadPool> {
    const pool = new ThreadPool(memory, host, scratch)
    try {
      await Promise.all(
        scratch.slice(1).map(async (address) => {
          const worker = host.startWorker()
          pool.#workers.push(worker)
          await pool.#ask(worker, { start: { memory, scratch: address } })
        }),
      )
    } catch (error) {
      pool.dispose()
      throw new DeviceUnavailableError(
        'wasm',
        `one of its ${scratch.length - 1} worker threads did not start: ${messageOf(error)}`,
        'Use threads: 1',
        { cause: error },
      )
    }
    return pool
  }

  get threads(): number {
    return this.scratch.length
  }

  get disposed(): boolean {
    return this.#disposed
  }

  load(module: WebAssembly.Module): Promise<Map<string, Kernel>> {
    const loaded = this.#loads.then(() => this.#load(module))
    this.#loads = loaded.catch(() => {})
    return loaded
  }

  async #load(module: WebAssembly.Module): Promise<Map<string, Kernel>> {
    if (this.#disposed) throw new DisposedError('device wasm')
    const { names, functions } = instantiate(module, this.memory)
    const first = this.#functions.length
    const kernels = names.map((name, i) => ({
      name,
      id: first + i,
      arity: Math.max(0, functions[i]!.length - 2),
    }))
    this.#functions.push(...functions)
    this.#kernels.push(...kernels)
    this.#loading = true
    try {
      const answers = this.#workers.map((worker) => this.#ask(worker, { module, first }))
      this.#signal(command.listen)
      await Promise.all(answers)
    } finally {
      this.#loading = false
    }
    return new Map(kernels.map((kernel) => [kernel.name, kernel]))
  }

  run(kernel: Kernel, chunks: number, args: readonly number[]): void {
    if (this.#disposed) throw new DisposedError('device wasm')
    if (this.#kernels[kernel.id] !== kernel)
      throw new KernelError(kernel.name, 'was loaded by another device; load its module on this one')
    if (args.length !== kernel.arity || args.length > maxArgs)
      throw new KernelError(kernel.name, `takes ${kernel.arity} arguments, got ${args.length}`)
    if (!(Number.isInteger(chunks) && chunks >= 0 && chunks < 2 ** 30))
      throw new ArgumentError(`kernel ${kernel.name}`, 'chunks', chunks, 'an integer in [0, 2^30)')
    const control = this.#control
    const call = this.#functions[kernel.id]!
    const shared = chunks > 1 && this.#workers.length > 0 && !this.#loading
    Atomics.store(control, word.next, 0)
    if (shared) {
      new Float64Array(this.memory.buffer, argsAt, args.length).set(args)
      Atomics.store(control, word.args, args.length)
      Atomics.store(control, word.kernel, kernel.id)
      Atomics.store(control, word.chunks, chunks)
      Atomics.store(control, word.failed, 0)
      Atomics.store(control, word.running, this.#workers.length)
      this.#signal(command.run)
    }
    try {
      runChunks(call, control, chunks, this.scratch[0]!, args)
    } catch (error) {
      throw new KernelError(kernel.name, messageOf(error), { cause: error })
    } finally {
      if (shared) this.#join()
    }
    if (shared && Atomics.load(control, word.failed) !== 0) throw new KernelError(kernel.name, this.#reason())
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#signal(command.exit)
    for (const worker of this.#workers) worker.terminate()
    this.#workers.length = 0
  }

  async #ask(worker: HostWorker, message: unknown): Promise<void> {
    const { problem } = await worker.ask(message).catch((error) => {
      // It ended, and launches must not wait for it.
      this.#workers.splice(this.#workers.indexOf(worker), 1)
      throw error
    })
    if (problem !== null) throw new Error(problem)
  }

  #signal(order: number): void {
    Atomics.store(this.#control, word.command, order)
    Atomics.add(this.#control, word.epoch, 1)
    Atomics.notify(this.#control, word.epoch)
  }

  #join(): void {
    for (;;) {
      const running = Atomics.load(this.#control, word.running)
      if (running === 0) return
      if (this.host.canBlock) Atomics.wait(this.#control, word.running, running)
    }
  }

  #reason(): string {
    const length = Atomics.load(this.#control, word.reason)
    return String.fromCharCode(...new Uint16Array(this.memory.buffer, reasonAt, length))
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
