import type { RgbImage } from '@clipgstream/io'

/**
 * How much of an image's structure is fine: the mean difference from the image averaged over 3 x 3 pixels, over the mean
 * difference between averages over 3 x 3 and 9 x 9 pixels. A blurred image has a small value whatever it shows.
 */
export function sharpnessOf({ width, height, data }: RgbImage): number {
  const grey = new Float32Array(width * height)
  for (let i = 0; i < grey.length; i++) grey[i] = (data[3 * i]! + 2 * data[3 * i + 1]! + data[3 * i + 2]!) / 4
  const narrow = averaged(grey, width, height, 1)
  const wide = averaged(grey, width, height, 4)
  let [fine, coarse] = [0, 0]
  for (let i = 0; i < grey.length; i++) {
    fine += Math.abs(grey[i]! - narrow[i]!)
    coarse += Math.abs(narrow[i]! - wide[i]!)
  }
  return coarse > 0 ? fine / coarse : 0
}

/** The mean over a square of 2 radius + 1 pixels, smaller at the border. */
function averaged(image: Float32Array, width: number, height: number, radius: number): Float32Array {
  const across = pass(image, height, width, width, 1, radius)
  return pass(across, width, height, 1, width, radius)
}

/** Running means along `lines` lines of `length` values that are `step` apart. */
function pass(
  from: Float32Array,
  lines: number,
  length: number,
  lineStep: number,
  step: number,
  radius: number,
): Float32Array {
  const to = new Float32Array(from.length)
  for (let line = 0; line < lines; line++) {
    const start = line * lineStep
    let sum = 0
    for (let i = 0; i < Math.min(radius, length); i++) sum += from[start + i * step]!
    for (let i = 0; i < length; i++) {
      if (i + radius < length) sum += from[start + (i + radius) * step]!
      if (i - radius - 1 >= 0) sum -= from[start + (i - radius - 1) * step]!
      to[start + i * step] = sum / (Math.min(length - 1, i + radius) - Math.max(0, i - radius) + 1)
    }
  }
  return to
}
