import { parentPort } from 'node:worker_threads'
import { createWorker } from './worker-loop.js'

if (!parentPort) throw new Error('this file runs as a worker thread')
const port = parentPort
/** @type {ReturnType<typeof createWorker> | undefined} */
let worker

port.on('message', (message) => {
  if (message.start) worker = createWorker(message.start)
  if (message.module) worker?.add(message.module)
  port.postMessage('ready')
  if (worker && !worker.serve()) port.close()
})
