import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Answer, Host } from './host.js'

export const host: Host = {
  cores: availableParallelism(),
  canShare: true,
  canBlock: true,
  readBytes: async (url) => new Uint8Array(await readFile(url)),
  startWorker() {
    // Flags of this process (--eval, --input-type, loaders) are not for the workers.
    const worker = new Worker(new URL('./worker.node.js', import.meta.url), { execArgv: [] })
    worker.unref()
    // Without a listener an error between two questions would end the process; it shows at the next question.
    worker.on('error', () => {})
    return {
      // The process stays alive while it waits for an answer, and not for the worker otherwise.
      ask: (message) =>
        new Promise((resolve, reject) => {
          const settle = (done: () => void) => {
            worker.unref()
            worker.off('message', onMessage)
            worker.off('error', onError)
            worker.off('exit', onExit)
            done()
          }
          const onMessage = (answer: Answer) => settle(() => resolve(answer))
          const onError = (error: Error) => settle(() => reject(error))
          const onExit = (code: number) => settle(() => reject(new Error(`the worker ended with code ${code}`)))
          worker.on('message', onMessage)
          worker.on('error', onError)
          worker.on('exit', onExit)
          worker.ref()
          worker.postMessage(message)
        }),
      terminate: () => void worker.terminate(),
    }
  },
}
