import { OptionError } from '../errors.js'
import type { RgbImage, Size } from './types.js'

/** The size after dividing by `factor`, rounded up. */
export function downsampledSize({ width, height }: Size, factor: number): Size {
  if (!(factor >= 1 && Number.isFinite(factor))) throw new OptionError('downsample', factor, 'a number of at least 1')
  return { width: Math.ceil(width / factor), height: Math.ceil(height / factor) }
}

interface Taps {
  /** First source pixel of each output pixel. */
  readonly first: Int32Array
  /** [output, width] weights of sum 1 */
  readonly weights: Float32Array
  readonly width: number
}

/**
 * Resizes with the Lanczos kernel of three lobes, widened by the factor when it shrinks, along rows and then columns with
 * rounding to bytes after each.
 */
export function resizeLanczos(image: RgbImage, { width, height }: Size): RgbImage {
  if (width === image.width && height === image.height) return image
  const across = pass(image.data, image.height, image.width * 3, 3, 3, lanczosTaps(image.width, width))
  const data = pass(across, 1, 0, width * 3, width * 3, lanczosTaps(image.height, height))
  return { width, height, data }
}

/** Filters runs of `lanes` neighbouring bytes that lie `stride` apart, for each of `rows` rows of `rowBytes`. */
function pass(from: Uint8Array, rows: number, rowBytes: number, stride: number, lanes: number, taps: Taps): Uint8Array {
  const { first, weights, width } = taps
  const to = new Uint8Array(rows * first.length * lanes)
  const sums = new Float32Array(lanes)
  let at = 0
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < first.length; i++) {
      sums.fill(0)
      const start = row * rowBytes + first[i]! * stride
      for (let k = 0; k < width; k++) {
        const weight = weights[i * width + k]!
        if (weight === 0) continue
        const source = start + k * stride
        for (let lane = 0; lane < lanes; lane++) sums[lane]! += weight * from[source + lane]!
      }
      for (let lane = 0; lane < lanes; lane++) to[at++] = Math.max(0, Math.min(255, Math.round(sums[lane]!)))
    }
  }
  return to
}

function lanczosTaps(from: number, to: number): Taps {
  const scale = from / to
  const widen = Math.max(1, scale)
  const reach = 3 * widen
  const width = Math.min(from, Math.ceil(reach) * 2 + 1)
  const first = new Int32Array(to)
  const weights = new Float32Array(to * width)
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale
    const start = Math.max(0, Math.min(from - width, Math.round(centre - width / 2)))
    first[i] = start
    let sum = 0
    for (let k = 0; k < width; k++) sum += lanczos((start + k + 0.5 - centre) / widen)
    for (let k = 0; k < width; k++) weights[i * width + k] = lanczos((start + k + 0.5 - centre) / widen) / sum
  }
  return { first, weights, width }
}

function lanczos(x: number): number {
  if (x === 0) return 1
  if (Math.abs(x) >= 3) return 0
  const p = Math.PI * x
  return (3 * Math.sin(p) * Math.sin(p / 3)) / (p * p)
}
