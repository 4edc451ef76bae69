import { createHash } from 'node:crypto'
import type { RgbImage } from '@clipgstream/io'
import { decodeVideo, VideoError } from '@clipgstream/process'
import sharp from 'sharp'
import { type Finding, some } from './finding.js'
import { type FrameNote, noteOf } from './frame-note.js'
import { fitted } from './pictures.js'
import { detailed, type Portrait, thumbnail } from './portraits.js'
import { sharpnessOf } from './sharpness.js'
import { mean, median } from './statistics.js'
import type { Subject } from './subject.js'
import type { SubjectVideo } from './videos.js'
import { type Greys, greyOf, longest, timeWindow, type Watched } from './watch.js'

/** What was seen in videos, as `watch` and `portraits` see it in files; other cameras have nothing. */
export interface SeenVideos {
  readonly watched: Watched
  readonly portraits: readonly Portrait[]
  /** By camera: mean levels of red, green and blue over first, middle and last frame; null without. */
  readonly colours: readonly (readonly [number, number, number] | null)[]
}

/**
 * Decodes every frame of every video once and keeps a few numbers of each, and three pictures of each camera. A video that cannot
 * be decoded to its end is named with the frame at which it breaks.
 */
export async function watchVideos(
  subject: Subject,
  videos: readonly SubjectVideo[],
  seen: (note: string) => void,
): Promise<SeenVideos> {
  const { cameras, first, end } = subject
  const [from, to] = timeWindow(subject)
  const unreadable: { camera: number; frame: number; reason: string }[] = []
  const notes: (FrameNote | null)[][] = cameras.map(() => [])
  const greys: (Greys | null)[] = cameras.map(() => null)
  const found: Portrait[] = cameras.map(() => ({ images: [], sharpness: null }))
  const colours: (readonly [number, number, number] | null)[] = cameras.map(() => null)
  for (const { camera, name, path, info } of videos) {
    const last = Math.min(end, info?.frames ?? 0)
    if (!info || last <= first) continue
    const middle = (first + last) >> 1
    const chosen = new Set([first, middle, last - 1])
    const wanted = new Set(Array.from({ length: last - first }, (_, i) => first + i))
    const own: (FrameNote | null)[] = []
    const window: (Uint8Array | null)[] = []
    const images: { frame: number; image: RgbImage }[] = []
    let before: RgbImage | null = null
    let sharpness: number | null = null
    try {
      const sizes = (frame: number) => (chosen.has(frame) ? detailed : longest)
      for await (const { index, image } of decodeVideo(path, wanted, { longest: sizes })) {
        if (!image) continue
        if (index === middle) sharpness = sharpnessOf(image)
        if (chosen.has(index)) images.push({ frame: index, image: await shrunk(image, thumbnail) })
        const small = await shrunk(image, longest)
        own.push(noteOf(createHash('sha1').update(small.data).digest('base64'), small, before))
        if (index >= from && index < to) window.push(greyOf(small))
        greys[camera] = { width: small.width, height: small.height, frames: window }
        before = small
        seen(name)
      }
    } catch (error) {
      if (!(error instanceof VideoError)) throw error
      unreadable.push({ camera, frame: first + own.length, reason: error.message })
    }
    notes[camera] = own
    found[camera] = { images, sharpness }
    colours[camera] = meanColour(images.map(({ image }) => image))
  }
  // Shorter videos have no frames at the end.
  for (const own of notes) while (own.length < end - first) own.push(null)
  return { watched: { notes, greys, unreadable }, portraits: found, colours }
}

/** At most so many pixels on the longer side. */
async function shrunk(image: RgbImage, most: number): Promise<RgbImage> {
  const { width, height } = fitted(image, most)
  if (width === image.width && height === image.height) return image
  const raw = { width: image.width, height: image.height, channels: 3 } as const
  const data = await sharp(image.data, { raw })
    .resize(width, height, { fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer()
  return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) }
}

function meanColour(images: readonly RgbImage[]): readonly [number, number, number] | null {
  if (images.length === 0) return null
  const channel = (c: number) =>
    mean(images.map(({ data }) => mean(Array.from({ length: data.length / 3 }, (_, i) => data[3 * i + c]!))))
  return [channel(0), channel(1), channel(2)]
}

/** Stops by which red or blue, against green, may be off in one camera. */
const whiteBalance = 0.25

/** Cameras whose mean colour is not that of the others: what they see differs, too, so that this is a hint. */
export function whiteBalanceFindings({ cameras }: Subject, colours: SeenVideos['colours']): Finding[] {
  const there = cameras.flatMap(({ index, name }) => {
    const own = colours[index]
    if (!own || Math.min(...own) < 4) return []
    return [{ name, red: Math.log2(own[0] / own[1]), blue: Math.log2(own[2] / own[1]) }]
  })
  if (there.length < 3) return []
  const [red, blue] = [median(there.map((own) => own.red)), median(there.map((own) => own.blue))]
  const differences = there.map((own) => ({ ...own, red: own.red - red, blue: own.blue - blue }))
  const far = differences.filter((own) => Math.max(Math.abs(own.red), Math.abs(own.blue)) > whiteBalance)
  const text = (value: number) => `${value >= 0 ? '+' : ''}${value.toFixed(2)}`
  if (far.length > 0)
    return far.map(({ name, red, blue }) => ({
      severity: 'look',
      check: 'colour',
      what: 'its mean colour is not that of the other cameras',
      where: name,
      figure: `red ${text(red)}, blue ${text(blue)} stops against green`,
      remedy:
        'check its white balance, or whether it sees something else; training can compensate constant differences',
    }))
  const most = Math.max(...differences.flatMap((own) => [Math.abs(own.red), Math.abs(own.blue)]))
  return [
    {
      severity: 'note',
      check: 'colour',
      what: 'cameras are alike in mean colour',
      where: some(there.map(({ name }) => name)),
      figure: `red and blue within ${most.toFixed(2)} stops`,
      remedy: '',
    },
  ]
}
