import type { RgbImage } from '@clipgstream/io'
import { type Finding, some } from './finding.js'
import { decodeSmall, nearestImage } from './pictures.js'
import { sharpnessOf } from './sharpness.js'
import { median, spread } from './statistics.js'
import type { Subject } from './subject.js'

/** Three images of a camera: the first, the middle and the last. */
export interface Portrait {
  readonly images: readonly { readonly frame: number; readonly image: RgbImage }[]
  /** Of the middle image, null without one. */
  readonly sharpness: number | null
}

/** Longest sides of the images of a contact sheet, and of those that sharpness is measured in. */
export const thumbnail = 220
export const detailed = 1280

export async function portraits(subject: Subject, taken: (camera: string) => void): Promise<Portrait[]> {
  const { cameras, first, end, vfs } = subject
  const found: Portrait[] = []
  for (const { path, name } of cameras) {
    const wanted = [first, (first + end) >> 1, end - 1].map((frame) => nearestImage(path, frame, first, end))
    const frames = [...new Set(wanted)].filter((frame) => frame !== null)
    const images: { frame: number; image: RgbImage }[] = []
    let sharpness: number | null = null
    for (const frame of frames) {
      const file = path(frame)
      if (file === null) continue
      const bytes = await vfs.read(file)
      try {
        images.push({ frame, image: await decodeSmall(subject, file, bytes, thumbnail) })
        if (frame === wanted[1]) sharpness = sharpnessOf(await decodeSmall(subject, file, bytes, detailed))
      } catch {
        // Found, with its reason, where every image is looked at.
      }
    }
    found.push({ images, sharpness })
    taken(name)
  }
  return found
}

/** Cameras that are much less sharp than the others. */
export function sharpnessFindings({ cameras }: Subject, found: readonly Portrait[]): Finding[] {
  const values = found.flatMap(({ sharpness }) => (sharpness ? [Math.log2(sharpness)] : []))
  if (values.length < 4) return []
  const usual = median(values)
  const limit = usual - Math.max(0.6, 4 * spread(values))
  return cameras.flatMap(({ index, name }): Finding[] => {
    const own = found[index]?.sharpness
    if (!own || Math.log2(own) >= limit) return []
    return [
      {
        severity: 'look',
        check: 'sharpness',
        what: 'less sharp than the other cameras',
        where: name,
        figure: `${own.toFixed(2)}, usual ${(2 ** usual).toFixed(2)}`,
        remedy: 'check focus, motion blur and compression; a blurred camera blurs the scene',
      },
    ]
  })
}

/** Cameras whose brightness is far from that of the others, for scenes without a cloud to compare colours by. */
export function exposureFindings({ cameras }: Subject, levels: readonly (number | null)[]): Finding[] {
  const usual = median(levels.filter((level) => level !== null))
  const far = cameras.flatMap(({ index, name }) => {
    const level = levels[index]
    return level && level > 6 && Math.abs(Math.log2(level / usual)) > 0.8 ? [`${name} ${level.toFixed(0)}`] : []
  })
  if (far.length === 0 || levels.length < 4) return []
  return [
    {
      severity: 'look',
      check: 'colour',
      what: 'brightness far from that of the other cameras',
      where: some(far),
      figure: `usual ${usual.toFixed(0)} of 255`,
      remedy: 'check whether they see something else, or their exposure',
    },
  ]
}
