// Gradients of each (Gaussian, tile) pair, splats back to front.
//
// Chunk = tile. Per pixel, T is restored by division and `behind` is the sum over what lies behind of
// weight (color . vImage + z vDepth), plus T_final (background . vImage - vAlpha), so that for a splat
// dL/dalpha = T (color . vImage + z vDepth) - behind / (1 - alpha). With w = dL/dalpha alpha (zero where alpha was
// clamped), all gradients of the projected Gaussian follow from the sums of w, w e and w e e^T over pixels. Every
// pair has a record of its own, which is written here even if it is zero; `gradients` adds them up in pair order.
import { at } from '../../tensor/kernels/simd'
import {
  batch, exponent, findRows, initVectors, setColumn, V_ALPHA_MAX, V_EX, V_ONE, V_RANGES, V_ROWS, V_TOP, vectorsBytes,
  weigh,
} from './falloff'
import {
  BLUE, DEPTH, GREEN, P_BACKGROUND, P_HEIGHT, P_WIDTH, REACH, RED, Y, gradientBytes, record,
} from './layout'

// A group of four pixels, transmittance first; groups of a column lie below each other.
const G_BEHIND: usize = 16
const G_RED: usize = 32
const G_GREEN: usize = 48
const G_BLUE: usize = 64
const G_DEPTH: usize = 80
const G_STOP: usize = 96
const groupBytes: usize = 112

// (sum of a, sum of b, sum of c, sum of d)
@inline
function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7))
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7))
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7))
}

/** vImage // [H, W, 3]; vAlpha, vDepth // [H, W] or null; gradients // [pairs, 12] */
export function backward(
  chunk: i32, scratch: usize, params: usize, records: usize, entries: usize, tileStarts: usize, tileEnds: usize,
  transmittances: usize, stops: usize, vImage: usize, vAlpha: usize, vDepth: usize, gradients: usize,
): void {
  const width = load<f64>(params, P_WIDTH) as i32
  const height = load<f64>(params, P_HEIGHT) as i32
  const tilesX = (width + 15) >> 4
  const tileX = (chunk % tilesX) << 4
  const tileY = (chunk / tilesX) << 4
  const columns = min(16, width - tileX)
  const rows = min(16, height - tileY)
  const left = tileX as f32
  const top = tileY as f32
  const zero = f32x4.splat(0)
  const start = load<u32>(at(tileStarts, chunk))
  const length = (load<u32>(at(tileStarts, chunk + 1)) - start) as i32
  const list = entries + ((start as usize) << 3)
  let index = load<i32>(at(tileEnds, chunk))
  for (let i = index; i < length; i++) {
    const gradient = gradients + (load<u32>(list + ((i as usize) << 3), 4) as usize) * gradientBytes
    v128.store(gradient, zero)
    v128.store(gradient, zero, 16)
    v128.store(gradient, zero, 32)
  }
  if (index == 0) return

  const vectors = scratch
  const state = scratch + vectorsBytes
  initVectors(vectors, params)
  memory.fill(state, 0, 64 * groupBytes)
  const red = load<f64>(params, P_BACKGROUND) as f32
  const green = load<f64>(params, P_BACKGROUND + 8) as f32
  const blue = load<f64>(params, P_BACKGROUND + 16) as f32
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const group = state + ((((x >> 2) << 4) + y) as usize) * groupBytes + (((x & 3) as usize) << 2)
      const pixel = (tileY + y) * width + tileX + x
      const T = load<f32>(at(transmittances, pixel))
      const vR = load<f32>(at(vImage, 3 * pixel))
      const vG = load<f32>(at(vImage, 3 * pixel + 1))
      const vB = load<f32>(at(vImage, 3 * pixel + 2))
      const vA: f32 = vAlpha ? load<f32>(at(vAlpha, pixel)) : 0
      store<f32>(group, T)
      store<f32>(group, T * (vR * red + vG * green + vB * blue - vA), G_BEHIND)
      store<f32>(group, vR, G_RED)
      store<f32>(group, vG, G_GREEN)
      store<f32>(group, vB, G_BLUE)
      store<f32>(group, vDepth ? load<f32>(at(vDepth, pixel)) : 0, G_DEPTH)
      store<i32>(group, load<i32>(at(stops, pixel)), G_STOP)
    }
  }

  const used = index
  while (index > 0) {
    if (!(index & (batch - 1)) || index == used) {
      findRows(vectors, records, list, (index - 1) & ~(batch - 1), used, left, top)
    }
    index--
    const ranges = vectors + ((index & (batch - 1)) << 3) + V_RANGES
    const entry = list + ((index as usize) << 3)
    const splat = record(records, load<u32>(entry))
    v128.store(vectors, f32x4.splat(top - load<f32>(splat, Y)), V_TOP)
    const here = i32x4.splat(index)
    let w = zero
    let wx = zero
    let wy = zero
    let wxx = zero
    let wxy = zero
    let wyy = zero
    let sumR = zero
    let sumG = zero
    let sumB = zero
    let sumD = zero
    for (let column: usize = 0; column < 4; column++) {
      const first = load<u8>(ranges + column) as usize
      const end = load<u8>(ranges + column, 4) as usize
      if (first >= end) continue
      setColumn(vectors, splat, column, left)
      let group = state + ((column << 4) + first) * groupBytes
      let row = vectors + (first << 4)
      const rowEnd = vectors + (end << 4)
      let c = zero
      let cy = zero
      let cyy = zero
      for (; row < rowEnd; row += 16, group += groupBytes) {
        const ey = f32x4.add(v128.load(row, V_ROWS), v128.load(vectors, V_TOP))
        const q = exponent(vectors, splat, ey)
        const inside = v128.and(f32x4.le(q, v128.load32_splat(splat, REACH)), i32x4.gt_s(v128.load(group, G_STOP), here))
        if (!i32x4.bitmask(inside)) continue
        const full = v128.and(weigh(vectors, splat, q), inside)
        const alphaMax = v128.load(vectors, V_ALPHA_MAX)
        const alpha = f32x4.pmin(full, alphaMax)
        const one = v128.load(vectors, V_ONE)
        const inverse = f32x4.div(one, f32x4.sub(one, alpha))
        const T = f32x4.mul(v128.load(group), inverse)
        v128.store(group, T)
        const weight = f32x4.mul(alpha, T)
        const vR = v128.load(group, G_RED)
        const vG = v128.load(group, G_GREEN)
        const vB = v128.load(group, G_BLUE)
        const vD = v128.load(group, G_DEPTH)
        sumR = f32x4.add(sumR, f32x4.mul(weight, vR))
        sumG = f32x4.add(sumG, f32x4.mul(weight, vG))
        sumB = f32x4.add(sumB, f32x4.mul(weight, vB))
        sumD = f32x4.add(sumD, f32x4.mul(weight, vD))
        const value = f32x4.mul(
          T,
          f32x4.add(
            f32x4.add(f32x4.mul(vR, v128.load32_splat(splat, RED)), f32x4.mul(vG, v128.load32_splat(splat, GREEN))),
            f32x4.add(f32x4.mul(vB, v128.load32_splat(splat, BLUE)), f32x4.mul(vD, v128.load32_splat(splat, DEPTH))),
          ),
        )
        const behind = v128.load(group, G_BEHIND)
        v128.store(group, f32x4.add(behind, f32x4.mul(alpha, value)), G_BEHIND)
        const vAlpha4 = f32x4.sub(value, f32x4.mul(behind, inverse))
        const wHere = v128.and(f32x4.mul(vAlpha4, alpha), f32x4.le(full, alphaMax))
        const wey = f32x4.mul(wHere, ey)
        c = f32x4.add(c, wHere)
        cy = f32x4.add(cy, wey)
        cyy = f32x4.add(cyy, f32x4.mul(wey, ey))
      }
      const ex = v128.load(vectors, V_EX)
      const cx = f32x4.mul(c, ex)
      w = f32x4.add(w, c)
      wx = f32x4.add(wx, cx)
      wxx = f32x4.add(wxx, f32x4.mul(cx, ex))
      wy = f32x4.add(wy, cy)
      wxy = f32x4.add(wxy, f32x4.mul(cy, ex))
      wyy = f32x4.add(wyy, cyy)
    }
    const gradient = gradients + (load<u32>(entry, 4) as usize) * gradientBytes
    v128.store(gradient, sums(w, wx, wy, wxx))
    v128.store(gradient, sums(wxy, wyy, sumR, sumG), 16)
    v128.store(gradient, sums(sumB, sumD, zero, zero), 32)
  }
}
