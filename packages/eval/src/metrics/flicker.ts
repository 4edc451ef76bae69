import { ArgumentError } from '@clipgstream/tensor'
import { type Measured, notAvailable } from '../measured.js'

/** What is seen of one frame by one view; bytes, all of one size. */
export interface Observation {
  readonly render: Uint8Array
  readonly truth: Uint8Array
  /** [height, width], see `maskValue`; null where the data have none. */
  readonly mask: Uint8Array | null
}

/** Without masks a pixel counts as static when no channel of the ground truth changes by this many levels of 255. */
export const defaultStaticThreshold = 8

/**
 * Flicker between two successive frames, in levels of 255: the mean over static pixels and channels of
 * |(render2 - render1) - (truth2 - truth1)|. What the camera's noise and changing light do to the ground truth is not
 * counted, as long as the render does the same. Static are pixels whose mask is 0 (below 64) in both frames or, without
 * masks, those where no channel of the ground truth changes by `threshold` levels or more.
 */
export function flicker(before: Observation, after: Observation, threshold = defaultStaticThreshold): Measured {
  const { length } = before.render
  if (before.truth.length !== length || after.render.length !== length || after.truth.length !== length) {
    throw new ArgumentError('flicker', 'images', `${length} and ${after.render.length} bytes`, 'of one size')
  }
  const still =
    before.mask && after.mask ? stillByMasks(before.mask, after.mask) : stillByChange(before, after, threshold)
  let sum = 0
  let count = 0
  for (let pixel = 0, at = 0; at < length; pixel++, at += 3) {
    if (!still(pixel)) continue
    count++
    for (let c = at; c < at + 3; c++) {
      sum += Math.abs(after.render[c]! - before.render[c]! - (after.truth[c]! - before.truth[c]!))
    }
  }
  return count ? sum / (3 * count) : notAvailable('no pixel is static in both frames')
}

function stillByMasks(before: Uint8Array, after: Uint8Array): (pixel: number) => boolean {
  return (pixel) => before[pixel]! < 64 && after[pixel]! < 64
}

function stillByChange(before: Observation, after: Observation, threshold: number): (pixel: number) => boolean {
  const [a, b] = [before.truth, after.truth]
  return (pixel) => {
    const at = 3 * pixel
    return (
      Math.abs(a[at]! - b[at]!) < threshold &&
      Math.abs(a[at + 1]! - b[at + 1]!) < threshold &&
      Math.abs(a[at + 2]! - b[at + 2]!) < threshold
    )
  }
}
