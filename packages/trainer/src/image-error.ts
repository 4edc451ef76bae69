/** Mean squared difference of an image, clamped to [0, 1], and sRGB bytes. */
export function squaredError(image: Float32Array, target: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < image.length; i++) {
    const difference = Math.min(Math.max(image[i]!, 0), 1) - target[i]! / 255
    sum += difference * difference
  }
  return image.length === 0 ? 0 : sum / image.length
}

/** Peak signal-to-noise ratio in dB for a peak of 1. */
export function psnrOf(meanSquaredError: number): number {
  return -10 * Math.log10(meanSquaredError)
}
