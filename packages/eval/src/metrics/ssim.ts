import { checkPair, type Image, unitOf } from '../image.js'
import { isNumber, type Measured, notAvailable } from '../measured.js'

const taps = 11
const reach = 5
const c1 = 0.01 ** 2
const c2 = 0.03 ** 2
/** Exponents of the five scales (Wang, Simoncelli and Bovik 2003). */
const exponents = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333] as const
const smallest = taps * 2 ** (exponents.length - 1)

const gaussian = Float64Array.from({ length: taps }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * 1.5 ** 2)))
const gaussianSum = gaussian.reduce((sum, value) => sum + value, 0)
const [w0, w1, w2, w3, w4, w5] = gaussian.map((value) => value / gaussianSum) as unknown as [
  ...[number, number, number],
  ...[number, number, number],
]

export interface Similarity {
  /** Mean of the SSIM map, windows at the border padded with zeros. */
  readonly ssim: number
  /** Not available for images with a side below 176 pixels. */
  readonly msSsim: Measured
}

/**
 * SSIM and MS-SSIM in one pass; see {@link ssim} and {@link msSsim}.
 */
export function similarity(first: Image, second: Image): Similarity {
  const { width, height } = checkPair('similarity', first, second)
  const planes = [planesOf(first), planesOf(second)] as const
  const full = structure(planes, width, height)
  return { ssim: full.padded, msSsim: multiScale(full, planes, width, height) }
}

/**
 * SSIM as in training: windows of 11 x 11 Gaussian weights (standard deviation 1.5), zero padding of 5, each channel by
 * itself, C1 = 0.01^2, C2 = 0.03^2, white at 1, mean over pixels and channels (Wang et al. 2004).
 */
export function ssim(first: Image, second: Image): number {
  const { width, height } = checkPair('ssim', first, second)
  return structure([planesOf(first), planesOf(second)], width, height).padded
}

/**
 * MS-SSIM as torchmetrics computes it: five scales, 2 x 2 means between them, windows as in {@link ssim} but only those
 * that lie inside, means over pixels and channels, negative means set to 0, contrast of scales 1 to 4 and similarity of
 * scale 5 raised to 0.0448, 0.2856, 0.3001, 0.2363, 0.1333. Five scales of an 11 pixel window need 176 pixels a side.
 */
export function msSsim(first: Image, second: Image): Measured {
  const { width, height } = checkPair('msSsim', first, second)
  if (Math.min(width, height) < smallest) return tooSmall(width, height)
  const planes = [planesOf(first), planesOf(second)] as const
  return multiScale(structure(planes, width, height), planes, width, height)
}

/** (1 - SSIM) / 2 */
export function dssim1(first: Image, second: Image): number {
  return (1 - ssim(first, second)) / 2
}

/** (1 - MS-SSIM) / 2 */
export function dssim2(first: Image, second: Image): Measured {
  return dissimilarity(msSsim(first, second))
}

export function dissimilarity(value: Measured): Measured {
  return isNumber(value) ? (1 - value) / 2 : value
}

/** Three channels, each [height, width] in [0, 1]. */
type Planes = readonly Float32Array[]

interface Structure {
  /** Mean SSIM of all windows, those at the border padded with zeros. */
  readonly padded: number
  /** Means over windows inside of the image; NaN where there are none. */
  readonly inside: number
  readonly contrast: number
}

function tooSmall(width: number, height: number): Measured {
  return notAvailable(`MS-SSIM needs ${smallest} pixels a side, the images have ${width} x ${height}`)
}

function multiScale(first: Structure, planes: readonly [Planes, Planes], width: number, height: number): Measured {
  if (Math.min(width, height) < smallest) return tooSmall(width, height)
  let product = 1
  let current = { planes, width, height, structure: first }
  for (const [scale, exponent] of exponents.entries()) {
    if (scale > 0) {
      const halved = current.planes.map((image) => image.map((plane) => halve(plane, current.width, current.height)))
      const pair = [halved[0] ?? [], halved[1] ?? []] as const
      const [w, h] = [current.width >> 1, current.height >> 1]
      current = { planes: pair, width: w, height: h, structure: structure(pair, w, h) }
    }
    const last = scale === exponents.length - 1
    product *= Math.max(0, last ? current.structure.inside : current.structure.contrast) ** exponent
  }
  return product
}

function planesOf(image: Image): Planes {
  const { data } = image
  const unit = unitOf(image)
  return [0, 1, 2].map((channel) => {
    const plane = new Float32Array(data.length / 3)
    for (let i = 0, at = channel; i < plane.length; i++, at += 3) plane[i] = data[at]! * unit
    return plane
  })
}

function halve(plane: Float32Array, width: number, height: number): Float32Array {
  const w = width >> 1
  const h = height >> 1
  const result = new Float32Array(w * h)
  for (let y = 0, at = 0; y < h; y++) {
    for (let x = 0; x < w; x++, at++) {
      const from = 2 * y * width + 2 * x
      result[at] = (plane[from]! + plane[from + 1]! + plane[from + width]! + plane[from + width + 1]!) / 4
    }
  }
  return result
}

function structure([first, second]: readonly [Planes, Planes], width: number, height: number): Structure {
  let padded = 0
  let inside = 0
  let contrast = 0
  for (const [channel, plane] of first.entries()) {
    const other = second[channel]
    if (!other) continue
    const sums = structureSums(plane, other, width, height)
    padded += sums[0]!
    inside += sums[1]!
    contrast += sums[2]!
  }
  const windows = first.length * Math.max(0, width - 2 * reach) * Math.max(0, height - 2 * reach)
  return { padded: padded / (first.length * width * height), inside: inside / windows, contrast: contrast / windows }
}

/**
 * Sums over one channel: SSIM of all windows, SSIM and contrast of those inside. Five quantities are filtered along rows
 * into a ring of 11 rows, then along columns.
 */
function structureSums(x: Float32Array, y: Float32Array, width: number, height: number): Float64Array {
  const quantities = 5
  const line = width + 2 * reach
  const rows = Array.from({ length: quantities }, () => new Float64Array(line))
  const [rx, ry, rxx, ryy, rxy] = rows as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array]
  const ring = Array.from({ length: taps }, () => new Float64Array(quantities * width))
  const column = new Float64Array(quantities * width)
  let padded = 0
  let inside = 0
  let contrast = 0
  for (let row = 0; row < height + reach; row++) {
    const filtered = ring[row % taps]!
    if (row < height) {
      for (let i = 0, from = row * width; i < width; i++) {
        const a = x[from + i]!
        const b = y[from + i]!
        rx[i + reach] = a
        ry[i + reach] = b
        rxx[i + reach] = a * a
        ryy[i + reach] = b * b
        rxy[i + reach] = a * b
      }
      for (let q = 0; q < quantities; q++) filterLine(rows[q]!, filtered, q * width, width)
    } else filtered.fill(0)
    const centre = row - reach
    if (centre < 0) continue
    filterRing(ring, row, column)
    const rowInside = centre >= reach && centre < height - reach
    for (let i = 0; i < width; i++) {
      const mx = column[i]!
      const my = column[width + i]!
      const covariance = column[4 * width + i]! - mx * my
      const variances = column[2 * width + i]! - mx * mx + column[3 * width + i]! - my * my
      const cs = (2 * covariance + c2) / (variances + c2)
      const ss = ((2 * mx * my + c1) / (mx * mx + my * my + c1)) * cs
      padded += ss
      if (rowInside && i >= reach && i < width - reach) {
        inside += ss
        contrast += cs
      }
    }
  }
  return Float64Array.of(padded, inside, contrast)
}

function filterLine(source: Float64Array, target: Float64Array, offset: number, width: number): void {
  for (let i = 0; i < width; i++) {
    target[offset + i] =
      w0 * (source[i]! + source[i + 10]!) +
      w1 * (source[i + 1]! + source[i + 9]!) +
      w2 * (source[i + 2]! + source[i + 8]!) +
      w3 * (source[i + 3]! + source[i + 7]!) +
      w4 * (source[i + 4]! + source[i + 6]!) +
      w5 * source[i + 5]!
  }
}

/** Rows `newest - 10` to `newest` of the ring; rows before the first are still zero. */
function filterRing(ring: readonly Float64Array[], newest: number, target: Float64Array): void {
  const at = (back: number) => ring[(newest + taps - back) % taps]!
  const [r0, r1, r2, r3, r4] = [at(10), at(9), at(8), at(7), at(6)] as const
  const [r5, r6, r7, r8, r9, r10] = [at(5), at(4), at(3), at(2), at(1), at(0)] as const
  for (let i = 0; i < target.length; i++) {
    target[i] =
      w0 * (r0[i]! + r10[i]!) +
      w1 * (r1[i]! + r9[i]!) +
      w2 * (r2[i]! + r8[i]!) +
      w3 * (r3[i]! + r7[i]!) +
      w4 * (r4[i]! + r6[i]!) +
      w5 * r5[i]!
  }
}
