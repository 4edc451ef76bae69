import { parentPort } from 'node:worker_threads'
import { createReceiver } from './worker-loop.js'

if (!parentPort) throw new Error('this file runs as a worker thread')
const port = parentPort
const receive = createReceiver((answer) => port.postMessage(answer))

port.on('message', (message) => {
  if (!receive(message)) port.close()
})
