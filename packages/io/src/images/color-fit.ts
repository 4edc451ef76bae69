/** What a colour map does to grey: a level g of [0, 1] becomes gain g + offset, for red, green and blue. */
export interface ColorChange {
  readonly gain: readonly [number, number, number]
  readonly offset: readonly [number, number, number]
}

/**
 * The affine colour map that takes images nearest to their photographs in the sense of least squares, and what is left of
 * the difference. Holds sums only, however many images it has seen.
 */
export class ColorFit {
  // Sums over pixels of the products of x = (r, g, b, 1) with itself, upper triangle by rows, and with the target.
  readonly #xx = new Float64Array(10)
  readonly #xt = new Float64Array(12)
  readonly #tt = new Float64Array(3)

  /** image // [pixels, 3] bytes, or floats that are cut to [0, 1]; target // [pixels, 3] */
  add(image: Float32Array | Uint8Array, target: Uint8Array): void {
    const scale = image instanceof Uint8Array ? 1 / 255 : 1
    // Sums of one image at a time, so that long sequences lose nothing.
    const [xx, xt, tt] = [new Float64Array(10), new Float64Array(12), new Float64Array(3)]
    for (let i = 0; i < image.length; i += 3) {
      const r = Math.min(Math.max(image[i]! * scale, 0), 1)
      const g = Math.min(Math.max(image[i + 1]! * scale, 0), 1)
      const b = Math.min(Math.max(image[i + 2]! * scale, 0), 1)
      xx[0]! += r * r
      xx[1]! += r * g
      xx[2]! += r * b
      xx[3]! += r
      xx[4]! += g * g
      xx[5]! += g * b
      xx[6]! += g
      xx[7]! += b * b
      xx[8]! += b
      for (let c = 0; c < 3; c++) {
        const t = target[i + c]! / 255
        xt[4 * c]! += r * t
        xt[4 * c + 1]! += g * t
        xt[4 * c + 2]! += b * t
        xt[4 * c + 3]! += t
        tt[c]! += t * t
      }
    }
    xx[9] = Math.floor(image.length / 3)
    this.#sum(xx, xt, tt)
  }

  /** Adds what another has seen. */
  merge(other: ColorFit): void {
    this.#sum(other.#xx, other.#xt, other.#tt)
  }

  /** [3, 4] rows for red, green, blue. A little weight on the identity keeps uniform images solvable. */
  solve(): Float64Array {
    const weight = 1e-6 * (this.#xx[9]! + 1)
    const a = new Float64Array(16)
    for (let r = 0; r < 4; r++) {
      for (let c = 0; c < 4; c++) a[4 * r + c] = this.#product(r, c) + (r === c ? weight : 0)
    }
    // Right hand sides in columns.
    const b = new Float64Array(12)
    for (let k = 0; k < 4; k++) {
      for (let c = 0; c < 3; c++) b[3 * k + c] = this.#xt[4 * c + k]! + (k === c ? weight : 0)
    }
    eliminate(a, b)
    return Float64Array.from({ length: 12 }, (_, i) => b[3 * (i % 4) + Math.floor(i / 4)]!)
  }

  /** Mean squared difference of the mapped images, not cut to [0, 1], and their targets. matrix // [3, 4] */
  meanSquaredError(matrix: ArrayLike<number>): number {
    const pixels = this.#xx[9]!
    let sum = 0
    for (let c = 0; c < 3; c++) {
      sum += this.#tt[c]!
      for (let r = 0; r < 4; r++) {
        sum -= 2 * matrix[4 * c + r]! * this.#xt[4 * c + r]!
        for (let k = 0; k < 4; k++) sum += matrix[4 * c + r]! * matrix[4 * c + k]! * this.#product(r, k)
      }
    }
    return pixels === 0 ? 0 : Math.max(0, sum / (3 * pixels))
  }

  #product(r: number, c: number): number {
    const [low, high] = r < c ? [r, c] : [c, r]
    return this.#xx[4 * low - (low * (low - 1)) / 2 + (high - low)]!
  }

  #sum(xx: Float64Array, xt: Float64Array, tt: Float64Array): void {
    for (let i = 0; i < 10; i++) this.#xx[i]! += xx[i]!
    for (let i = 0; i < 12; i++) this.#xt[i]! += xt[i]!
    for (let i = 0; i < 3; i++) this.#tt[i]! += tt[i]!
  }
}

/** What a colour map // [3, 4] does to grey. */
export function colorChangeOf(matrix: ArrayLike<number>): ColorChange {
  const gain = (c: number) => matrix[4 * c]! + matrix[4 * c + 1]! + matrix[4 * c + 2]!
  return {
    gain: [gain(0), gain(1), gain(2)],
    offset: [matrix[3] ?? 0, matrix[7] ?? 0, matrix[11] ?? 0],
  }
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
