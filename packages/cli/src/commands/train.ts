import { readFile } from 'node:fs/promises'
import { createImageStore, openDataset, readMeta } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import type { DeviceName } from '@clipgstream/tensor'
import {
  type Config,
  datasetOptions as configured,
  type DoneEvent,
  resolveConfig,
  type TrainEvent,
  train,
  trainingData,
} from '@clipgstream/trainer'
import { createLogWriter, openRunFolder, trainOnDevices } from '@clipgstream/trainer/node'
import { CommandError } from '../command-error.js'
import { type DataFlags, datasetOptions } from '../data.js'
import { openDevice } from '../device.js'
import { exitCodes } from '../report.js'
import { stopOnSignals } from '../signals.js'
import type { Terminal } from '../terminal.js'
import { createTrainDisplay } from '../train-display.js'

interface TrainFlags extends DataFlags {
  preset?: string
  config?: string
  set?: readonly string[]
  iterations?: number
  clips?: number[]
  seed?: number
  resume?: boolean
  device: DeviceName
  devices?: DeviceName[]
  threads?: number
}

/**
 * Trains and shows how it goes. The first Ctrl-C or SIGTERM stops after the running step, with checkpoints; 130 or 143
 * then. 1 when clips failed that others did not depend on.
 */
export async function trainCommand(
  terminal: Terminal,
  path: string,
  runPath: string,
  flags: TrainFlags,
): Promise<number> {
  const config = await effectiveConfig(flags, path)
  const { frames, allowGaps } = datasetOptions(flags)
  const dataset = await openDataset(nodeFolder(path), {
    ...configured(config),
    ...(frames && { frames }),
    ...(allowGaps && { allowGaps }),
  })
  for (const { severity, message } of dataset.problems) terminal.line(`${severity}: ${message}`)
  const data = await trainingData(dataset, createImageStore(dataset, createNodeDecoder()), config)
  const stop = stopOnSignals()
  const { clips, resume, threads } = flags
  const common = { data, config, signal: stop.signal, ...(clips && { clips }), ...(resume && { resume }) }
  try {
    const [single, ...others] = flags.devices ?? [flags.device]
    let done: DoneEvent | null
    if (single !== undefined && others.length === 0) {
      using device = await openDevice(single, threads)
      done = await follow(terminal, runPath, train({ ...common, device, run: await openRunFolder(runPath) }))
    } else {
      const source = { folder: path, ...(frames && { frames }), ...(allowGaps && { allowGaps }) }
      const devices = flags.devices ?? []
      const events = trainOnDevices({ ...common, dataset: source, run: runPath, devices, ...(threads && { threads }) })
      done = await follow(terminal, runPath, events)
    }
    if (!done) return stop.exitCode()
    return done.failed ? exitCodes.input : 0
  } finally {
    stop[Symbol.dispose]()
  }
}

/** Logs and shows events; gives the last one, or null for a run that was stopped before. */
async function follow(
  terminal: Terminal,
  runPath: string,
  events: AsyncIterable<TrainEvent>,
): Promise<DoneEvent | null> {
  const logs = await createLogWriter(runPath)
  using display = createTrainDisplay(terminal, runPath)
  let done: DoneEvent | null = null
  for await (const event of events) {
    await logs.write(event)
    display.show(event)
    if (event.type === 'done') done = event
  }
  return done
}

/** Clips are as long as the dataset's clouds were made for, unless something says otherwise. */
async function effectiveConfig(flags: TrainFlags, dataset: string): Promise<Config> {
  const overrides = [
    ...(flags.clipSize !== undefined ? [`clips.size=${flags.clipSize}`] : []),
    ...(flags.downsample !== undefined ? [`sampling.downsample=${flags.downsample}`] : []),
    ...(flags.hold !== undefined ? [`sampling.hold=${flags.hold}`] : []),
    ...(flags.testCameras ? [`sampling.testCameras=${JSON.stringify(flags.testCameras)}`] : []),
    ...(flags.iterations !== undefined ? [`optimizer.iterations=${flags.iterations}`] : []),
    ...(flags.seed !== undefined ? [`sampling.seed=${flags.seed}`] : []),
    ...(flags.set ?? []),
  ]
  const file = flags.config === undefined ? {} : await readSettings(flags.config)
  const { clipSize } = await readMeta(nodeFolder(dataset), [])
  if (clipSize !== null && !namesClipSize(file)) overrides.unshift(`clips.size=${clipSize}`)
  return resolveConfig({ file, overrides, ...(flags.preset !== undefined && { preset: flags.preset }) })
}

function namesClipSize(settings: unknown): boolean {
  if (typeof settings !== 'object' || settings === null || !('clips' in settings)) return false
  const { clips } = settings
  return typeof clips === 'object' && clips !== null && 'size' in clips
}

async function readSettings(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CommandError(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}
