import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Host } from './host.js'

export const host: Host = {
  cores: availableParallelism(),
  canShare: true,
  canBlock: true,
  readBytes: async (url) => new Uint8Array(await readFile(url)),
  async startWorker() {
    const worker = new Worker(new URL('./worker.node.js', import.meta.url))
    worker.unref()
    return {
      post: (message) => worker.postMessage(message),
      nextMessage: () =>
        new Promise((resolve, reject) => {
          worker.ref()
          const settle = (done: () => void) => {
            worker.unref()
            worker.off('message', onMessage)
            worker.off('error', onError)
            done()
          }
          const onMessage = () => settle(resolve)
          const onError = (error: Error) => settle(() => reject(error))
          worker.on('message', onMessage)
          worker.on('error', onError)
        }),
      terminate: () => void worker.terminate(),
    }
  },
}
