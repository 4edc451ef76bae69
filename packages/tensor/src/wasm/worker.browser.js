import { createWorker } from './worker-loop.js'

/** @type {ReturnType<typeof createWorker> | undefined} */
let worker

addEventListener('message', ({ data }) => {
  if (data.start) worker = createWorker(data.start)
  if (data.module) worker?.add(data.module)
  postMessage('ready')
  if (worker && !worker.serve()) close()
})
