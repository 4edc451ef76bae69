// The 11-tap Gaussian window of SSIM (standard deviation 1.5, weights of sum 1) along one axis, four floats at once.
// Taps are paired around the centre, always in the same order.

/** Taps on either side of the centre. */
export const RADIUS = 5

const W0: f32 = 0.26601172486179436
const W1: f32 = 0.2130055377112537
const W2: f32 = 0.10936068950970002
const W3: f32 = 0.03600077212843083
const W4: f32 = 0.007598758135239185
const W5: f32 = 0.00102838008447911

@inline
function pair(sum: v128, before: v128, after: v128, weight: f32): v128 {
  return f32x4.add(sum, f32x4.mul(f32x4.add(before, after), f32x4.splat(weight)))
}

/** Along x of an interleaved RGB row: taps lie 3 floats apart, the first at `p`. */
@inline
export function rowWindow(p: usize): v128 {
  let sum = f32x4.mul(v128.load(p, 60), f32x4.splat(W0))
  sum = pair(sum, v128.load(p, 48), v128.load(p, 72), W1)
  sum = pair(sum, v128.load(p, 36), v128.load(p, 84), W2)
  sum = pair(sum, v128.load(p, 24), v128.load(p, 96), W3)
  sum = pair(sum, v128.load(p, 12), v128.load(p, 108), W4)
  return pair(sum, v128.load(p, 0), v128.load(p, 120), W5)
}

/** Along y: taps lie `stride` bytes apart, the first at `p`. */
@inline
export function columnWindow(p: usize, stride: usize): v128 {
  const q = p + 5 * stride
  let sum = f32x4.mul(v128.load(q), f32x4.splat(W0))
  sum = pair(sum, v128.load(p + 4 * stride), v128.load(q + stride), W1)
  sum = pair(sum, v128.load(p + 3 * stride), v128.load(q + 2 * stride), W2)
  sum = pair(sum, v128.load(p + 2 * stride), v128.load(q + 3 * stride), W3)
  sum = pair(sum, v128.load(p + stride), v128.load(q + 4 * stride), W4)
  return pair(sum, v128.load(p), v128.load(q + 5 * stride), W5)
}

/** Four bytes as floats in [0, 1]. */
@inline
export function unit4(bytes: v128): v128 {
  const words = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes))
  return f32x4.div(f32x4.convert_i32x4_u(words), f32x4.splat(255))
}

/** Four floats at `p`, or the first `n` of them and zeros. Nothing is read behind them. */
@inline
export function loadFloats(p: usize, n: i32): v128 {
  if (n >= 4) return v128.load(p)
  let x = v128.load32_zero(p)
  if (n > 1) x = f32x4.replace_lane(x, 1, load<f32>(p, 4))
  if (n > 2) x = f32x4.replace_lane(x, 2, load<f32>(p, 8))
  return x
}

/** Four bytes at `p` as floats in [0, 1], or the first `n` of them and zeros. */
@inline
export function loadUnits(p: usize, n: i32): v128 {
  if (n >= 4) return unit4(v128.load32_zero(p))
  let x = i8x16.replace_lane(i32x4.splat(0), 0, load<u8>(p))
  if (n > 1) x = i8x16.replace_lane(x, 1, load<u8>(p, 1))
  if (n > 2) x = i8x16.replace_lane(x, 2, load<u8>(p, 2))
  return unit4(x)
}

/** Stores four floats at `p`, or the first `n` of them. */
@inline
export function storeFloats(p: usize, x: v128, n: i32): void {
  if (n >= 4) {
    v128.store(p, x)
    return
  }
  store<f32>(p, f32x4.extract_lane(x, 0))
  if (n > 1) store<f32>(p, f32x4.extract_lane(x, 1), 4)
  if (n > 2) store<f32>(p, f32x4.extract_lane(x, 2), 8)
}

/** x, or zeros in the lanes from `n` on. */
@inline
export function firstLanes(x: v128, n: i32): v128 {
  return v128.and(x, i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(n)))
}

/** Adds four floats to two doubles. */
@inline
export function accumulate(sum: v128, x: v128): v128 {
  const high = f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3))
  return f64x2.add(sum, f64x2.add(f64x2.promote_low_f32x4(x), high))
}
