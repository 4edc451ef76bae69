// L1 and SSIM of an image against bytes, and their gradient.
//
// A chunk is a tile of BAND rows by STRIP floats of the interleaved RGB rows; four floats at once. It filters the rows
// that it needs along x into its scratch (SSIM takes them from 5 rows and 5 pixels around; outside of the image they
// are zeros), then along y. Forward keeps three maps of derivatives per value: of SSIM with respect to the windowed
// means of x, of x^2 and of x y; backward filters these (the window is symmetric, so it is its own transpose).
// Sums are double precision per tile and reduced in tile order, so the result does not depend on the number of threads.
// Limits: 2^29 pixels; 200 KiB of scratch.
import { at } from '../../tensor/kernels/simd'
import {
  RADIUS, accumulate, columnWindow, firstLanes, loadFloats, loadUnits, rowWindow, storeFloats, unit4,
} from './window'

const BAND = 32
const STRIP = 192
const HALO = 3 * RADIUS
/** Bytes of a row of a tile with what lies around it, and of a filtered one. */
const ROW: usize = (STRIP + 2 * HALO + 6) * 4
const LINE: usize = STRIP * 4
const C1: f32 = 0.0001
const C2: f32 = 0.0009

/** Maps that forward filters (x, y, x^2 + y^2, x y) and their bytes a row. */
const STATISTICS: usize = 4 * LINE
/** Maps that backward filters and their bytes a row. */
const DERIVATIVES: usize = 3 * LINE

/** partials[chunk] = sums (f64) of |x - y| and of SSIM; saved // [3, height, stride] */
export function measure(
  chunk: i32, scratch: usize, image: usize, target: usize, saved: usize, partials: usize,
  height: i32, width: i32, stride: i32,
): void {
  const columns = width * 3
  const strips = (columns + STRIP - 1) / STRIP
  const left = (chunk % strips) * STRIP
  const n = min(STRIP, columns - left)
  const top = (chunk / strips) * BAND
  const bottom = min(height, top + BAND)
  const filtered = scratch + 4 * ROW
  let absolute = f64x2.splat(0)
  let similarity = f64x2.splat(0)

  for (let row = top - RADIUS; row < bottom + RADIUS; row++) {
    const line = filtered + ((row - top + RADIUS) as usize) * STATISTICS
    if (row < 0 || row >= height) {
      memory.fill(line, 0, STATISTICS)
      continue
    }
    products(scratch, image, target, row, columns, left)
    if (row >= top && row < bottom) absolute = f64x2.add(absolute, rowDifference(scratch, n))
    for (let i = 0; i < n; i += 4) {
      const from = at(scratch, i)
      const to = at(line, i)
      v128.store(to, rowWindow(from))
      v128.store(to, rowWindow(from + ROW), LINE)
      v128.store(to, rowWindow(from + 2 * ROW), 2 * LINE)
      v128.store(to, rowWindow(from + 3 * ROW), 3 * LINE)
    }
  }

  const plane = ((height as usize) * (stride as usize)) << 2
  for (let row = top; row < bottom; row++) {
    const line = filtered + ((row - top) as usize) * STATISTICS
    const to = saved + ((((row as usize) * (stride as usize)) + (left as usize)) << 2)
    for (let i = 0; i < n; i += 4) {
      const from = at(line, i)
      const mx = columnWindow(from, STATISTICS)
      const my = columnWindow(from + LINE, STATISTICS)
      const squares = columnWindow(from + 2 * LINE, STATISTICS)
      const product = columnWindow(from + 3 * LINE, STATISTICS)
      const mxmy = f32x4.mul(mx, my)
      const means = f32x4.add(f32x4.mul(mx, mx), f32x4.mul(my, my))
      // Rounding must not make a variance negative.
      const variances = f32x4.max(f32x4.splat(0), f32x4.sub(squares, means))
      const perMeans = f32x4.div(f32x4.splat(1), f32x4.add(means, f32x4.splat(C1)))
      const perVariances = f32x4.div(f32x4.splat(1), f32x4.add(variances, f32x4.splat(C2)))
      const twice = f32x4.splat(2)
      const luminance = f32x4.mul(f32x4.add(f32x4.mul(twice, mxmy), f32x4.splat(C1)), perMeans)
      const covariance = f32x4.sub(product, mxmy)
      const contrast = f32x4.mul(f32x4.add(f32x4.mul(twice, covariance), f32x4.splat(C2)), perVariances)
      const ssim = f32x4.mul(luminance, contrast)
      similarity = accumulate(similarity, i + 4 <= n ? ssim : firstLanes(ssim, n - i))

      const vSquares = f32x4.neg(f32x4.mul(ssim, perVariances))
      const vProduct = f32x4.mul(f32x4.mul(twice, luminance), perVariances)
      // d ssim / d mx = 2 my contrast / means - 2 mx ssim / means - my vProduct - 2 mx vSquares
      const ofMy = f32x4.sub(f32x4.mul(f32x4.mul(twice, contrast), perMeans), vProduct)
      const ofMx = f32x4.mul(twice, f32x4.add(f32x4.mul(ssim, perMeans), vSquares))
      const vMean = f32x4.sub(f32x4.mul(my, ofMy), f32x4.mul(mx, ofMx))
      const target = at(to, i)
      v128.store(target, vMean)
      v128.store(target + plane, vSquares)
      v128.store(target + 2 * plane, vProduct)
    }
  }
  const sums = partials + ((chunk as usize) << 4)
  store<f64>(sums, f64x2.extract_lane(absolute, 0) + f64x2.extract_lane(absolute, 1))
  store<f64>(sums, f64x2.extract_lane(similarity, 0) + f64x2.extract_lane(similarity, 1), 8)
}

/** Rows x, y, x^2 + y^2 and x y of `row` from HALO floats before `left` on, zeros outside of the image. */
function products(rows: usize, image: usize, target: usize, row: i32, columns: i32, left: i32): void {
  const first = max(0, left - HALO)
  const count = min(columns, left + STRIP + HALO) - first
  memory.fill(rows, 0, 4 * ROW)
  const start = (row as usize) * (columns as usize) + (first as usize)
  const x = image + (start << 2)
  const y = target + start
  const to = at(rows, first - left + HALO)
  for (let i = 0; i < count; i += 4) {
    const xs = loadFloats(at(x, i), count - i)
    const ys = loadUnits(y + (i as usize), count - i)
    const out = at(to, i)
    v128.store(out, xs)
    v128.store(out + ROW, ys)
    v128.store(out + 2 * ROW, f32x4.add(f32x4.mul(xs, xs), f32x4.mul(ys, ys)))
    v128.store(out + 3 * ROW, f32x4.mul(xs, ys))
  }
}

/** Sum of |x - y| over the n floats of the tile itself. */
@inline
function rowDifference(rows: usize, n: i32): v128 {
  const from = rows + HALO * 4
  let sum = f64x2.splat(0)
  for (let i = 0; i < n; i += 4) {
    const p = at(from, i)
    sum = accumulate(sum, f32x4.abs(f32x4.sub(v128.load(p), v128.load(p + ROW))))
  }
  return sum
}

/** terms = means of the partial sums. */
export function finish(chunk: i32, scratch: usize, partials: usize, terms: usize, count: i32, values: f64): void {
  let absolute: f64 = 0
  let similarity: f64 = 0
  for (let i = 0; i < count; i++) {
    const sums = partials + ((i as usize) << 4)
    absolute += load<f64>(sums)
    similarity += load<f64>(sums, 8)
  }
  store<f32>(terms, (absolute / values) as f32)
  store<f32>(terms, (similarity / values) as f32, 4)
}

/** vImage = perDifference sign(x - y) + perSimilarity d(sum of SSIM)/dx */
export function measureBackward(
  chunk: i32, scratch: usize, image: usize, target: usize, saved: usize, vImage: usize,
  height: i32, width: i32, stride: i32, perDifference: f32, perSimilarity: f32,
): void {
  const columns = width * 3
  const strips = (columns + STRIP - 1) / STRIP
  const left = (chunk % strips) * STRIP
  const n = min(STRIP, columns - left)
  const top = (chunk / strips) * BAND
  const bottom = min(height, top + BAND)
  const filtered = scratch + 4 * ROW
  const plane = ((height as usize) * (stride as usize)) << 2
  const first = max(0, left - HALO)
  const bytes = ((min(columns, left + STRIP + HALO) - first) as usize) << 2
  memory.fill(scratch, 0, 3 * ROW)
  const inset = at(scratch, first - left + HALO)

  for (let row = top - RADIUS; row < bottom + RADIUS; row++) {
    const line = filtered + ((row - top + RADIUS) as usize) * DERIVATIVES
    if (row < 0 || row >= height) {
      memory.fill(line, 0, DERIVATIVES)
      continue
    }
    const source = saved + ((((row as usize) * (stride as usize)) + (first as usize)) << 2)
    for (let map: usize = 0; map < 3; map++) memory.copy(inset + map * ROW, source + map * plane, bytes)
    for (let i = 0; i < n; i += 4) {
      const from = at(scratch, i)
      const to = at(line, i)
      v128.store(to, rowWindow(from))
      v128.store(to, rowWindow(from + ROW), LINE)
      v128.store(to, rowWindow(from + 2 * ROW), 2 * LINE)
    }
  }

  const weight = f32x4.splat(perDifference)
  for (let row = top; row < bottom; row++) {
    const line = filtered + ((row - top) as usize) * DERIVATIVES
    const start = (row as usize) * (columns as usize) + (left as usize)
    for (let i = 0; i < n; i += 4) {
      const from = at(line, i)
      const here = start + (i as usize)
      const x = loadFloats(image + (here << 2), n - i)
      const y = loadUnits(target + here, n - i)
      const vMean = columnWindow(from, DERIVATIVES)
      const vSquares = columnWindow(from + LINE, DERIVATIVES)
      const vProduct = columnWindow(from + 2 * LINE, DERIVATIVES)
      const ofX = f32x4.mul(f32x4.add(x, x), vSquares)
      const vSsim = f32x4.add(vMean, f32x4.add(ofX, f32x4.mul(y, vProduct)))
      const up = v128.and(f32x4.gt(x, y), weight)
      const down = v128.and(f32x4.lt(x, y), weight)
      const v = f32x4.add(f32x4.sub(up, down), f32x4.mul(f32x4.splat(perSimilarity), vSsim))
      storeFloats(vImage + (here << 2), v, n - i)
    }
  }
}
