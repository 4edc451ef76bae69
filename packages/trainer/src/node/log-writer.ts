import { appendFile, mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { encodePng } from '@clipgstream/io/node'
import type { TrainEvent } from '../events.js'
import { type EventRecord, encodeEvent, encodeFileVersion } from '../logs/tensorboard.js'

/** Takes every event of a run. */
export interface LogWriter {
  write(event: TrainEvent): Promise<void>
}

/**
 * Appends to `folder/events.jsonl` (every event, with the time and without images) and, one file a writer, to a
 * TensorBoard event file `folder/events.out.tfevents.*` whose scalars and images are named by clip.
 */
export async function createLogWriter(folder: string, now: () => number = Date.now): Promise<LogWriter> {
  await mkdir(folder, { recursive: true })
  const lines = join(folder, 'events.jsonl')
  const seconds = () => now() / 1000
  const board = join(folder, `events.out.tfevents.${Math.floor(seconds())}.${hostname()}.${process.pid}`)
  await appendFile(board, encodeFileVersion(seconds()))
  return {
    async write(event) {
      await appendFile(lines, `${jsonLine(event, now())}\n`)
      const record = await recordOf(event, seconds())
      if (record) await appendFile(board, encodeEvent(record))
    },
  }
}

/** An event as one line of JSON, without pixels. */
export function jsonLine(event: TrainEvent, time: number): string {
  const plain = event.type === 'evaluation' ? { ...event, sample: undefined } : event
  return JSON.stringify({ time: new Date(time).toISOString(), ...plain })
}

async function recordOf(event: TrainEvent, wallTime: number): Promise<EventRecord | null> {
  switch (event.type) {
    case 'step': {
      const { clip, iteration: step, loss, l1, ssim, psnr, rate, visible, gaussians, bytes, rates } = event
      const values = { loss, l1, ssim, psnr, rate, visible, gaussians, bytes }
      const scalars = { ...named(`clip${clip}/train`, values), ...named(`clip${clip}/learning-rate`, rates) }
      return { wallTime, step, scalars }
    }
    case 'evaluation': {
      const { clip, iteration: step, psnr, ssim, psnrCompensated, cameras, sample } = event
      const { camera, width, height, rendered, target } = sample
      return {
        wallTime,
        step,
        scalars: {
          ...named(`clip${clip}/test`, { psnr, ssim, psnrCompensated }),
          ...Object.fromEntries(
            cameras.flatMap((score) => [
              [`clip${clip}/test-psnr/${score.camera}`, score.psnr],
              [`clip${clip}/test-psnr-compensated/${score.camera}`, score.psnrCompensated],
            ]),
          ),
        },
        images: [
          {
            tag: `clip${clip}/${camera}/rendered`,
            width,
            height,
            png: await encodePng({ width, height, data: rendered }),
          },
          {
            tag: `clip${clip}/${camera}/photograph`,
            width,
            height,
            png: await encodePng({ width, height, data: target }),
          },
        ],
      }
    }
    case 'growth':
      return {
        wallTime,
        step: event.iteration,
        scalars: named(`clip${event.clip}/growth`, {
          added: event.added,
          removed: event.removed,
          anchors: event.anchors,
        }),
      }
    default:
      return null
  }
}

function named(prefix: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]))
}
