import { ShapeError } from '@clipgstream/tensor'

/** An RGB picture. */
export interface Image {
  readonly width: number
  readonly height: number
  /** [height, width, 3], sRGB: bytes, or floats with white at 1. */
  readonly data: Uint8Array | Float32Array
}

/** Checks that both are whole images of one size, and returns it. */
export function checkPair(operator: string, first: Image, second: Image): { width: number; height: number } {
  for (const [name, { width, height, data }] of [
    ['first image', first],
    ['second image', second],
  ] as const) {
    if (!(width > 0 && height > 0) || data.length !== width * height * 3) {
      throw new ShapeError(operator, `${name} (${width} x ${height})`, [height, width, 3], [data.length])
    }
  }
  const { width, height } = first
  if (second.width !== width || second.height !== height) {
    throw new ShapeError(operator, 'second image', [height, width, 3], [second.height, second.width, 3])
  }
  return { width, height }
}

/** The bytes that a PNG of the image has: value * 255 + 0.5, cut to [0, 255] and to whole numbers. NaN becomes 0. */
export function toBytes({ data }: Image): Uint8Array {
  if (data instanceof Uint8Array) return data
  const bytes = new Uint8Array(data.length)
  for (let i = 0; i < data.length; i++) bytes[i] = Math.min(255, Math.max(0, data[i]! * 255 + 0.5))
  return bytes
}

/** What a value of `data` is multiplied with to lie in [0, 1]. */
export function unitOf({ data }: Image): number {
  return data instanceof Uint8Array ? 1 / 255 : 1
}
