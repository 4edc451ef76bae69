import type { View } from '@clipgstream/camera'

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
