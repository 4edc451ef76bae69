import { createHash } from 'node:crypto'
import type { RgbImage } from '@clipgstream/io'
import { FormatError } from '@clipgstream/io'
import { type FrameNote, noteOf } from './frame-note.js'
import { decodeSmall } from './pictures.js'
import type { Subject } from './subject.js'

/** Grey levels of a camera's images in the window; null where there is none. */
export interface Greys {
  readonly width: number
  readonly height: number
  readonly frames: readonly (Uint8Array | null)[]
}

export interface Watched {
  /** By camera: small images of the window of frames in which cameras are compared in time. */
  readonly greys: readonly (Greys | null)[]
  /** By camera and by frame from `subject.first`; null where there is no image that can be read. */
  readonly notes: readonly (readonly (FrameNote | null)[])[]
  readonly unreadable: readonly { readonly camera: number; readonly frame: number; readonly reason: string }[]
}

/** Longest side of the images that are compared in time. */
export const longest = 128
const atOnce = 4
/** Most frames in which cameras are compared in time, in the middle of the sequence. */
const mostWindow = 32

/** [first, end) */
export function timeWindow({ first, end }: Subject): readonly [number, number] {
  const start = first + Math.max(0, (end - first - mostWindow) >> 1)
  return [start, Math.min(end, start + mostWindow)]
}

/** Looks at every image once, a few at a time, and keeps a few numbers of each. `seen` is called after each image. */
export async function watch(subject: Subject, seen: (done: number, note: string) => void): Promise<Watched> {
  const { cameras, first, end, vfs } = subject
  const unreadable: { camera: number; frame: number; reason: string }[] = []
  const notes: (FrameNote | null)[][] = []
  const greys: (Greys | null)[] = []
  const [from, to] = timeWindow(subject)
  let done = 0
  for (const camera of cameras) {
    const own: (FrameNote | null)[] = []
    const window: (Uint8Array | null)[] = []
    let before: RgbImage | null = null
    let size: { width: number; height: number } | null = null
    for (let frame = first; frame < end; frame += atOnce) {
      const batch = Array.from({ length: Math.min(atOnce, end - frame) }, async (_, i) => {
        const path = camera.path(frame + i)
        if (path === null) return null
        const bytes = await vfs.read(path)
        const hash = createHash('sha1').update(bytes).digest('base64')
        try {
          return { hash, image: await decodeSmall(subject, path, bytes, longest) }
        } catch (error) {
          if (!(error instanceof FormatError)) throw error
          unreadable.push({ camera: camera.index, frame: frame + i, reason: error.message })
          return null
        }
      })
      for (const [i, item] of (await Promise.all(batch)).entries()) {
        if (frame + i >= from && frame + i < to) window.push(item ? greyOf(item.image) : null)
        if (item) size = { width: item.image.width, height: item.image.height }
        own.push(item ? noteOf(item.hash, item.image, before) : null)
        before = item?.image ?? null
        seen(++done, camera.name)
      }
    }
    notes.push(own)
    greys.push(size && { ...size, frames: window })
  }
  return { notes, greys, unreadable }
}

export function greyOf({ data }: RgbImage): Uint8Array {
  const grey = new Uint8Array(data.length / 3)
  for (let i = 0; i < grey.length; i++)
    grey[i] = Math.round((data[3 * i]! + 2 * data[3 * i + 1]! + data[3 * i + 2]!) / 4)
  return grey
}
