// A worker that ends, with exit code 7, whenever it is told to train a certain clip.
const [, , worker = '', clip] = process.argv
// First, since messages are read from the moment that somebody listens.
await import(worker)
process.on('message', (/** @type {{ type: string, clip?: number }} */ message) => {
  if (message.type === 'train' && message.clip === Number(clip)) process.exit(7)
})
