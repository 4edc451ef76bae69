import { type CloudSource, cloudSources, type ProcessOptions, type StepName, stepNames } from '@clipgstream/process'
import type { DeviceName } from '@clipgstream/tensor'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { CommandError } from './command-error.js'
import { collect, parseCount, parseNumber, parseRange } from './options.js'

export interface ProcessFlags {
  frames?: readonly [number, number]
  every?: number
  fps?: number
  offsets?: string
  align?: 'audio' | 'check'
  lengths?: 'refuse' | 'shortest' | 'gaps'
  allowGaps?: boolean
  damaged?: 'refuse' | 'keep'
  calibrate?: 'colmap'
  colmap?: string
  colmapFrames?: number
  colmapNeighbours?: number
  colmapSet?: readonly string[]
  cameraModel?: string
  sharedLens?: boolean
  allowMissingCameras?: boolean
  pixelCentres?: 'half' | 'integer'
  masks?: string
  blankPixels?: number
  downscale?: number
  format?: 'jpg' | 'png'
  quality?: number
  clouds?: CloudSource
  cloudEvery?: number
  stereoAllCameras?: boolean
  stereoWholeFrames?: boolean
  stereoCover?: boolean
  stereoHalvings?: number
  voxel?: number
  threshold?: number
  originalConstants?: boolean
  maxPoints?: number
  distantPoints?: number
  randomPoints?: number
  clipSize?: number
  testCameras?: string[]
  hold?: number
  force?: true | readonly StepName[]
  ignoreDisk?: boolean
  device: DeviceName
  threads?: number
}

export function addProcessFlags(command: Command): Command {
  return command
    .option('--frames <range>', 'only these frames of the recordings, such as 0-99', parseRange)
    .option('--every <n>', 'every n-th frame', parseCount)
    .option('--fps <rate>', 'frames a second of the dataset (default: the videos’)', parseNumber)
    .option(
      '--offsets <list>',
      'frame of each camera that shows the first moment: cam01=3,cam02=-1, or a file of such lines',
    )
    .addOption(
      new Option(
        '--align <how>',
        'audio: find offsets by sound; check: say which cameras’ motion is out of step',
      ).choices(['audio', 'check']),
    )
    .addOption(
      new Option('--lengths <policy>', 'when cameras have different numbers of frames').choices([
        'refuse',
        'shortest',
        'gaps',
      ]),
    )
    .option('--allow-gaps', 'the same as --lengths gaps')
    .addOption(new Option('--damaged <policy>', 'videos that are cut off').choices(['refuse', 'keep']))
    .addOption(
      new Option('--calibrate <how>', 'compute the cameras although, or because, there is no calibration').choices([
        'colmap',
      ]),
    )
    .option('--colmap <program>', 'where COLMAP is (default: on PATH)')
    .option(
      '--colmap-frames <n>',
      'moments of which COLMAP gets the images; a camera has one pose in all of them (default 1)',
      parseCount,
    )
    .option(
      '--colmap-neighbours <n>',
      'match only cameras so near in the order of names, which go around a ring (default: those that see the same things)',
      parseCount,
    )
    .option(
      '--colmap-set <command.option=value>',
      'an option of a COLMAP command, such as mapper.Mapper.init_min_tri_angle=8; may be repeated',
      collect,
    )
    .option(
      '--camera-model <name>',
      'lens that COLMAP fits (default: SIMPLE_RADIAL, or OPENCV where it fits clearly better)',
    )
    .option('--shared-lens', 'all cameras have the same lens')
    .option('--allow-missing-cameras', 'go on without cameras that COLMAP cannot place')
    .addOption(
      new Option('--pixel-centres <where>', 'of the calibration (default: what its format does)').choices([
        'half',
        'integer',
      ]),
    )
    .option('--masks <folder>', 'name of the folders of masks beside those of the images')
    .option('--blank-pixels <share>', 'share of blank pixels in undistorted images, 0 to 1 (default 0)', parseNumber)
    .option('--downscale <factor>', 'divide the image size by this factor', parseNumber)
    .addOption(new Option('--format <name>', 'of images').choices(['jpg', 'png']))
    .option('--quality <n>', 'of JPEG images, 1 to 100 (default 95)', parseQuality)
    .addOption(
      new Option(
        '--clouds <source>',
        'fused: stereo/fused.ply of COLMAP; stereo: our own; given: the source’s; sparse: COLMAP’s points, or corners; random',
      ).choices(cloudSources),
    )
    .option('--cloud-every <n>', 'every n-th frame of a clip gets a cloud (default 1)', parseCount)
    .option('--stereo-all-cameras', 'test cameras take part in stereo, too')
    .option('--stereo-whole-frames', 'stereo of every frame whole, not of what moves alone')
    .option('--no-stereo-cover', 'no rough points where what stands still has no texture')
    .option('--stereo-halvings <n>', 'halve the images for stereo so many times', parseWhole)
    .option('--voxel <edge>', 'edge of the voxels of clouds, world units (default: scaled with the scene)', parseNumber)
    .option(
      '--threshold <distance>',
      'from clip 0 to what is new, world units (default: 5/12 of the voxel of what moves)',
      parseNumber,
    )
    .option('--original-constants', 'voxel 0.012 and threshold 0.005, whatever the scale of the scene')
    .option('--max-points <n>', 'points of clip 0 before voxels grow (default 100000)', parseCount)
    .option('--distant-points <n>', 'random points far away, where clip 0 has none (default 0)', parseWhole)
    .option('--random-points <n>', 'points of --clouds random (default 20000)', parseCount)
    .option('--clip-size <frames>', 'frames of a clip (default 10)', parseCount)
    .option('--test-cameras <names>', 'cameras that are not trained on, separated by commas', (text) => text.split(','))
    .option('--hold <n>', 'every n-th camera is a test camera when nothing names them (default 10)', parseCount)
    .option(
      '--force [steps]',
      `do again: ${stepNames.join(', ')}, or all; behind the folders, or as --force=STEPS`,
      parseSteps,
    )
    .option('--ignore-disk', 'go on although the disk seems too small')
}

/** Options of `processRecordings`; `offsets` are those that were read. */
export function processOptions(flags: ProcessFlags, offsets: Readonly<Record<string, number>>): ProcessOptions {
  const { frames, align, allowGaps, force, testCameras, hold, colmap, colmapSet, cameraModel, sharedLens } = flags
  const { allowMissingCameras, ...rest } = flags
  const names = [
    'every',
    'fps',
    'damaged',
    'calibrate',
    'colmapFrames',
    'pixelCentres',
    'masks',
    'blankPixels',
    'downscale',
    'format',
    'quality',
    'clouds',
    'cloudEvery',
    'stereoAllCameras',
    'stereoWholeFrames',
    'stereoCover',
    'stereoHalvings',
    'voxel',
    'threshold',
    'originalConstants',
    'maxPoints',
    'distantPoints',
    'randomPoints',
    'clipSize',
    'ignoreDisk',
    'device',
    'threads',
  ] as const
  const same = Object.fromEntries(names.flatMap((name) => (rest[name] === undefined ? [] : [[name, rest[name]]])))
  const test = testCameras
    ? { names: testCameras.map((name) => (/^\d+$/.test(name) ? Number(name) : name)) }
    : hold === undefined
      ? null
      : { every: hold }
  const lengths = flags.lengths ?? (allowGaps ? 'gaps' : undefined)
  return {
    ...same,
    offsets,
    ...(frames && { frames: [frames[0], frames[1] + 1] as const }),
    ...(lengths && { lengths }),
    ...(align === 'audio' && { alignAudio: true }),
    ...(align === 'check' && { checkAlignment: true }),
    ...(test && { test }),
    ...(force && { force: force === true ? stepNames : force }),
    colmap: {
      ...(colmap !== undefined && { program: colmap }),
      ...(cameraModel !== undefined && { cameraModel }),
      ...(sharedLens && { sharedLens }),
      ...(allowMissingCameras && { allowMissing: true }),
      ...(flags.colmapNeighbours !== undefined && { neighbours: flags.colmapNeighbours }),
      ...(colmapSet && { set: parseColmapSet(colmapSet) }),
    },
  }
}

/** `cam01=3,cam02=-1`, also with newlines, spaces and comments after #. */
export function parseOffsets(text: string): Record<string, number> {
  const offsets: Record<string, number> = {}
  const words = text.split('\n').flatMap((line) => (line.split('#')[0] ?? '').split(/[,\s]+/))
  for (const part of words.filter((word) => word !== '')) {
    const match = /^(.+)=([+-]?\d+)$/.exec(part)
    if (!match?.[1]) throw new CommandError(`expected offsets such as cam01=3,cam02=-1, got ${part}`, 2)
    offsets[match[1]] = Number(match[2])
  }
  return offsets
}

function parseColmapSet(settings: readonly string[]): Record<string, Record<string, string>> {
  const set: Record<string, Record<string, string>> = {}
  for (const setting of settings) {
    const match = /^(feature_extractor|matcher|mapper)\.([\w.]+)=(.*)$/.exec(setting)
    if (!match?.[1] || !match[2])
      throw new CommandError(
        `expected feature_extractor, matcher or mapper, a dot, an option and its value, such as mapper.Mapper.init_min_tri_angle=8; got ${setting}`,
        2,
      )
    set[match[1]] = { ...set[match[1]], [match[2]]: match[3] ?? '' }
  }
  return set
}

function parseSteps(text: string): readonly StepName[] {
  if (text === 'all') return stepNames
  return text.split(',').map((part) => {
    const step = stepNames.find((name) => name === part.trim())
    if (!step) throw new InvalidArgumentError(`expected steps out of ${stepNames.join(', ')}, or all`)
    return step
  })
}

function parseQuality(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 100) throw new InvalidArgumentError('expected 1 to 100')
  return value
}

function parseWhole(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('expected a whole number')
  return value
}
