import { encodeJpeg } from '@clipgstream/io/node'
import type { Exhibit } from '../../gallery.js'
import { type Image, toBytes } from '../../image.js'

/** The three pictures of an exhibit as data URIs. */
export interface Pictures {
  readonly exhibit: Exhibit
  readonly render: string
  readonly truth: string
  readonly error: string
}

export async function picturesOf(exhibit: Exhibit): Promise<Pictures> {
  const [render, truth, error] = await Promise.all(
    [exhibit.render, exhibit.truth, errorImage(exhibit.render, exhibit.truth)].map(dataUri),
  )
  return { exhibit, render: render ?? '', truth: truth ?? '', error: error ?? '' }
}

async function dataUri(image: Image): Promise<string> {
  return `data:image/jpeg;base64,${Buffer.from(await encodeJpeg(image, 90)).toString('base64')}`
}

/** Differences that are shown as the brightest colour, levels of 255. */
export const brightestError = 64

/** The mean absolute difference of the channels of each pixel: black, violet, red, yellow, white at 64 levels. */
export function errorImage(render: Image, truth: Image): Image {
  const a = toBytes(render)
  const b = toBytes(truth)
  const data = new Uint8Array(a.length)
  for (let at = 0; at < a.length; at += 3) {
    const sum = Math.abs(a[at]! - b[at]!) + Math.abs(a[at + 1]! - b[at + 1]!) + Math.abs(a[at + 2]! - b[at + 2]!)
    const t = Math.min(1, sum / (3 * brightestError))
    data[at] = 255 * Math.min(1, 2.2 * t)
    data[at + 1] = 255 * Math.max(0, Math.min(1, 2.2 * t - 0.8))
    data[at + 2] = 255 * (t < 0.35 ? 1.6 * t : t < 0.7 ? Math.max(0, 0.56 - 2 * (t - 0.35)) : (t - 0.7) / 0.3)
  }
  return { width: render.width, height: render.height, data }
}
