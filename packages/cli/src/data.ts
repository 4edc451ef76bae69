import type { DatasetOptions } from '@clipgstream/io'
import type { Command } from 'commander'
import { parseCount, parseNumber, parseRange } from './options.js'

/** Flags of every command that reads a dataset. */
export interface DataFlags {
  clipSize?: number
  downsample?: number
  testCameras?: string[]
  hold?: number
  frames?: readonly [number, number]
  allowGaps?: boolean
}

export function addDataFlags(command: Command): Command {
  return command
    .option('--clip-size <frames>', 'frames of a clip (default: meta.json, else 10)', parseCount)
    .option('--downsample <factor>', 'divide the image size by this factor', parseNumber)
    .option('--test-cameras <names>', 'cameras that are not trained on, separated by commas', (text) => text.split(','))
    .option('--hold <n>', 'every n-th camera is a test camera when nothing names them', parseCount)
    .option('--frames <range>', 'only these frames, such as 0-19', parseRange)
    .option('--allow-gaps', 'go on when images or clouds are missing')
}

export function datasetOptions(flags: DataFlags): DatasetOptions {
  const { clipSize, downsample, testCameras, hold, frames, allowGaps } = flags
  return {
    ...(clipSize !== undefined && { clipSize }),
    ...(downsample !== undefined && { downsample }),
    ...(testCameras && { testCameras: testCameras.map((name) => (/^\d+$/.test(name) ? Number(name) : name)) }),
    ...(hold !== undefined && { hold }),
    ...(frames && { frames: [frames[0], frames[1] + 1] as const }),
    ...(allowGaps && { allowGaps }),
  }
}
