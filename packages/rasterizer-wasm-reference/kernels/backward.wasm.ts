// Gradients of each (Gaussian, tile) pair, splats back to front.
//
// Chunk = tile. Per pixel, T is restored by division and `behind` is the sum over what lies behind of
// weight (color . vImage + z vDepth), plus T_final (background . vImage - vAlpha), so that for a splat
// dL/dalpha = T (color . vImage + z vDepth) - behind / (1 - alpha). With w = dL/dalpha alpha (zero where alpha was
// clamped), all gradients of the projected Gaussian follow from the sums of w, w e and w e e^T over pixels. Every
// pair has a record of its own, which is written here even if it is zero; `gradients` adds them up in pair order.
import { at } from '../../tensor/kernels/simd'
import {
  firstGroup, firstRow, initVectors, lastGroup, lastRow, setSplat, V_ALPHA_MAX, V_CUT, V_EX, V_L11_EX, vectorsBytes,
  weigh,
} from './falloff'
import {
  BLUE, DEPTH, GREEN, L21, L22, P_BACKGROUND, P_HEIGHT, P_WIDTH, RED, Y, gradientBytes, record,
} from './layout'

// A group of four pixels: transmittance, behind, vRed, vGreen, vBlue, vDepth, stop.
const groupBytes: usize = 112
const stateBytes: usize = 64 * groupBytes

// (sum of a, sum of b, sum of c, sum of d)
// @ts-ignore: decorator
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
  memory.fill(state, 0, stateBytes)
  const red = load<f64>(params, P_BACKGROUND) as f32
  const green = load<f64>(params, P_BACKGROUND + 8) as f32
  const blue = load<f64>(params, P_BACKGROUND + 16) as f32
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const group = state + (((y << 2) + (x >> 2)) as usize) * groupBytes + (((x & 3) as usize) << 2)
      const pixel = (tileY + y) * width + tileX + x
      const T = load<f32>(at(transmittances, pixel))
      const vR = load<f32>(at(vImage, 3 * pixel))
      const vG = load<f32>(at(vImage, 3 * pixel + 1))
      const vB = load<f32>(at(vImage, 3 * pixel + 2))
      const vA: f32 = vAlpha ? load<f32>(at(vAlpha, pixel)) : 0
      store<f32>(group, T)
      store<f32>(group, T * (vR * red + vG * green + vB * blue - vA), 16)
      store<f32>(group, vR, 32)
      store<f32>(group, vG, 48)
      store<f32>(group, vB, 64)
      store<f32>(group, vDepth ? load<f32>(at(vDepth, pixel)) : 0, 80)
      store<i32>(group, load<i32>(at(stops, pixel)), 96)
    }
  }

  while (index > 0) {
    index--
    const entry = list + ((index as usize) << 3)
    const splat = record(records, load<u32>(entry))
    const y0 = firstRow(splat, top)
    const y1 = lastRow(splat, top)
    const g0 = firstGroup(splat, left)
    const g1 = lastGroup(splat, left)
    setSplat(vectors, splat, left)
    const l21 = load<f32>(splat, L21)
    const l22 = load<f32>(splat, L22)
    const meanY = load<f32>(splat, Y)
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
    for (let y = y0; y <= y1; y++) {
      const ey = top + (y as f32) - meanY
      const shift = f32x4.splat(l21 * ey)
      const s = l22 * ey
      const base = f32x4.splat(-s * s)
      let row = zero
      let rowX = zero
      let rowXX = zero
      for (let g = g0; g <= g1; g++) {
        const at4 = vectors + ((g as usize) << 4)
        const t = f32x4.add(v128.load(at4, V_L11_EX), shift)
        const p = f32x4.sub(base, f32x4.mul(t, t))
        const group = state + (((y << 2) + g) as usize) * groupBytes
        const inside = v128.and(f32x4.ge(p, v128.load(vectors, V_CUT)), i32x4.gt_s(v128.load(group, 96), here))
        if (!v128.any_true(inside)) continue
        const full = v128.and(weigh(vectors, p), inside)
        const alphaMax = v128.load(vectors, V_ALPHA_MAX)
        const alpha = f32x4.pmin(full, alphaMax)
        const inverse = f32x4.div(f32x4.splat(1), f32x4.sub(f32x4.splat(1), alpha))
        const T = f32x4.mul(v128.load(group), inverse)
        v128.store(group, T)
        const vR = v128.load(group, 32)
        const vG = v128.load(group, 48)
        const vB = v128.load(group, 64)
        const vD = v128.load(group, 80)
        const value = f32x4.mul(
          T,
          f32x4.add(
            f32x4.add(f32x4.mul(vR, v128.load32_splat(splat, RED)), f32x4.mul(vG, v128.load32_splat(splat, GREEN))),
            f32x4.add(f32x4.mul(vB, v128.load32_splat(splat, BLUE)), f32x4.mul(vD, v128.load32_splat(splat, DEPTH))),
          ),
        )
        const behind = v128.load(group, 16)
        v128.store(group, f32x4.add(behind, f32x4.mul(alpha, value)), 16)
        const vAlpha4 = f32x4.sub(value, f32x4.mul(behind, inverse))
        const wHere = v128.and(f32x4.mul(vAlpha4, alpha), f32x4.le(full, alphaMax))
        const weight = f32x4.mul(alpha, T)
        sumR = f32x4.add(sumR, f32x4.mul(weight, vR))
        sumG = f32x4.add(sumG, f32x4.mul(weight, vG))
        sumB = f32x4.add(sumB, f32x4.mul(weight, vB))
        sumD = f32x4.add(sumD, f32x4.mul(weight, vD))
        const ex = v128.load(at4, V_EX)
        const wex = f32x4.mul(wHere, ex)
        row = f32x4.add(row, wHere)
        rowX = f32x4.add(rowX, wex)
        rowXX = f32x4.add(rowXX, f32x4.mul(wex, ex))
      }
      const ey4 = f32x4.splat(ey)
      const rowY = f32x4.mul(row, ey4)
      w = f32x4.add(w, row)
      wx = f32x4.add(wx, rowX)
      wxx = f32x4.add(wxx, rowXX)
      wy = f32x4.add(wy, rowY)
      wxy = f32x4.add(wxy, f32x4.mul(rowX, ey4))
      wyy = f32x4.add(wyy, f32x4.mul(rowY, ey4))
    }
    const gradient = gradients + (load<u32>(entry, 4) as usize) * gradientBytes
    v128.store(gradient, sums(w, wx, wy, wxx))
    v128.store(gradient, sums(wxy, wyy, sumR, sumG), 16)
    v128.store(gradient, sums(sumB, sumD, zero, zero), 32)
  }
}
