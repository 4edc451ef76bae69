import { ArgumentError, ShapeError } from '@clipgstream/tensor'
import { checkPair, type Image, unitOf } from '../image.js'
import { type Measured, notAvailable } from '../measured.js'

/**
 * 20 log10(1 / sqrt(MSE)) with the peak at 1, the mean over all values of one image. Infinity for equal images. Floats are
 * taken as they are.
 */
export function psnr(first: Image, second: Image): number {
  checkPair('psnr', first, second)
  return fromError(
    squaredError(first, second, () => true),
    first.data.length,
  )
}

/** Values of a mask's pixels: what moves, what stands still in changing light, what stands still. */
export const maskValue = { moving: 255, lit: 128, still: 0 } as const

export interface RegionPsnr {
  /** Over pixels whose mask is 255 (192 or more). */
  readonly moving: Measured
  /** Over all others. */
  readonly outside: Measured
}

/** PSNR inside and outside of the moving region. `mask` // [height, width] as in {@link maskValue}. */
export function regionPsnr(first: Image, second: Image, mask: Uint8Array): RegionPsnr {
  const { width, height } = checkPair('regionPsnr', first, second)
  checkMask('regionPsnr', mask, width, height)
  const moves = (pixel: number) => mask[pixel]! >= 192
  let count = 0
  for (let pixel = 0; pixel < mask.length; pixel++) if (moves(pixel)) count++
  const over = (inside: boolean, pixels: number): Measured =>
    pixels
      ? fromError(
          squaredError(first, second, (pixel) => moves(pixel) === inside),
          3 * pixels,
        )
      : notAvailable(inside ? 'nothing moves in this image' : 'everything moves in this image')
  return { moving: over(true, count), outside: over(false, mask.length - count) }
}

export function checkMask(operator: string, mask: Uint8Array, width: number, height: number): void {
  if (mask.length !== width * height) throw new ShapeError(operator, 'mask', [height, width], [mask.length])
}

function squaredError(first: Image, second: Image, takes: (pixel: number) => boolean): number {
  const a = first.data
  const b = second.data
  const unitA = unitOf(first)
  const unitB = unitOf(second)
  let sum = 0
  for (let pixel = 0, at = 0; at < a.length; pixel++, at += 3) {
    if (!takes(pixel)) continue
    const red = a[at]! * unitA - b[at]! * unitB
    const green = a[at + 1]! * unitA - b[at + 1]! * unitB
    const blue = a[at + 2]! * unitA - b[at + 2]! * unitB
    sum += red * red + green * green + blue * blue
  }
  if (Number.isNaN(sum)) throw new ArgumentError('psnr', 'images', 'NaN', 'free of values that are not numbers')
  return sum
}

function fromError(sum: number, count: number): number {
  return -10 * Math.log10(sum / count)
}
