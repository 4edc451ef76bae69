import { ArgumentError } from '@clipgstream/tensor'
import type { RgbPicture } from './pictures.js'

// What stands still in the pictures of one camera, and what moves.

/**
 * The median over time of every value: the picture without what moves, where that covers a pixel in fewer than half of
 * the frames. Of an even number of frames the lower middle one counts.
 */
export function temporalMedian(frames: readonly RgbPicture[]): RgbPicture {
  const first = frames[0]
  if (!first) throw new ArgumentError('temporalMedian', 'frames', 'none', 'at least one picture')
  frames.forEach((frame, i) => {
    checkSame('temporalMedian', `frame ${i}`, frame, first)
  })
  const data = new Uint8Array(first.data.length)
  const values = new Uint8Array(frames.length)
  const middle = (frames.length - 1) >> 1
  for (let i = 0; i < data.length; i++) {
    for (let f = 0; f < frames.length; f++) values[f] = frames[f]!.data[i]!
    data[i] = values.sort()[middle]!
  }
  return { width: first.width, height: first.height, data }
}

export interface MotionOptions {
  /** Difference of a channel, averaged over 3 x 3 pixels, from which on a pixel moves, 0 to 255. Default 14. */
  readonly threshold?: number
  /** Pixels by which what moves is widened. Default 1 % of the longer side. */
  readonly margin?: number
}

/** The pixels that differ from the still picture, 255, and the others, 0 // [height, width]. */
export function motionMask(image: RgbPicture, still: RgbPicture, options: MotionOptions = {}): Uint8Array {
  checkSame('motionMask', 'image', image, still)
  const { width, height } = image
  const { threshold = 14, margin = Math.ceil(0.01 * Math.max(width, height)) } = options
  if (!(threshold > 0 && threshold <= 255)) throw new ArgumentError('motionMask', 'threshold', threshold, 'in (0, 255]')
  if (!(Number.isInteger(margin) && margin >= 0))
    throw new ArgumentError('motionMask', 'margin', margin, 'an integer from 0 on')
  const moved = new Uint8Array(width * height)
  for (let c = 0; c < 3; c++) {
    const difference = (x: number, y: number) =>
      image.data[3 * (y * width + x) + c]! - still.data[3 * (y * width + x) + c]!
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        let sum = 0
        let count = 0
        for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
          for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
            sum += difference(u, v)
            count++
          }
        }
        if (Math.abs(sum) >= threshold * count) moved[y * width + x] = 255
      }
    }
  }
  return widened(moved, width, height, margin)
}

/** Every pixel with one that is set within `margin` to all sides. */
function widened(mask: Uint8Array, width: number, height: number, margin: number): Uint8Array {
  const pass = (from: Uint8Array, length: number, lines: number, step: number, across: number) => {
    const to = new Uint8Array(from.length)
    for (let line = 0; line < lines; line++) {
      let until = -1
      const start = line * across
      // The first pixel that a set one ahead reaches back to.
      for (let i = -margin; i < length; i++) {
        const ahead = i + margin
        if (ahead < length && from[start + ahead * step] !== 0) until = ahead + margin
        if (i >= 0 && i <= until) to[start + i * step] = 255
      }
    }
    return to
  }
  return pass(pass(mask, width, height, 1, width), height, width, width, 1)
}

function checkSame(operator: string, name: string, image: RgbPicture, like: RgbPicture): void {
  const size = `${like.width} x ${like.height} pixels of three bytes`
  if (image.width !== like.width || image.height !== like.height || image.data.length !== 3 * like.width * like.height)
    throw new ArgumentError(operator, name, `${image.width} x ${image.height} (${image.data.length} bytes)`, size)
}
