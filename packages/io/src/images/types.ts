/** 8-bit sRGB values as stored in the file. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  /** [height, width, 3] */
  readonly data: Uint8Array
}

export interface Size {
  readonly width: number
  readonly height: number
}

/**
 * Turns the bytes of an image file into RGB. Alpha is dropped without blending, grey is spread over three channels, 16
 * bits are cut to the upper 8. Neither EXIF rotation nor a colour profile is applied: cameras are calibrated for pixels as
 * they are stored. With `size` the image is resized (Lanczos).
 */
export interface ImageDecoder {
  /** Images that it works on at once when it is asked for more. */
  readonly concurrency?: number
  decode(bytes: Uint8Array, file: string, size?: Size): Promise<RgbImage>
}
