import { ArgumentError } from '@clipgstream/tensor'
import { matchLight } from './light.js'
import { selectColumns } from './median.js'
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
  const unsure = new Uint8Array(seen.length)
  for (let i = 0; i < unsure.length; i++) if (seen[i]! < share * frames.length) unsure[i] = 255
  return { image, unsure }
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
  const data = selectColumns(
    frames.map((frame) => frame.data),
    (frames.length - 1) >> 1,
  )
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
  // The rows above, here and below in turns: differences, and zeros outside of the picture.
  const [p, q, r] = [new Int16Array(3 * width + 3), new Int16Array(3 * width + 3), new Int16Array(3 * width + 3)]
  const rows = [p, q, r]
  subtractRow(image, still, 0, p)
  for (let y = 0, at = 0; y < height; y++) {
    subtractRow(image, still, y + 1, rows[(y + 1) % 3]!)
    const count = 1 + (y > 0 ? 1 : 0) + (y + 1 < height ? 1 : 0)
    // Sums are whole numbers.
    const inside = Math.ceil(threshold * count * 3)
    const border = Math.ceil(threshold * count * Math.min(2, width))
    // Sums of three pixels above each other: of the column to the left, here and to the right.
    let [red0, green0, blue0] = [0, 0, 0]
    let [red1, green1, blue1] = [p[0]! + q[0]! + r[0]!, p[1]! + q[1]! + r[1]!, p[2]! + q[2]! + r[2]!]
    for (let x = 0, i = 3; x < width; x++, at++, i += 3) {
      const red2 = p[i]! + q[i]! + r[i]!
      const green2 = p[i + 1]! + q[i + 1]! + r[i + 1]!
      const blue2 = p[i + 2]! + q[i + 2]! + r[i + 2]!
      const limit = x === 0 || x + 1 === width ? border : inside
      if (
        Math.abs(red0 + red1 + red2) >= limit ||
        Math.abs(green0 + green1 + green2) >= limit ||
        Math.abs(blue0 + blue1 + blue2) >= limit
      )
        moved[at] = 255
      red0 = red1
      green0 = green1
      blue0 = blue1
      red1 = red2
      green1 = green2
      blue1 = blue2
    }
  }
  return margin > 0 ? widened(moved, width, height, margin) : moved
}

/** What a row of an image has more than that of the still picture; zeros below the last one. differences // [width + 1, 3] */
function subtractRow(image: RgbPicture, still: RgbPicture, y: number, differences: Int16Array): void {
  if (y >= image.height) {
    differences.fill(0)
    return
  }
  const [a, b] = [image.data, still.data]
  const size = 3 * image.width
  for (let i = 0, at = y * size; i < size; i += 3, at += 3) {
    differences[i] = a[at]! - b[at]!
    differences[i + 1] = a[at + 1]! - b[at + 1]!
    differences[i + 2] = a[at + 2]! - b[at + 2]!
  }
}

/** Every pixel with one that is set within `margin` to all sides. */
function widened(mask: Uint8Array, width: number, height: number, margin: number): Uint8Array {
  const rows = new Uint8Array(mask.length)
  for (let y = 0, row = 0; y < height; y++, row += width) {
    // Up to where a set pixel reaches; it is met `margin` pixels before its place.
    let until = -1
    for (let x = -margin; x < width; x++) {
      const ahead = x + margin
      if (ahead < width && mask[row + ahead] !== 0) until = ahead + margin
      if (x >= 0 && x <= until) rows[row + x] = 255
    }
  }
  const both = new Uint8Array(mask.length)
  const untils = new Int32Array(width).fill(-1)
  for (let y = -margin; y < height; y++) {
    const ahead = (y + margin) * width
    if (y + margin < height) {
      for (let x = 0; x < width; x++) if (rows[ahead + x] !== 0) untils[x] = y + 2 * margin
    }
    if (y < 0) continue
    for (let x = 0; x < width; x++) if (y <= untils[x]!) both[y * width + x] = 255
  }
  return both
}
