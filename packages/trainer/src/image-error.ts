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

/** Sums for the affine colour map that takes images nearest to their photographs, in the sense of least squares. */
export class ColorFit {
  // Normal equations A X = B over (r, g, b, 1).
  readonly #a = new Float64Array(16)
  readonly #b = new Float64Array(12)

  /** image // [pixels, 3]; target // [pixels, 3] */
  add(image: Float32Array, target: Uint8Array): void {
    for (let i = 0; i < image.length; i += 3) {
      const x = [image[i]!, image[i + 1]!, image[i + 2]!, 1]
      for (let r = 0; r < 4; r++) {
        for (let c = 0; c < 4; c++) this.#a[4 * r + c]! += x[r]! * x[c]!
        for (let c = 0; c < 3; c++) this.#b[3 * r + c]! += (x[r]! * target[i + c]!) / 255
      }
    }
  }

  /** [3, 4] rows for red, green, blue. A little weight on the identity keeps uniform images solvable. */
  solve(): Float64Array {
    const a = this.#a.slice()
    const b = this.#b.slice()
    const weight = 1e-6 * (a[15]! + 1)
    for (let i = 0; i < 4; i++) {
      a[5 * i]! += weight
      if (i < 3) b[4 * i]! += weight
    }
    eliminate(a, b)
    return Float64Array.from({ length: 12 }, (_, i) => b[3 * (i % 4) + Math.floor(i / 4)]!)
  }
}

/** matrix // [3, 4] applied to every pixel */
export function applyColorMap(image: Float32Array, matrix: ArrayLike<number>): Float32Array {
  const result = new Float32Array(image.length)
  for (let i = 0; i < image.length; i += 3) {
    for (let c = 0; c < 3; c++) {
      const m = 4 * c
      result[i + c] =
        matrix[m]! * image[i]! + matrix[m + 1]! * image[i + 1]! + matrix[m + 2]! * image[i + 2]! + matrix[m + 3]!
    }
  }
  return result
}

/** Gauss-Jordan on a 4x4 positive definite system with three right hand sides. */
function eliminate(a: Float64Array, b: Float64Array): void {
  for (let p = 0; p < 4; p++) {
    const pivot = a[5 * p]!
    for (let c = 0; c < 4; c++) a[4 * p + c]! /= pivot
    for (let c = 0; c < 3; c++) b[3 * p + c]! /= pivot
    for (let r = 0; r < 4; r++) {
      const factor = a[4 * r + p]!
      if (r === p || factor === 0) continue
      for (let c = 0; c < 4; c++) a[4 * r + c]! -= factor * a[4 * p + c]!
      for (let c = 0; c < 3; c++) b[3 * r + c]! -= factor * b[3 * p + c]!
    }
  }
}
