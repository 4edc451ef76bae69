// What forward and backward must compute alike, to the last bit: constants, the pixels of a splat in a tile, alpha.
//
// A tile of 16x16 pixels is walked in columns of four pixels width. Constants lie in scratch, not in locals: engines
// rebuild a constant vector at each use, move what is computed before a loop into it, and have but 16 registers.
import { HALF_X, HALF_Y, L11, L21, L22, OPACITY, P_ALPHA_MAX, P_TRANSMITTANCE_MIN, REACH, X, Y, record } from './layout'

// Vectors of 16 bytes in scratch.
const V_MAGIC: usize = 0
const V_C1: usize = 16 // to V_C5
export const V_ONE: usize = 96
export const V_ALPHA_MAX: usize = 112
export const V_LANES: usize = 128 // four vectors 0 .. 15
export const V_ROWS: usize = 192 // 16 vectors: the row's number in each lane
/** Rows of the splats of a batch, 8 bytes each: first row of the four columns, one past the last of the four columns. */
export const V_RANGES: usize = 448
export const batch: i32 = 64
export const V_TRANSMITTANCE_MIN: usize = 960
/** Of the current splat and column: first pixel y of the tile - mean y, pixel x - mean x, l11 times that. */
export const V_TOP: usize = 976
export const V_EX: usize = 992
export const V_L11_EX: usize = 1008
export const vectorsBytes: usize = 1024

export function initVectors(vectors: usize, params: usize): void {
  v128.store(vectors, f32x4.splat(12582912), V_MAGIC)
  v128.store(vectors, f32x4.splat(0.6931469670647556), V_C1)
  v128.store(vectors, f32x4.splat(0.24022119723840799), V_C1 + 16)
  v128.store(vectors, f32x4.splat(0.05550713273506204), V_C1 + 32)
  v128.store(vectors, f32x4.splat(0.00967554133441644), V_C1 + 48)
  v128.store(vectors, f32x4.splat(0.0013276471989804698), V_C1 + 64)
  v128.store(vectors, f32x4.splat(1), V_ONE)
  v128.store(vectors, f32x4.splat(load<f64>(params, P_ALPHA_MAX) as f32), V_ALPHA_MAX)
  v128.store(vectors, f32x4.splat(load<f64>(params, P_TRANSMITTANCE_MIN) as f32), V_TRANSMITTANCE_MIN)
  for (let i: usize = 0; i < 16; i++) {
    store<f32>(vectors + (i << 2), i as f32, V_LANES)
    v128.store(vectors + (i << 4), f32x4.splat(i as f32), V_ROWS)
  }
}

/**
 * Finds the rows of list entries [from, from + batch) in the tile whose first pixel is (left, top). Done for many
 * splats ahead of their blending: the loops over rows wait for these numbers, and their latency is long.
 *
 * A column's rows end at the extreme points of the ellipse where it has them, else at its intersections with the column's
 * edges, by the Cholesky factor in the other order, (m22 ey + m21 ex)^2 + (m11 ex)^2. Rounded outwards.
 */
export function findRows(vectors: usize, records: usize, list: usize, from: i32, length: i32, left: f32, top: f32): void {
  const end = min(length, from + batch)
  const zero = f32x4.splat(0)
  const columns = f32x4.mul(v128.load(vectors, V_LANES), f32x4.splat(4))
  for (let i = from; i < end; i++) {
    const splat = record(records, load<u32>(list + ((i as usize) << 3)))
    const l11 = v128.load32_splat(splat, L11)
    const l21 = v128.load32_splat(splat, L21)
    const l22 = v128.load32_splat(splat, L22)
    const reach = v128.load32_splat(splat, REACH)
    const halfX = v128.load32_splat(splat, HALF_X)
    const halfY = v128.load32_splat(splat, HALF_Y)
    const low = f32x4.add(columns, f32x4.splat(left - load<f32>(splat, X)))
    const tileTop = f32x4.splat(top - load<f32>(splat, Y))
    const first = f32x4.pmax(low, f32x4.neg(halfX))
    const last = f32x4.pmin(f32x4.add(low, f32x4.splat(3)), halfX)
    const squared = f32x4.add(f32x4.mul(l21, l21), f32x4.mul(l22, l22))
    const inverse = f32x4.div(f32x4.splat(1), squared)
    const slope = f32x4.mul(f32x4.mul(l11, l21), inverse)
    const m11Squared = f32x4.mul(f32x4.mul(l11, l11), f32x4.mul(f32x4.mul(l22, l22), inverse))
    const skew = f32x4.div(f32x4.mul(halfY, l21), l11)
    const bottom = f32x4.pmax(first, f32x4.pmin(last, f32x4.neg(skew)))
    const upper = f32x4.pmax(first, f32x4.pmin(last, skew))
    const bottomReach = f32x4.sub(reach, f32x4.mul(m11Squared, f32x4.mul(bottom, bottom)))
    const upperReach = f32x4.sub(reach, f32x4.mul(m11Squared, f32x4.mul(upper, upper)))
    const toBottom = f32x4.sqrt(f32x4.mul(f32x4.pmax(zero, bottomReach), inverse))
    const toUpper = f32x4.sqrt(f32x4.mul(f32x4.pmax(zero, upperReach), inverse))
    const pad = f32x4.add(f32x4.mul(halfY, f32x4.splat(1e-4)), f32x4.splat(0.01))
    const bottomY = f32x4.sub(f32x4.sub(toBottom, f32x4.mul(slope, bottom)), tileTop)
    const upperY = f32x4.sub(f32x4.neg(f32x4.add(toUpper, f32x4.mul(slope, upper))), tileTop)
    const lastRow = f32x4.pmin(f32x4.splat(15), f32x4.floor(f32x4.add(bottomY, pad)))
    const firstRow = f32x4.pmax(zero, f32x4.ceil(f32x4.sub(upperY, pad)))
    const some = v128.and(f32x4.le(first, last), f32x4.le(firstRow, lastRow))
    const rows = i32x4.trunc_sat_f32x4_s(v128.and(firstRow, some))
    const ends = i32x4.trunc_sat_f32x4_s(v128.and(f32x4.add(lastRow, f32x4.splat(1)), some))
    const words = i16x8.narrow_i32x4_s(rows, ends)
    v128.store64_lane(vectors + (((i - from) as usize) << 3), i8x16.narrow_i16x8_u(words, words), 0, V_RANGES)
  }
}

/** Sets what the loop over rows needs of `splat` in column 0 to 3 of the tile. */
@inline
export function setColumn(vectors: usize, splat: usize, column: usize, left: f32): void {
  const ex = f32x4.add(v128.load(vectors + (column << 4), V_LANES), f32x4.splat(left - load<f32>(splat, X)))
  v128.store(vectors, ex, V_EX)
  v128.store(vectors, f32x4.mul(ex, v128.load32_splat(splat, L11)), V_L11_EX)
}

/** q of layout.ts at offset `ey` in the column that was set. */
@inline
export function exponent(vectors: usize, splat: usize, ey: v128): v128 {
  const t = f32x4.add(v128.load(vectors, V_L11_EX), f32x4.mul(ey, v128.load32_splat(splat, L21)))
  const s = f32x4.mul(ey, v128.load32_splat(splat, L22))
  return f32x4.add(f32x4.mul(t, t), f32x4.mul(s, s))
}

/**
 * opacity 2^-q for q in [0, 126] (other lanes are garbage for the caller to mask): 2^n by exponent bits, 2^f by a
 * polynomial of degree 5 that is exact at 0, 2e-7 relative.
 */
@inline
export function weigh(vectors: usize, splat: usize, q: v128): v128 {
  const magic = v128.load(vectors, V_MAGIC)
  const k = f32x4.sub(magic, q)
  const f = f32x4.sub(f32x4.sub(magic, k), q)
  const f2 = f32x4.mul(f, f)
  const low = f32x4.add(f32x4.mul(v128.load(vectors, V_C1), f), v128.load(vectors, V_ONE))
  const middle = f32x4.add(f32x4.mul(v128.load(vectors, V_C1 + 32), f), v128.load(vectors, V_C1 + 16))
  const high = f32x4.add(f32x4.mul(v128.load(vectors, V_C1 + 64), f), v128.load(vectors, V_C1 + 48))
  const r = f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(high, f2), middle), f2), low)
  const power = i32x4.add(r, i32x4.shl(k, 23))
  return f32x4.mul(power, v128.load32_splat(splat, OPACITY))
}
