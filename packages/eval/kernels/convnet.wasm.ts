// Layers of small convolutional nets, forward only, on images with channels last.
//
// A buffer is [height + 2 pad, width + 2 pad, channels] with a border of zeros; `input` and `output` point behind the
// border that a layer does not use. With channels last, a row of a window is contiguous, so a convolution is a product of
// its rows with packed weights and needs no copy. One chunk is one row of output, or of pixels; a result is one chain of
// additions in a fixed order, so bytes do not depend on the number of threads. Limits: output channels and the channels
// of pooling and distances in multiples of 8; 2^31 bytes a buffer.
import { at, sum4 } from '../../tensor/kernels/simd'

/**
 * output[y, x, o] = max(0, bias[o] + sum over window rows r and their elements j of
 * input[y stride + r, x stride.., j] weights[o / 8, r, j, o % 8]).
 * `rowBytes` and `pixelBytes` are strides of the buffers; `run` is the number of elements in a row of the window.
 */
export function convolve(
  chunk: i32, scratch: usize,
  input: usize, rowBytes: i32, pixelBytes: i32,
  weights: usize, bias: usize,
  output: usize, outRowBytes: i32, outPixelBytes: i32,
  width: i32, blocks: i32, windowRows: i32, run: i32, stride: i32,
): void {
  const row = input + (chunk * stride) * rowBytes
  const outRow = output + chunk * outRowBytes
  const step = (stride * pixelBytes) as usize
  for (let block = 0; block < blocks; block++) {
    const panel = weights + (((block * windowRows * run) as usize) << 5)
    const start = bias + ((block as usize) << 5)
    const out = outRow + ((block as usize) << 5)
    for (let x = 0; x < width; x += 4) {
      // The last tile moves back over pixels that are done; in images narrower than 4 it repeats the last pixel.
      const first = max(0, min(x, width - 4))
      const last = width - 1
      const a0 = row + (first as usize) * step
      const a1 = row + (min(first + 1, last) as usize) * step
      const a2 = row + (min(first + 2, last) as usize) * step
      const a3 = row + (min(first + 3, last) as usize) * step
      const o0 = out + first * outPixelBytes
      const o1 = out + min(first + 1, last) * outPixelBytes
      const o2 = out + min(first + 2, last) * outPixelBytes
      const o3 = out + min(first + 3, last) * outPixelBytes
      tile(a0, a1, a2, a3, rowBytes, panel, start, o0, o1, o2, o3, windowRows, run)
    }
  }
}

@inline
function tile(
  a0: usize, a1: usize, a2: usize, a3: usize, rowBytes: i32,
  panel: usize, start: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, windowRows: i32, run: i32,
): void {
  let c00 = v128.load(start)
  let c01 = v128.load(start, 16)
  let c10 = c00
  let c11 = c01
  let c20 = c00
  let c21 = c01
  let c30 = c00
  let c31 = c01
  for (let r = 0; r < windowRows; r++) {
    const end = panel + ((run as usize) << 5)
    let p0 = a0
    let p1 = a1
    let p2 = a2
    let p3 = a3
    while (panel < end) {
      const b0 = v128.load(panel)
      const b1 = v128.load(panel, 16)
      let v = v128.load32_splat(p0)
      c00 = f32x4.add(c00, f32x4.mul(v, b0))
      c01 = f32x4.add(c01, f32x4.mul(v, b1))
      v = v128.load32_splat(p1)
      c10 = f32x4.add(c10, f32x4.mul(v, b0))
      c11 = f32x4.add(c11, f32x4.mul(v, b1))
      v = v128.load32_splat(p2)
      c20 = f32x4.add(c20, f32x4.mul(v, b0))
      c21 = f32x4.add(c21, f32x4.mul(v, b1))
      v = v128.load32_splat(p3)
      c30 = f32x4.add(c30, f32x4.mul(v, b0))
      c31 = f32x4.add(c31, f32x4.mul(v, b1))
      p0 += 4
      p1 += 4
      p2 += 4
      p3 += 4
      panel += 32
    }
    a0 += rowBytes
    a1 += rowBytes
    a2 += rowBytes
    a3 += rowBytes
  }
  const zero = f32x4.splat(0)
  v128.store(o0, f32x4.max(c00, zero))
  v128.store(o0, f32x4.max(c01, zero), 16)
  v128.store(o1, f32x4.max(c10, zero))
  v128.store(o1, f32x4.max(c11, zero), 16)
  v128.store(o2, f32x4.max(c20, zero))
  v128.store(o2, f32x4.max(c21, zero), 16)
  v128.store(o3, f32x4.max(c30, zero))
  v128.store(o3, f32x4.max(c31, zero), 16)
}

/** output[y, x, c] = max of the window at (2 y, 2 x); windows that reach over the lower or right end are cut. */
export function maxPool(
  chunk: i32, scratch: usize,
  input: usize, rowBytes: i32, pixelBytes: i32, inHeight: i32, inWidth: i32,
  output: usize, outRowBytes: i32, outPixelBytes: i32,
  width: i32, channels: i32, size: i32,
): void {
  const rows = min(size, inHeight - 2 * chunk)
  for (let x = 0; x < width; x++) {
    const columns = min(size, inWidth - 2 * x)
    const from = input + (2 * chunk) * rowBytes + (2 * x) * pixelBytes
    const to = output + chunk * outRowBytes + x * outPixelBytes
    for (let c = 0; c < channels; c += 4) {
      let best = v128.load(at(from, c))
      for (let r = 0; r < rows; r++) {
        for (let s = 0; s < columns; s++) {
          best = f32x4.max(best, v128.load(at(from + r * rowBytes + s * pixelBytes, c)))
        }
      }
      v128.store(at(to, c), best)
    }
  }
}

/**
 * means[y] = mean over x of sum over c of weights[c] (a / (|a| + 1e-10) - b / (|b| + 1e-10))^2, a and b the features of
 * two images at one pixel (Zhang et al. 2018, equation 1).
 */
export function featureDistance(
  chunk: i32, scratch: usize,
  first: usize, second: usize, rowBytes: i32, pixelBytes: i32,
  weights: usize, means: usize, width: i32, channels: i32,
): void {
  let total: f64 = 0
  for (let x = 0; x < width; x++) {
    const a = first + chunk * rowBytes + x * pixelBytes
    const b = second + chunk * rowBytes + x * pixelBytes
    let aa = f32x4.splat(0)
    let bb = f32x4.splat(0)
    for (let c = 0; c < channels; c += 4) {
      const u = v128.load(at(a, c))
      const v = v128.load(at(b, c))
      aa = f32x4.add(aa, f32x4.mul(u, u))
      bb = f32x4.add(bb, f32x4.mul(v, v))
    }
    const scaleA = f32x4.splat(<f32>1 / (sqrt<f32>(sum4(aa)) + <f32>1e-10))
    const scaleB = f32x4.splat(<f32>1 / (sqrt<f32>(sum4(bb)) + <f32>1e-10))
    let sum = f32x4.splat(0)
    for (let c = 0; c < channels; c += 4) {
      const d = f32x4.sub(f32x4.mul(v128.load(at(a, c)), scaleA), f32x4.mul(v128.load(at(b, c)), scaleB))
      sum = f32x4.add(sum, f32x4.mul(v128.load(at(weights, c)), f32x4.mul(d, d)))
    }
    total += sum4(sum) as f64
  }
  store<f32>(at(means, chunk), (total / (width as f64)) as f32)
}
