// Entry of a process that trains clips on one device, as it is told through its channel.
import { createImageStore, IoError, openDataset } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { ClipgstreamError, type Device, selectDevice } from '@clipgstream/tensor'
import type { TrainingData } from '../../data.js'
import { datasetOptions, trainingData } from '../../dataset.js'
import type { RunFolder } from '../../stream/run-folder.js'
import { train } from '../../train.js'
import { openRunFolder } from '../folder.js'
import { type FromWorker, isToWorker, type WorkerJob } from './messages.js'

interface Opened {
  job: WorkerJob
  device: Device
  data: TrainingData
  run: RunFolder
}

const interrupt = new AbortController()
let opened: Opened | null = null
/** One message after the other. */
let turn: Promise<void> = Promise.resolve()

// A terminal, and whoever stops a service, signals the whole group of processes; the parent then starts no other clip.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => interrupt.abort())
process.on('disconnect', () => {
  interrupt.abort()
  turn = turn.then(() => {
    opened?.device.dispose()
    process.exit(0)
  })
})
process.on('message', (message: unknown) => {
  if (!isToWorker(message)) return
  if (message.type === 'stop') {
    interrupt.abort()
    return
  }
  const work = message.type === 'open' ? () => open(message.job) : () => trainOne(message.clip)
  turn = turn.then(work).catch((error: unknown) => send({ type: 'failed', reason: reasonOf(error) }))
})

async function open(job: WorkerJob): Promise<void> {
  const { folder, frames, allowGaps } = job.dataset
  const dataset = await openDataset(nodeFolder(folder), {
    ...datasetOptions(job.config),
    ...(frames && { frames }),
    ...(allowGaps && { allowGaps }),
  })
  const data = await trainingData(dataset, createImageStore(dataset, createNodeDecoder()), job.config)
  const device = await selectDevice(job.device, { ...(job.threads !== null && { threads: job.threads }) })
  opened = { job, device, data, run: await openRunFolder(job.run) }
  send({ type: 'opened', device: device.label })
}

async function trainOne(clip: number): Promise<void> {
  if (!opened) throw new Error('a worker was told to train before it was opened')
  const { job, device, data, run } = opened
  const { signal } = interrupt
  let aborted = false
  // What must not be trained over has been refused by the parent; here a checkpoint may be that of an earlier attempt.
  for await (const event of train({ data, device, run, config: job.config, clips: [clip], resume: true, signal })) {
    aborted ||= event.type === 'aborted'
    if (event.type !== 'start' && event.type !== 'done') send({ type: 'event', event })
  }
  send({ type: 'finished', clip, aborted })
}

/** Nobody hears it once the parent is gone. */
function send(message: FromWorker): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const expected = error instanceof ClipgstreamError || error instanceof IoError || 'syscall' in error
  return expected ? error.message : (error.stack ?? error.message)
}
