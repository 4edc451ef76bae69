// Three floats in the lower lanes of a vector: loads and stores that touch no fourth element.

@inline
export function load3(address: usize): v128 {
  return v128.load32_lane(address, v128.load64_zero(address), 2, 8)
}

@inline
export function store3(address: usize, value: v128): void {
  v128.store64_lane(address, value, 0)
  v128.store32_lane(address, value, 2, 8)
}

/** Address of row `row` of rows of `width` 4-byte elements. */
@inline
export function rowAt(base: usize, row: u32, width: u32): usize {
  return base + (((row as usize) * (width as usize)) << 2)
}

/**
 * 1 / (1 + exp(-x)) of four floats, about 1e-7 relative, x bounded to [-86, 86]; NaN stays NaN. Within these bounds
 * neither overflow nor underflow needs care, which halves the work of the general exp4.
 */
@inline
export function boundedSigmoid4(x: v128): v128 {
  // pmin and pmax are one instruction each and return their first operand where it is NaN.
  const y = f32x4.neg(f32x4.pmax(f32x4.pmin(x, f32x4.splat(86)), f32x4.splat(-86)))
  // Adding 1.5 2^23 rounds to an integer n and leaves it in the low bits.
  const shifted = f32x4.add(f32x4.mul(y, f32x4.splat(1.44269504088896341)), f32x4.splat(12582912))
  const n = f32x4.sub(shifted, f32x4.splat(12582912))
  let r = f32x4.sub(y, f32x4.mul(n, f32x4.splat(0.693359375)))
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)))
  let p = f32x4.splat(1.9875691500e-4)
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1))
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(r, r), p), r), f32x4.splat(1))
  const power = i32x4.add(i32x4.shl(shifted, 23), i32x4.splat(0x3f800000))
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), f32x4.mul(p, power)))
}
