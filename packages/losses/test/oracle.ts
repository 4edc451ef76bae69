// The losses in float64, as plain as their formulas.

type Numbers = ArrayLike<number>

const radius = 5
const gauss = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * 1.5 ** 2)))
const total = gauss.reduce((sum, weight) => sum + weight, 0)

/** Calls `visit(neighbour, weight)` for every pixel of the 11x11 window around (row, column) that lies in the image. */
function window(
  height: number,
  width: number,
  row: number,
  column: number,
  visit: (pixel: number, weight: number) => void,
) {
  for (let v = Math.max(0, row - radius); v <= Math.min(height - 1, row + radius); v++) {
    for (let u = Math.max(0, column - radius); u <= Math.min(width - 1, column + radius); u++) {
      visit(v * width + u, (gauss[v - row + radius]! * gauss[u - column + radius]!) / total ** 2)
    }
  }
}

/** Mean absolute difference, and SSIM, of images // [height, width, 3]; target in bytes. */
export function photometric(image: Numbers, target: Numbers, height: number, width: number): [number, number] {
  const n = height * width * 3
  let absolute = 0
  let similarity = 0
  for (let i = 0; i < n; i++) absolute += Math.abs(image[i]! - target[i]! / 255)
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (let c = 0; c < 3; c++) similarity += ssimAt(image, target, height, width, row, column, c).ssim
    }
  }
  return [absolute / n, similarity / n]
}

function ssimAt(
  image: Numbers,
  target: Numbers,
  height: number,
  width: number,
  row: number,
  column: number,
  c: number,
) {
  let mx = 0
  let my = 0
  let xx = 0
  let yy = 0
  let xy = 0
  window(height, width, row, column, (pixel, weight) => {
    const x = image[pixel * 3 + c]!
    const y = target[pixel * 3 + c]! / 255
    mx += weight * x
    my += weight * y
    xx += weight * x * x
    yy += weight * y * y
    xy += weight * x * y
  })
  const a = 2 * mx * my + 0.01 ** 2
  const b = 2 * (xy - mx * my) + 0.03 ** 2
  const p = mx * mx + my * my + 0.01 ** 2
  const q = xx - mx * mx + yy - my * my + 0.03 ** 2
  return { ssim: (a * b) / (p * q), a, b, p, q, mx, my }
}

/** Gradient of l1 L1 + dssim (1 - SSIM) with respect to the image. */
export function photometricGradient(
  image: Numbers,
  target: Numbers,
  height: number,
  width: number,
  weights: { l1: number; dssim: number },
): Float64Array {
  const n = height * width * 3
  const gradient = new Float64Array(n)
  for (let i = 0; i < n; i++) gradient[i] = (weights.l1 / n) * Math.sign(image[i]! - target[i]! / 255)
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (let c = 0; c < 3; c++) {
        const { ssim, a, b, p, q, mx, my } = ssimAt(image, target, height, width, row, column, c)
        window(height, width, row, column, (pixel, weight) => {
          const x = image[pixel * 3 + c]!
          const y = target[pixel * 3 + c]! / 255
          // How a, b, p and q change with x of this neighbour.
          const da = 2 * my * weight
          const db = 2 * (y - my) * weight
          const dp = 2 * mx * weight
          const dq = 2 * (x - mx) * weight
          const change = (da * b + a * db) / (p * q) - ssim * (dp / p + dq / q)
          gradient[pixel * 3 + c]! -= (weights.dssim / n) * change
        })
      }
    }
  }
  return gradient
}

/** Mean of the product of the three scales of the first `count` rows. */
export function meanVolume(scales: Numbers, count: number): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += scales[3 * i]! * scales[3 * i + 1]! * scales[3 * i + 2]!
  return count === 0 ? 0 : sum / count
}

export function meanVolumeGradient(scales: Numbers, count: number, weight: number): Float64Array {
  return Float64Array.from({ length: scales.length }, (_, i) => {
    if (i >= 3 * count) return 0
    const row = i - (i % 3)
    const product = [0, 1, 2].reduce((p, k) => (row + k === i ? p : p * scales[row + k]!), 1)
    return (weight / count) * product
  })
}

/** Each pixel through matrix // [3, 4]. */
export function colorAffine(image: Numbers, matrix: Numbers): Float64Array {
  return Float64Array.from({ length: image.length }, (_, i) => {
    const pixel = i - (i % 3)
    const row = (i % 3) * 4
    let out = matrix[row + 3]!
    for (let k = 0; k < 3; k++) out += matrix[row + k]! * image[pixel + k]!
    return out
  })
}

export function colorAffineGradient(image: Numbers, matrix: Numbers, vOut: Numbers) {
  const vImage = new Float64Array(image.length)
  const vMatrix = new Float64Array(12)
  for (let pixel = 0; pixel < image.length; pixel += 3) {
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 3; k++) {
        vImage[pixel + k]! += matrix[i * 4 + k]! * vOut[pixel + i]!
        vMatrix[i * 4 + k]! += vOut[pixel + i]! * image[pixel + k]!
      }
      vMatrix[i * 4 + 3]! += vOut[pixel + i]!
    }
  }
  return { vImage, vMatrix }
}

/** Matrices // [cameras, 3, 4] less what their mean differs from [I | 0] by. */
export function centred(matrices: Numbers): Float64Array {
  const cameras = matrices.length / 12
  return Float64Array.from(matrices, (value, i) => {
    let mean = 0
    for (let camera = 0; camera < cameras; camera++) mean += matrices[12 * camera + (i % 12)]! / cameras
    return value - mean + (i % 12 === 0 || i % 12 === 5 || i % 12 === 10 ? 1 : 0)
  })
}
