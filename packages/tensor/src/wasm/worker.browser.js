import { createReceiver } from './worker-loop.js'

const receive = createReceiver((answer) => postMessage(answer))

addEventListener('message', ({ data }) => {
  if (!receive(data)) close()
})
