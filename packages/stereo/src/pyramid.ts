import type { View } from '@clipgstream/camera'
import type { Device } from '@clipgstream/tensor'
import type { Pictures } from './contract.js'
import type { RgbPicture } from './pictures.js'

/** A grey image of bytes. */
export interface Grey {
  readonly width: number
  readonly height: number
  /** [height, width] */
  readonly data: Uint8Array
}

/** Luma of sRGB values as stored (ITU-R BT.601), rounded. */
export function greyOf({ width, height, data }: RgbPicture): Grey {
  const grey = new Uint8Array(width * height)
  for (let i = 0, at = 0; i < grey.length; i++, at += 3) {
    grey[i] = (19595 * data[at]! + 38470 * data[at + 1]! + 7471 * data[at + 2]! + 32768) >> 16
  }
  return { width, height, data: grey }
}

/** Means of blocks of 2 x 2 pixels, rounded; an odd last row or column is left out. */
export function halve({ width, height, data }: Grey): Grey {
  const [w, h] = [width >> 1, height >> 1]
  const half = new Uint8Array(w * h)
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = 2 * (y * width + x)
      half[y * w + x] = (data[at]! + data[at + 1]! + data[at + width]! + data[at + width + 1]! + 2) >> 2
    }
  }
  return { width: w, height: h, data: half }
}

/** The view of a halved image. */
export function halveView(view: View): View {
  const { width, height, fx, fy, cx, cy } = view
  return {
    ...view,
    ...{ width: width >> 1, height: height >> 1, fx: fx / 2, fy: fy / 2, cx: cx / 2, cy: cy / 2 },
  }
}

/** The words of {@link Pictures}, from `first` on. */
function writeWords({ width, height, data }: Grey, words: Uint32Array, first: number): void {
  for (let y = 0; y < height; y++) {
    const row = y * width
    const below = Math.min(y + 1, height - 1) * width
    for (let x = 0; x < width; x++) {
      const next = Math.min(x + 1, width - 1)
      const word = data[row + x]! | (data[row + next]! << 8) | (data[below + x]! << 16) | (data[below + next]! << 24)
      words[first + row + x] = word >>> 0
    }
  }
}

/** Puts grey images on the device. */
export function createPictures(device: Device, views: readonly View[], images: readonly Grey[]): Pictures {
  let size = 0
  const places = views.map((view) => {
    const first = size
    size += view.width * view.height
    return { view, first }
  })
  const words = new Uint32Array(size)
  images.forEach((image, i) => {
    writeWords(image, words, places[i]?.first ?? 0)
  })
  return { words: device.from(words, [size], 'pictures'), places }
}

/** Colours of a halved image. */
export function halveColours({ width, height, data }: RgbPicture): RgbPicture {
  const [w, h] = [width >> 1, height >> 1]
  const half = new Uint8Array(3 * w * h)
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      for (let c = 0; c < 3; c++) {
        const at = 6 * (y * width + x) + c
        const below = at + 3 * width
        half[3 * (y * w + x) + c] = (data[at]! + data[at + 3]! + data[below]! + data[below + 3]! + 2) >> 2
      }
    }
  }
  return { width: w, height: h, data: half }
}

/** Nonzero where one of the four pixels is. */
export function halveMask(mask: Uint8Array, width: number): Uint8Array {
  const [w, h] = [width >> 1, Math.floor(mask.length / width) >> 1]
  const half = new Uint8Array(w * h)
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = 2 * (y * width + x)
      half[y * w + x] = mask[at]! | mask[at + 1]! | mask[at + width]! | mask[at + width + 1]!
    }
  }
  return half
}
