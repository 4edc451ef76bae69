import { ArgumentError } from '@clipgstream/tensor'
import { matchLight } from './light.js'
import { checkSame, type RgbPicture } from './pictures.js'

// What stands still in the pictures of one camera, and what moves.

/** What a camera sees most of the time. */
export interface StillPicture {
  /** The median over time, in the light of the median frame. */
  readonly image: RgbPicture
  /** [height, width] 255 where too few of the frames show that value: nothing can be said to stand still there. */
  readonly unsure: Uint8Array
}

export interface StillOptions extends MotionOptions {
  /** Part of the frames that must show a pixel as it is in the median. Default 0.6. */
  readonly share?: number
}

/**
 * The still picture out of frames of one camera. Frames are first brought into the light of their median, so that a camera
 * whose brightness flickers does not seem to move.
 */
export function stillPicture(frames: readonly RgbPicture[], options: StillOptions = {}): StillPicture {
  const { share = 0.6, threshold } = options
  if (!(share > 0 && share <= 1)) throw new ArgumentError('stillPicture', 'share', share, 'in (0, 1]')
  const first = temporalMedian(frames)
  const matched = frames.map((frame) => matchLight(frame, first))
  const image = temporalMedian(matched)
  const seen = new Uint16Array(image.width * image.height)
  for (const frame of matched) {
    const moved = motionMask(frame, image, { ...(threshold !== undefined && { threshold }), margin: 0 })
    for (let i = 0; i < seen.length; i++) if (moved[i] === 0) seen[i] = seen[i]! + 1
  }
  return { image, unsure: Uint8Array.from(seen, (count) => (count < share * frames.length ? 255 : 0)) }
}

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
    // Sorted as they come: neighbours in time are alike, so that hardly anything is moved.
    for (let f = 0; f < frames.length; f++) {
      const value = frames[f]!.data[i]!
      let at = f
      for (; at > 0 && values[at - 1]! > value; at--) values[at] = values[at - 1]!
      values[at] = value
    }
    data[i] = values[middle]!
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
  // Sums over three pixels of a row, then over three rows; fewer at the border.
  const sums = new Int16Array(width * height)
  for (let c = 0; c < 3; c++) {
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        let sum = 0
        for (let i = x > 0 ? at - 1 : at; i <= (x + 1 < width ? at + 1 : at); i++)
          sum += image.data[3 * i + c]! - still.data[3 * i + c]!
        sums[at] = sum
      }
    }
    for (let y = 0, at = 0; y < height; y++) {
      const [above, below] = [y > 0 ? width : 0, y + 1 < height ? width : 0]
      const rows = 1 + (above && 1) + (below && 1)
      for (let x = 0; x < width; x++, at++) {
        const columns = 3 - (x === 0 ? 1 : 0) - (x + 1 === width ? 1 : 0)
        const sum = sums[at]! + (above && sums[at - above]!) + (below && sums[at + below]!)
        if (Math.abs(sum) >= threshold * rows * columns) moved[at] = 255
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
