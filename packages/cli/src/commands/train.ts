import { readFile } from 'node:fs/promises'
import { createImageStore, openDataset } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import { type DeviceName, selectDevice } from '@clipgstream/tensor'
import {
  type Config,
  datasetOptions as configured,
  resolveConfig,
  type TrainEvent,
  train,
  trainingData,
} from '@clipgstream/trainer'
import { createLogWriter, openRunFolder } from '@clipgstream/trainer/node'
import { CommandError } from '../command-error.js'
import { type DataFlags, datasetOptions } from '../data.js'
import { bytesText, durationText, type Progress, type Terminal } from '../terminal.js'

interface TrainFlags extends DataFlags {
  preset?: string
  config?: string
  set?: readonly string[]
  iterations?: number
  clips?: number[]
  seed?: number
  resume?: boolean
  device: DeviceName
  threads?: number
}

/** Trains and shows how it goes. The first Ctrl-C stops after the running step, with a checkpoint; 130 then. */
export async function trainCommand(
  terminal: Terminal,
  path: string,
  runPath: string,
  flags: TrainFlags,
): Promise<number> {
  const config = await effectiveConfig(flags)
  const { frames, allowGaps } = datasetOptions(flags)
  const dataset = await openDataset(nodeFolder(path), {
    ...configured(config),
    ...(frames && { frames }),
    ...(allowGaps && { allowGaps }),
  })
  for (const { severity, message } of dataset.problems) terminal.line(`${severity}: ${message}`)
  using device = await selectDevice(flags.device, { ...(flags.threads && { threads: flags.threads }) })
  const run = await openRunFolder(runPath)
  const data = await trainingData(dataset, createImageStore(dataset, createNodeDecoder()), config)
  const interrupt = new AbortController()
  const onSignal = () => interrupt.abort()
  process.once('SIGINT', onSignal)
  const logs = await createLogWriter(runPath)
  const show = createDisplay(terminal, runPath)
  let aborted = false
  try {
    const { clips, resume } = flags
    const events = train({
      data,
      device,
      run,
      config,
      signal: interrupt.signal,
      ...(clips && { clips }),
      ...(resume && { resume }),
    })
    for await (const event of events) {
      await logs.write(event)
      show(event)
      aborted ||= event.type === 'aborted'
    }
  } finally {
    process.off('SIGINT', onSignal)
  }
  return aborted ? 130 : 0
}

async function effectiveConfig(flags: TrainFlags): Promise<Config> {
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
  return resolveConfig({ file, overrides, ...(flags.preset !== undefined && { preset: flags.preset }) })
}

async function readSettings(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CommandError(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Turns events into lines and one progress bar a clip. */
function createDisplay(terminal: Terminal, runPath: string): (event: TrainEvent) => void {
  let progress: Progress | undefined
  const stop = () => {
    progress?.stop()
    progress = undefined
  }
  return (event) => {
    terminal.event(event.type === 'evaluation' ? { ...event, sample: undefined } : event)
    switch (event.type) {
      case 'start':
        terminal.line(
          `${event.device}: ${event.clips.length} clips, ${event.frames} frames, ` +
            `${event.cameras.train} training and ${event.cameras.test} test cameras`,
        )
        return
      case 'clip-skip':
        terminal.line(`clip ${event.clip} is complete`)
        return
      case 'clip-start': {
        const { inherited, own } = event.anchors
        const anchors = inherited > 0 ? `${inherited} inherited + ${own} new anchors` : `${own} anchors`
        const resumed = event.resumedAt > 0 ? `, resumed at ${event.resumedAt}` : ''
        const range = `frames ${event.frames.start}-${event.frames.end - 1}`
        terminal.line(`clip ${event.clip} (${event.kind}, ${range}): ${anchors}${resumed}`)
        progress = terminal.progress(`clip ${event.clip}`, event.steps)
        return
      }
      case 'step':
        progress?.update(
          event.iteration,
          `loss ${event.loss.toFixed(4)}  ${event.psnr.toFixed(2)} dB  ${bytesText(event.bytes)}`,
        )
        return
      case 'evaluation': {
        stop()
        const compensated =
          event.psnrCompensated === undefined ? '' : ` (${event.psnrCompensated.toFixed(2)} dB with colours fitted)`
        terminal.line(
          `clip ${event.clip} at ${event.iteration}: test ${event.psnr.toFixed(2)} dB${compensated}, SSIM ${event.ssim.toFixed(4)}`,
        )
        return
      }
      case 'checkpoint':
        return
      case 'growth':
        terminal.line(
          `clip ${event.clip} at ${event.iteration}: ${event.added} anchors added, ${event.removed} removed`,
        )
        return
      case 'clip-end':
        stop()
        terminal.line(
          `clip ${event.clip} done in ${durationText(event.seconds)}: ${bytesText(event.bytes)} on disk, ` +
            `${bytesText(event.peakBytes)} of device memory at most`,
        )
        return
      case 'warning':
        terminal.line(`warning: ${event.message}`)
        return
      case 'aborted':
        stop()
        terminal.line(`stopped in clip ${event.clip} at ${event.iteration}; go on with --resume`)
        return
      case 'done':
        stop()
        terminal.line(
          `${event.clips.length} clips in ${durationText(event.seconds)}, ${bytesText(event.bytes)}: ${runPath}`,
        )
        return
      default:
        event satisfies never
    }
  }
}
