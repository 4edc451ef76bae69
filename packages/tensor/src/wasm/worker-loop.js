// What a worker thread does: it sleeps on the epoch word and then runs chunks of a kernel, or returns to its event
// loop to receive a module, or ends. A kernel is `(chunk, scratch, ...args)`; which thread runs a chunk is left to
// chance, so a chunk must not depend on another.
import { argsAt, command, maxReason, reasonAt, word } from './layout.js'

/**
 * @typedef {(chunk: number, scratch: number, ...args: number[]) => void} KernelFunction
 * @typedef {{ memory: WebAssembly.Memory, scratch: number }} Start
 * @typedef {{ start?: Start, module?: WebAssembly.Module, first?: number }} Message
 */

/**
 * Instantiates `module` on `memory` and lists its kernels, in the order of the module's exports.
 * @param {WebAssembly.Module} module
 * @param {WebAssembly.Memory} memory
 * @returns {{ names: string[], functions: KernelFunction[] }}
 */
export function instantiate(module, memory) {
  const abort = () => {
    throw new Error('abort')
  }
  const instance = new WebAssembly.Instance(module, { env: { memory, abort } })
  const names = WebAssembly.Module.exports(module)
    .filter((entry) => entry.kind === 'function')
    .map((entry) => entry.name)
  return { names, functions: names.map((name) => /** @type {KernelFunction} */ (instance.exports[name])) }
}

/**
 * Takes chunks off the shared counter until none is left.
 * @param {KernelFunction} kernel
 * @param {Int32Array} control
 * @param {number} chunks
 * @param {number} scratch
 * @param {readonly number[]} args
 */
export function runChunks(kernel, control, chunks, scratch, args) {
  for (;;) {
    const chunk = Atomics.add(control, word.next, 1)
    if (chunk >= chunks) return
    kernel(chunk, scratch, ...args)
  }
}

/**
 * Leaves the reason of the first failure of a launch to the pool.
 * @param {WebAssembly.Memory} memory
 * @param {Int32Array} control
 * @param {unknown} error
 */
function fail(memory, control, error) {
  if (Atomics.compareExchange(control, word.failed, 0, 1) !== 0) return
  const reason = String(error instanceof Error ? error.message : error).slice(0, maxReason)
  new Uint16Array(memory.buffer, reasonAt, reason.length).set(Array.from(reason, (_, i) => reason.charCodeAt(i)))
  Atomics.store(control, word.reason, reason.length)
}

/** @param {Start} start */
function createWorker({ memory, scratch }) {
  const control = new Int32Array(memory.buffer, 0, 64)
  /** @type {KernelFunction[]} */
  const kernels = []
  let seen = 0

  return {
    /**
     * Gives the kernels of `module` the numbers from `first` on.
     * @param {WebAssembly.Module} module
     * @param {number} first
     */
    add(module, first) {
      instantiate(module, memory).functions.forEach((kernel, i) => {
        kernels[first + i] = kernel
      })
    },

    /** Serves launches until the pool says otherwise; true when it wants to send a message. */
    serve() {
      for (;;) {
        Atomics.wait(control, word.epoch, seen)
        const epoch = Atomics.load(control, word.epoch)
        if (epoch === seen) continue
        seen = epoch
        const order = Atomics.load(control, word.command)
        if (order !== command.run) return order === command.listen
        try {
          const count = Atomics.load(control, word.args)
          const args = Array.from(new Float64Array(memory.buffer, argsAt, count))
          const kernel = kernels[Atomics.load(control, word.kernel)]
          if (!kernel) throw new Error('the kernel is not loaded in this thread')
          runChunks(kernel, control, Atomics.load(control, word.chunks), scratch, args)
        } catch (error) {
          fail(memory, control, error)
        }
        if (Atomics.sub(control, word.running, 1) === 1) Atomics.notify(control, word.running)
      }
    },
  }
}

/**
 * Handles the pool's messages: each is answered with what went wrong (null when nothing did), then launches are served.
 * The returned function blocks while it serves and says whether the thread should live on.
 * @param {(answer: { problem: string | null }) => void} post
 */
export function createReceiver(post) {
  /** @type {ReturnType<typeof createWorker> | undefined} */
  let worker
  return (/** @type {Message} */ { start, module, first = 0 }) => {
    let problem = null
    try {
      if (start) worker = createWorker(start)
      if (module) worker?.add(module, first)
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
    }
    post({ problem })
    return worker ? worker.serve() : true
  }
}
