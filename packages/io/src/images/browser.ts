import { FormatError } from '../errors.js'
import { resizeLanczos } from './resize.js'
import type { ImageDecoder, RgbImage } from './types.js'

/** Decodes with the browser's own codecs (`createImageBitmap`), in pages and in workers. */
export function createBrowserDecoder(): ImageDecoder {
  return {
    async decode(bytes, file, size) {
      let bitmap: ImageBitmap
      try {
        bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)]), {
          imageOrientation: 'none',
          premultiplyAlpha: 'none',
          colorSpaceConversion: 'none',
        })
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause)
        throw new FormatError(file, 'image', 'an image that the browser can decode', reason, { cause })
      }
      const { width, height } = bitmap
      const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
      if (!context)
        throw new FormatError(file, 'image', `a canvas of ${width}x${height}`, 'none; the image is too large')
      context.drawImage(bitmap, 0, 0)
      bitmap.close()
      const image = dropAlpha(context.getImageData(0, 0, width, height))
      return size ? resizeLanczos(image, size) : image
    },
  }
}

function dropAlpha({ width, height, data }: ImageData): RgbImage {
  const rgb = new Uint8Array(width * height * 3)
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = data[from]!
    rgb[to + 1] = data[from + 1]!
    rgb[to + 2] = data[from + 2]!
  }
  return { width, height, data: rgb }
}
