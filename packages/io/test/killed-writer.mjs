// Begins to replace a file and waits in the middle to be killed.
import { writeAtomicStream } from '@clipgstream/io/node'

const [path = ''] = process.argv.slice(2)
await writeAtomicStream(
  path,
  (async function* () {
    yield new Uint8Array(100_000)
    process.send?.('written')
    await new Promise((resolve) => setTimeout(resolve, 60_000))
  })(),
)
