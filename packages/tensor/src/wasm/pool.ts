import { KernelError } from '../errors.js'
import type { Host, HostWorker } from './host.js'
import { argsAt, command, maxArgs, word } from './layout.js'
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
 */
export class ThreadPool {
  readonly #control: Int32Array
  readonly #functions: KernelFunction[] = []
  readonly #workers: HostWorker[] = []
  #loading = 0

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
    for (const address of scratch.slice(1)) {
      const worker = await host.startWorker()
      const ready = worker.nextMessage()
      worker.post({ start: { memory, scratch: address } })
      await ready
      pool.#workers.push(worker)
    }
    return pool
  }

  get threads(): number {
    return this.scratch.length
  }

  async load(module: WebAssembly.Module): Promise<Map<string, Kernel>> {
    const { names, functions } = instantiate(module, this.memory)
    const first = this.#functions.length
    this.#functions.push(...functions)
    this.#loading++
    try {
      const ready = this.#workers.map((worker) => worker.nextMessage())
      for (const worker of this.#workers) worker.post({ module })
      this.#signal(command.listen)
      await Promise.all(ready)
    } finally {
      this.#loading--
    }
    return new Map(
      names.map((name, i) => [name, { name, id: first + i, arity: Math.max(0, functions[i]!.length - 2) }]),
    )
  }

  run(kernel: Kernel, chunks: number, args: readonly number[]): void {
    if (args.length !== kernel.arity || args.length > maxArgs) {
      throw new KernelError(kernel.name, `takes ${kernel.arity} arguments, got ${args.length}`)
    }
    const control = this.#control
    const call = this.#functions[kernel.id]!
    const own = [...args]
    const shared = chunks > 1 && this.#workers.length > 0 && this.#loading === 0
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
      runChunks(call, control, chunks, this.scratch[0]!, own)
    } catch (error) {
      throw new KernelError(kernel.name, error instanceof Error ? error.message : String(error), { cause: error })
    } finally {
      if (shared) this.#join()
    }
    if (shared && Atomics.load(control, word.failed) !== 0)
      throw new KernelError(kernel.name, 'trapped in a worker thread')
  }

  dispose(): void {
    this.#signal(command.exit)
    for (const worker of this.#workers) worker.terminate()
    this.#workers.length = 0
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
}
