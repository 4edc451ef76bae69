// The worker that trains: a page thread may neither block, as the wasm device does, nor be kept waiting.
import type { FromWorker, ToWorker } from '../messages.js'
import { packRun } from './save.js'
import { Training } from './training.js'

let training: Training | null = null

const tell = (message: FromWorker) => postMessage(message)

addEventListener('message', async ({ data: message }: MessageEvent<ToWorker>) => {
  try {
    await follow(message)
  } catch (error) {
    tell({ type: 'problem', message: error instanceof Error ? error.message : String(error), kept: null })
  }
})

async function follow(message: ToWorker): Promise<void> {
  switch (message.type) {
    case 'start':
      training = new Training(message.settings, message.source, tell)
      return training.proceed(message.canvas)
    case 'go-on':
      return training?.proceed(message.canvas)
    case 'look':
      return training?.look(message.look)
    case 'pause':
      return training?.pause(message.paused)
    case 'stop':
      return training?.stop()
    case 'save':
      if (training) tell({ type: 'saved', name: 'clipstream.zip', bytes: await packRun(training.run) })
      return
  }
}
