// SIMD helpers that operator kernels import. No static data, so that every kernel module stays free of data segments.

/**
 * exp(x) of four floats, Cephes' polynomial after Cody-Waite reduction: about 1e-7 relative, inf above 88.72, 0 below
 * -87.33 (no denormals), NaN stays NaN.
 */
@inline
export function exp4(x: v128): v128 {
  const high = f32x4.splat(88.72283172607422)
  const low = f32x4.splat(-87.33654022216797)
  const bounded = f32x4.max(low, f32x4.min(high, x))
  const n = f32x4.nearest(f32x4.mul(bounded, f32x4.splat(1.44269504088896341)))
  let r = f32x4.sub(bounded, f32x4.mul(n, f32x4.splat(0.693359375)))
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)))
  let p = f32x4.splat(1.9875691500e-4)
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1))
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(r, r), p), r), f32x4.splat(1))
  // n reaches 128 at the upper end: 2^n in two factors keeps each exponent field valid.
  const k = i32x4.trunc_sat_f32x4_s(n)
  const half = i32x4.shr_s(k, 1)
  const bias = i32x4.splat(127)
  const scaleA = i32x4.shl(i32x4.add(half, bias), 23)
  const scaleB = i32x4.shl(i32x4.add(i32x4.sub(k, half), bias), 23)
  const result = f32x4.mul(f32x4.mul(p, scaleA), scaleB)
  const overflow = f32x4.gt(x, high)
  const underflow = f32x4.lt(x, low)
  const saturated = v128.bitselect(f32x4.splat(Infinity), v128.andnot(result, underflow), overflow)
  return v128.bitselect(saturated, x, f32x4.eq(x, x))
}

/** 1 / (1 + exp(-x)) of four floats. */
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1)
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))))
}

/** Binary16 bits, in lanes of 32, of four floats: rounded to nearest even, infinite beyond 65504, as `toF16` has it. */
@inline
export function toF16x4(x: v128): v128 {
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff))
  // Less the bias between the exponents, plus just less than half of the last place that stays, ties by its bit.
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1))
  const normal = i32x4.shr_u(i32x4.add(i32x4.sub(magnitude, i32x4.splat(0x37fff001)), odd), 13)
  // Below 2^-14 the sum with 1/2 has its last place where the denormal number has it.
  const half = i32x4.splat(0x3f000000)
  const denormal = i32x4.sub(f32x4.add(magnitude, half), half)
  const nan = i32x4.gt_s(magnitude, i32x4.splat(0x7f800000))
  const special = v128.bitselect(i32x4.splat(0x7e00), i32x4.splat(0x7c00), nan)
  const finite = v128.bitselect(denormal, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)))
  const bits = v128.bitselect(special, finite, i32x4.ge_s(magnitude, i32x4.splat(0x47800000)))
  return v128.or(bits, v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000)))
}

/** The four floats that binary16 bits, in lanes of 32, stand for. Exact. */
@inline
export function fromF16x4(bits: v128): v128 {
  const magnitude = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13)
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16)
  const normal = i32x4.add(magnitude, i32x4.splat(0x38000000))
  const special = i32x4.add(magnitude, i32x4.splat(0x70000000))
  // A denormal number as the distance from 2^-14, which is exact and needs no denormal f32.
  const least = i32x4.splat(0x38800000)
  const denormal = f32x4.sub(i32x4.add(magnitude, least), least)
  const finite = v128.bitselect(denormal, normal, i32x4.lt_s(magnitude, i32x4.splat(0x800000)))
  return v128.or(v128.bitselect(special, finite, i32x4.ge_s(magnitude, i32x4.splat(0xf800000))), sign)
}

/** Sum of the four lanes, in a fixed order. */
@inline
export function sum4(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  )
}

/** exp of one float, equal to a lane of {@link exp4}. */
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0)
}

/** Address of element `index` of a 4-byte array; unsigned, so that all 4 GiB are reached. */
@inline
export function at(base: usize, index: i32): usize {
  return base + ((index as usize) << 2)
}
