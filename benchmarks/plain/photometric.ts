// L1 + SSIM, forward and backward, in plain JavaScript with separable windows, as the kernels do.

const radius = 5
const weights = Float64Array.from({ length: 11 }, (_, i) => Math.exp(-((i - radius) ** 2) / 4.5))
const total = weights.reduce((sum, weight) => sum + weight, 0)
for (let i = 0; i < weights.length; i++) weights[i]! /= total
const C1 = 0.01 ** 2
const C2 = 0.03 ** 2

/** Filters interleaved RGB rows // [H, W, 3] along x, then y; zeros lie outside. `between` is scratch of the same size. */
function filter(map: Float32Array, between: Float32Array, out: Float32Array, height: number, width: number): void {
  const row = 3 * width
  for (let y = 0; y < height; y++) {
    const start = y * row
    for (let i = 0; i < row; i++) {
      const x = (i / 3) | 0
      const first = Math.max(0, radius - x)
      const last = Math.min(10, width - 1 - x + radius)
      let sum = 0
      for (let k = first, at = start + i + 3 * (first - radius); k <= last; k++, at += 3) sum += weights[k]! * map[at]!
      between[start + i] = sum
    }
  }
  for (let y = 0; y < height; y++) {
    const first = Math.max(0, radius - y)
    const last = Math.min(10, height - 1 - y + radius)
    const start = y * row
    for (let i = 0; i < row; i++) {
      let sum = 0
      for (let k = first, at = start + i + row * (first - radius); k <= last; k++, at += row)
        sum += weights[k]! * between[at]!
      out[start + i] = sum
    }
  }
}

/** image, target // [H, W, 3]; returns L1, SSIM and the gradient of l1 L1 + dssim (1 - SSIM) */
export function plainPhotometric(
  image: Float32Array,
  target: Uint8Array,
  height: number,
  width: number,
  { l1, dssim }: { l1: number; dssim: number },
): { terms: [number, number]; vImage: Float32Array } {
  const n = image.length
  const map = () => new Float32Array(n)
  const y = map()
  let absolute = 0
  const [xx, yy, xy, between] = [map(), map(), map(), map()]
  for (let i = 0; i < n; i++) {
    const a = image[i]!
    const b = target[i]! / 255
    y[i] = b
    xx[i] = a * a
    yy[i] = b * b
    xy[i] = a * b
    absolute += Math.abs(a - b)
  }
  const [mx, my] = [map(), map()]
  filter(image, between, mx, height, width)
  filter(y, between, my, height, width)
  for (const product of [xx, yy, xy]) filter(product, between, product, height, width)
  let similarity = 0
  // Derivatives of SSIM with respect to the windowed means of x, x^2 and x y, in place of what is not needed any more.
  for (let i = 0; i < n; i++) {
    const mean = mx[i]!
    const other = my[i]!
    const a = 2 * mean * other + C1
    const b = 2 * (xy[i]! - mean * other) + C2
    const p = mean * mean + other * other + C1
    const q = xx[i]! - mean * mean + yy[i]! - other * other + C2
    const inverse = 1 / (p * q)
    const ssim = a * b * inverse
    similarity += ssim
    mx[i] = 2 * (other * (b - a) * inverse - mean * ssim * (1 / p - 1 / q))
    xx[i] = -ssim / q
    xy[i] = 2 * a * inverse
  }
  for (const derivative of [mx, xx, xy]) filter(derivative, between, derivative, height, width)
  const vImage = my
  for (let i = 0; i < n; i++) {
    const x = image[i]!
    const change = mx[i]! + 2 * x * xx[i]! + y[i]! * xy[i]!
    vImage[i] = (l1 * Math.sign(x - y[i]!) - dssim * change) / n
  }
  return { terms: [absolute / n, similarity / n], vImage }
}
