import { join } from 'node:path'
import type { RgbImage } from '@clipgstream/io'
import { createNodeDecoder, encodeJpeg, encodePng } from '@clipgstream/io/node'
import type { Source } from './source.js'
import { workFolder } from './steps/step.js'
import type { FramePlan } from './timing/plan.js'
import type { ProcessOptions } from './types.js'

export function frameName(frame: number): string {
  return `frame${String(frame).padStart(6, '0')}`
}

export function imageFormat({ format = 'jpg' }: ProcessOptions): 'jpg' | 'png' {
  return format
}

export function encodeImage(image: RgbImage, { format = 'jpg', quality = 95 }: ProcessOptions): Promise<Uint8Array> {
  return format === 'png' ? encodePng(image) : encodeJpeg(image, quality)
}

/**
 * Whether a JPEG or PNG file has its end, without decoding it. No scan of a JPEG holds the marker of an end (FFD9) or of another
 * scan (FFDA); thumbnails, which have both, come before it.
 */
export function isWhole(bytes: Uint8Array): boolean {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes[0] === 0x89) return all.lastIndexOf('IEND') > 0
  return all.lastIndexOf(Buffer.of(0xff, 0xd9)) > all.lastIndexOf(Buffer.of(0xff, 0xda))
}

/** Where the frames of the dataset lie before undistortion; absolute paths, null where there is none. */
export interface Pictures {
  image(camera: string, frame: number): string | null
  mask(camera: string, frame: number): string | null
}

/** Frames of videos lie in the work folder; images are used where they are. */
export function picturesOf(source: Source, plan: FramePlan, folder: string, options: ProcessOptions): Pictures {
  const found = (camera: string, frame: number) => {
    const recording = source.recordings.get(camera)
    const own = plan.frames.get(camera)?.[frame] ?? null
    return { recording, own }
  }
  return {
    image(camera, frame) {
      const { recording, own } = found(camera, frame)
      if (own === null || !recording) return null
      if (recording.kind === 'video') return join(folder, extractedPath(camera, frame, options))
      const path = recording.images[own]?.path
      return path === undefined ? null : join(source.folder, path)
    },
    mask(camera, frame) {
      const { recording, own } = found(camera, frame)
      if (own === null || recording?.kind !== 'images') return null
      const mask = recording.images[own]?.mask ?? null
      return mask === null ? null : join(source.folder, mask)
    },
  }
}

/** Below the dataset's folder. */
export function extractedPath(camera: string, frame: number, options: ProcessOptions): string {
  return `${workFolder}/frames/${frameName(frame)}/${camera}.${imageFormat(options)}`
}

export const decoder = createNodeDecoder()
