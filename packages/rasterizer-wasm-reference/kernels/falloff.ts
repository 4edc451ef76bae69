// What forward and backward must compute alike, to the last bit: constants, the pixels of a splat in a tile, alpha.
//
// Constants and per-splat vectors lie in scratch, not in locals: engines rebuild a constant vector at each use and have
// but 16 registers.
import { CUT, HALF_X, HALF_Y, L11, OPACITY, P_ALPHA_MAX, X, Y } from './layout'

// Vectors of 16 bytes in scratch.
const V_MAGIC: usize = 0
const V_C1: usize = 16 // to V_C5
const V_ONE: usize = 96
export const V_ALPHA_MAX: usize = 112
const V_LANES: usize = 128 // four vectors 0 .. 15
export const V_EX: usize = 192 // four vectors: pixel x - mean x
export const V_L11_EX: usize = 256 // four vectors
export const V_CUT: usize = 320
export const V_OPACITY: usize = 336
export const vectorsBytes: usize = 352

export function initVectors(vectors: usize, params: usize): void {
  v128.store(vectors, f32x4.splat(12582912), V_MAGIC)
  v128.store(vectors, f32x4.splat(0.6931469670647556), V_C1)
  v128.store(vectors, f32x4.splat(0.24022119723840799), V_C1 + 16)
  v128.store(vectors, f32x4.splat(0.05550713273506204), V_C1 + 32)
  v128.store(vectors, f32x4.splat(0.00967554133441644), V_C1 + 48)
  v128.store(vectors, f32x4.splat(0.0013276471989804698), V_C1 + 64)
  v128.store(vectors, f32x4.splat(1), V_ONE)
  v128.store(vectors, f32x4.splat(load<f64>(params, P_ALPHA_MAX) as f32), V_ALPHA_MAX)
  for (let i: usize = 0; i < 16; i++) store<f32>(vectors + (i << 2), i as f32, V_LANES)
}

/** Sets the vectors of a splat in the tile whose first pixel column is `left`. */
// @ts-ignore: decorator
@inline
export function setSplat(vectors: usize, splat: usize, left: f32): void {
  const offset = f32x4.splat(left - load<f32>(splat, X))
  const l11 = v128.load32_splat(splat, L11)
  v128.store(vectors, v128.load32_splat(splat, CUT), V_CUT)
  v128.store(vectors, v128.load32_splat(splat, OPACITY), V_OPACITY)
  const e0 = f32x4.add(v128.load(vectors, V_LANES), offset)
  const e1 = f32x4.add(v128.load(vectors, V_LANES + 16), offset)
  const e2 = f32x4.add(v128.load(vectors, V_LANES + 32), offset)
  const e3 = f32x4.add(v128.load(vectors, V_LANES + 48), offset)
  v128.store(vectors, e0, V_EX)
  v128.store(vectors, e1, V_EX + 16)
  v128.store(vectors, e2, V_EX + 32)
  v128.store(vectors, e3, V_EX + 48)
  v128.store(vectors, f32x4.mul(e0, l11), V_L11_EX)
  v128.store(vectors, f32x4.mul(e1, l11), V_L11_EX + 16)
  v128.store(vectors, f32x4.mul(e2, l11), V_L11_EX + 32)
  v128.store(vectors, f32x4.mul(e3, l11), V_L11_EX + 48)
}

/** First pixel row of a splat in the tile whose rows begin at `top`: 0 to 15, or more when there is none. */
// @ts-ignore: decorator
@inline
export function firstRow(splat: usize, top: f32): i32 {
  return min<f32>(16, max<f32>(0, ceil<f32>(load<f32>(splat, Y) - load<f32>(splat, HALF_Y) - top))) as i32
}

// @ts-ignore: decorator
@inline
export function lastRow(splat: usize, top: f32): i32 {
  return max<f32>(-1, min<f32>(15, floor<f32>(load<f32>(splat, Y) + load<f32>(splat, HALF_Y) - top))) as i32
}

/** First group of four pixel columns. */
// @ts-ignore: decorator
@inline
export function firstGroup(splat: usize, left: f32): i32 {
  return (min<f32>(16, max<f32>(0, ceil<f32>(load<f32>(splat, X) - load<f32>(splat, HALF_X) - left))) as i32) >> 2
}

// @ts-ignore: decorator
@inline
export function lastGroup(splat: usize, left: f32): i32 {
  return (max<f32>(-1, min<f32>(15, floor<f32>(load<f32>(splat, X) + load<f32>(splat, HALF_X) - left))) as i32) >> 2
}

/**
 * opacity 2^p for p in [-126, 0] (other lanes are garbage for the caller to mask): 2^n by exponent bits, 2^f by a
 * polynomial of degree 5 that is exact at 0, 2e-7 relative.
 */
// @ts-ignore: decorator
@inline
export function weigh(vectors: usize, p: v128): v128 {
  const magic = v128.load(vectors, V_MAGIC)
  const k = f32x4.add(p, magic)
  const f = f32x4.sub(p, f32x4.sub(k, magic))
  let r = f32x4.add(f32x4.mul(v128.load(vectors, V_C1 + 64), f), v128.load(vectors, V_C1 + 48))
  r = f32x4.add(f32x4.mul(r, f), v128.load(vectors, V_C1 + 32))
  r = f32x4.add(f32x4.mul(r, f), v128.load(vectors, V_C1 + 16))
  r = f32x4.add(f32x4.mul(r, f), v128.load(vectors, V_C1))
  r = f32x4.add(f32x4.mul(r, f), v128.load(vectors, V_ONE))
  const power = i32x4.add(r, i32x4.shl(k, 23))
  return f32x4.mul(power, v128.load(vectors, V_OPACITY))
}
