import type { View } from '@clipgstream/camera'
import { ArgumentError } from '@clipgstream/tensor'

/** Bytes of an image, sRGB as stored. */
export interface RgbPicture {
  readonly width: number
  readonly height: number
  /** [height, width, 3] */
  readonly data: Uint8Array
}

/** An image and the camera that took it. */
export interface Capture {
  readonly view: View
  readonly image: RgbPicture
  /** [height, width] pixels that are 0 are matched with, but get no surface. All do when left out. */
  readonly mask?: Uint8Array
}

/** Throws an ArgumentError unless a picture has the size of another one. */
export function checkSame(operator: string, name: string, image: RgbPicture, like: RgbPicture): void {
  const size = `${like.width} x ${like.height} pixels of three bytes`
  if (image.width !== like.width || image.height !== like.height || image.data.length !== 3 * like.width * like.height)
    throw new ArgumentError(operator, name, `${image.width} x ${image.height} (${image.data.length} bytes)`, size)
}
