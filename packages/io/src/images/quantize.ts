import { OptionError } from '../errors.js'
import type { RgbImage, Size } from './types.js'

/** Values of [0, 1] to bytes: `trunc(clamp(255 v + 0.5, 0, 255))`, NaN to 0. */
export function quantize(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]! * 255 + 0.5
    bytes[i] = value > 0 ? Math.min(value, 255) : 0
  }
  return bytes
}

/** An image of numbers in [0, 1], [height, width, 3], as bytes. */
export function quantizeImage({ width, height }: Size, values: Float32Array): RgbImage {
  if (values.length !== width * height * 3) {
    throw new OptionError('values', `${values.length} numbers`, `[${height}, ${width}, 3]`)
  }
  return { width, height, data: quantize(values) }
}

/** The same image as numbers in [0, 1]. */
export function toFloatImage({ data }: RgbImage): Float32Array {
  const values = new Float32Array(data.length)
  for (let i = 0; i < data.length; i++) values[i] = data[i]! / 255
  return values
}
