import { IoError, OptionError } from '../errors.js'
import type { Vfs } from '../vfs/vfs.js'
import { readBlender } from './blender.js'
import { readClipStreamFolder, readColmapImages, readColmapVideos, readUncalibrated } from './colmap.js'
import { type Detection, detectCapture } from './detect.js'
import { readEasyvolcap } from './easyvolcap.js'
import { Reading } from './finish.js'
import { readLlff } from './llff.js'
import { readNerfies } from './nerfies.js'
import { readNerfstudio } from './nerfstudio.js'
import { readPanoptic } from './panoptic.js'
import { readPose2sim } from './pose2sim.js'
import { readQualisys } from './qualisys.js'
import type { Capture, CaptureKind, CaptureOptions } from './types.js'

/** A folder is in no layout that is known; the message says what was looked for. */
export class UnknownCaptureError extends IoError {}

/**
 * Reads the cameras and finds the recordings of a folder in any layout of {@link CaptureKind}; images and videos are not
 * opened. Throws an {@link UnknownCaptureError} for a folder in none of them, a `FormatError` (file, place, expected, actual)
 * for a broken file and a `DatasetError` with everything that is wrong when the parts do not fit together.
 */
export async function openCapture(vfs: Vfs, options: CaptureOptions = {}): Promise<Capture> {
  checkOptions(options)
  const detection = await detectCapture(vfs)
  const kind = options.kind ?? detection.kind
  if (kind === null) throw new UnknownCaptureError(detection.reason)
  const reading = new Reading(vfs, options)
  if (detection.also.length > 0 && options.kind === undefined) {
    const message = `read as ${kind} (${detection.reason}); files of ${detection.also.join(', ')} are there, too`
    reading.findings.note('assumed', message)
  }
  return read(kind, reading, detection)
}

function read(kind: CaptureKind, reading: Reading, detection: Detection): Promise<Capture> {
  const file = (): string => {
    if (detection.kind === kind && detection.file !== null) return detection.file
    throw new OptionError('kind', kind, `a layout whose files are there (${detection.reason})`)
  }
  switch (kind) {
    case 'clip-stream':
      return readClipStreamFolder(reading)
    case 'colmap-videos':
      return readColmapVideos(reading)
    case 'colmap':
      return readColmapImages(reading)
    case 'panoptic':
      return readPanoptic(reading)
    case 'nerfstudio':
      return readNerfstudio(reading)
    case 'blender':
      return readBlender(reading)
    case 'nerfies':
      return readNerfies(reading)
    case 'llff':
      return readLlff(reading)
    case 'easyvolcap':
      return readEasyvolcap(reading)
    case 'qualisys':
      return readQualisys(reading, file())
    case 'pose2sim':
      return readPose2sim(reading, file())
    case 'videos':
    case 'images':
      return readUncalibrated(reading, kind)
    default:
      return kind satisfies never
  }
}

function checkOptions({ background, masks }: CaptureOptions): void {
  if (background?.some((value) => !(value >= 0 && value <= 1)))
    throw new OptionError('background', background.join(' '), 'three numbers in [0, 1]')
  if (masks !== undefined && (masks === '' || masks.includes('/')))
    throw new OptionError('masks', masks, 'the name of a folder')
}
