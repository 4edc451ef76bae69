// What a worker thread does: it sleeps on the epoch word and then runs chunks of a kernel, or returns to its event
// loop to receive a module, or ends. A kernel is `(chunk, scratch, ...args)`; which thread runs a chunk is left to
// chance, so a chunk must not depend on another.
import { argsAt, command, word } from './layout.js'

/**
 * @typedef {(chunk: number, scratch: number, ...args: number[]) => void} KernelFunction
 * @typedef {{ memory: WebAssembly.Memory, scratch: number }} Start
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
 * @param {number[]} args
 */
export function runChunks(kernel, control, chunks, scratch, args) {
  for (;;) {
    const chunk = Atomics.add(control, word.next, 1)
    if (chunk >= chunks) return
    kernel(chunk, scratch, ...args)
  }
}

/**
 * @param {Start} start
 * @returns a function that receives modules, or `null` to start serving
 */
export function createWorker({ memory, scratch }) {
  const control = new Int32Array(memory.buffer, 0, 64)
  /** @type {KernelFunction[]} */
  const kernels = []
  let seen = 0

  /** Serves launches until the pool says otherwise; true when it wants to send a message. */
  const serve = () => {
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
        if (!kernel) throw new Error('unknown kernel')
        runChunks(kernel, control, Atomics.load(control, word.chunks), scratch, args)
      } catch {
        Atomics.store(control, word.failed, 1)
      }
      if (Atomics.sub(control, word.running, 1) === 1) Atomics.notify(control, word.running)
    }
  }

  return {
    /** @param {WebAssembly.Module} module */
    add(module) {
      kernels.push(...instantiate(module, memory).functions)
    },
    serve,
  }
}
