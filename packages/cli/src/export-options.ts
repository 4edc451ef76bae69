import { type Command, Option } from 'commander'
import { parseCount, parseIndices, parseNumber } from './options.js'

export const exportFormats = ['ply', 'spz', 'sog', 'glb'] as const
export type ExportFormat = (typeof exportFormats)[number]

export interface ExportFlags {
  format: ExportFormat
  frames?: number[]
  path?: 'orbit' | 'spiral' | 'through'
  steps?: number
  rate: number
  out?: string
}

/** The options of `export` that say what is written. */
export function addExportFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--format <name>',
        'ply: 3DGS; spz: Niantic; sog and glb: by @playcanvas/splat-transform, if installed',
      )
        .choices(exportFormats)
        .default('ply'),
    )
    .option('--frames <indices>', 'frames to write (default: all trained)', parseIndices)
    .addOption(
      new Option('--path <kind>', "a camera path for Blender's add-on instead: camera_path.json").choices([
        'orbit',
        'spiral',
        'through',
      ]),
    )
    .option('--steps <n>', 'cameras of the path (default: the number of frames)', parseCount)
    .option('--rate <n>', 'frames a second of the path', parseNumber, 30)
    .option('--out <folder>', 'where to write (default: <run>/export)')
}
