// Adam (Kingma and Ba 2015) on f32 arrays; the formula is in src/contract.ts.
//
// A chunk is `unit` consecutive elements (whole rows if rows may be skipped); elements are independent, so the result does
// not depend on the threads. One pass reads gradient, parameter and moments and writes all four: 32 bytes an element, bound by
// memory; a copy in f16 adds 2. Skipping rows looks at 16 gradients at once and touches nothing else of an untouched row.
// Limits: 2^30 elements.
import { at, toF16x4 } from '../../tensor/kernels/simd'

// NaN becomes zero, the rest is clamped.
@inline
function limited(g: v128, isLimited: bool, limit: v128): v128 {
  if (!isLimited) return g
  const number = v128.and(g, f32x4.eq(g, g))
  return f32x4.max(f32x4.min(number, limit), f32x4.neg(limit))
}

// A moment, or zero below the least normal number. NaN stays.
@inline
function normal(x: v128): v128 {
  return v128.andnot(x, f32x4.lt(f32x4.abs(x), f32x4.splat(1.1754943508222875e-38)))
}

// copy // [size] f16, or 0 where the parameter has none
export function adamStep(
  chunk: i32,
  scratch: usize,
  parameter: usize,
  gradient: usize,
  m: usize,
  v: usize,
  copy: usize,
  size: i32,
  unit: i32,
  first: i32,
  last: i32,
  lazyWidth: i32,
  stepSize: f32,
  rootScale: f32,
  epsilon: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  isLimited: bool,
  gradientLimit: f32,
): void {
  const begin = chunk * unit
  const end = min(size, begin + unit)
  const from = max(begin, min(end, first))
  const to = max(from, min(end, last))
  clear(gradient, begin, from)
  clear(gradient, to, end)
  const limit = f32x4.splat(gradientLimit)
  const a = f32x4.splat(stepSize)
  const r = f32x4.splat(rootScale)
  const e = f32x4.splat(epsilon)
  const b1 = f32x4.splat(beta1)
  const c1 = f32x4.splat(rest1)
  const b2 = f32x4.splat(beta2)
  const c2 = f32x4.splat(rest2)
  if (lazyWidth == 0) {
    updateRange(parameter, gradient, m, v, copy, from, to, a, r, e, b1, c1, b2, c2, isLimited, limit)
    return
  }
  // Rows that divide 16 elements are looked at together.
  const group = 16 % lazyWidth == 0 ? 16 : lazyWidth
  for (let i = from; i < to; i += group) {
    const stop = min(to, i + group)
    if (group == 16 && stop - i == 16) {
      const g = at(gradient, i)
      const any = v128.or(v128.or(v128.load(g), v128.load(g, 16)), v128.or(v128.load(g, 32), v128.load(g, 48)))
      if (!v128.any_true(any)) continue
    }
    if (lazyWidth == 4) {
      for (let row = i; row < stop; row += 4) {
        // The cache lines of these rows are needed anyway: a choice by masks beats branches that nobody can foresee.
        const g = limited(v128.load(at(gradient, row)), isLimited, limit)
        const touched = i32x4.splat(-(v128.any_true(f32x4.ne(g, f32x4.splat(0))) as i32))
        update4(parameter, gradient, m, v, copy, row, g, touched, a, r, e, b1, c1, b2, c2)
      }
    } else {
      for (let row = i; row < stop; row += lazyWidth) {
        if (isTouched(gradient, row, row + lazyWidth, isLimited)) {
          updateRange(parameter, gradient, m, v, copy, row, row + lazyWidth, a, r, e, b1, c1, b2, c2, isLimited, limit)
        } else clear(gradient, row, row + lazyWidth)
      }
    }
  }
}

function clear(gradient: usize, from: i32, to: i32): void {
  if (to > from) memory.fill(at(gradient, from), 0, ((to - from) as usize) << 2)
}

// Whether any gradient is left; with a limit, NaN counts as zero.
function isTouched(gradient: usize, from: i32, to: i32, isLimited: bool): bool {
  for (let i = from; i < to; i++) {
    const g = load<f32>(at(gradient, i))
    if (g != 0 && !(isLimited && g != g)) return true
  }
  return false
}

@inline
function moved(p: v128, m: v128, v: v128, a: v128, r: v128, e: v128): v128 {
  return f32x4.sub(p, f32x4.div(f32x4.mul(a, m), f32x4.add(f32x4.mul(f32x4.sqrt(v), r), e)))
}

@inline
function blend(b: v128, old: v128, c: v128, value: v128): v128 {
  return normal(f32x4.add(f32x4.mul(b, old), f32x4.mul(c, value)))
}

// Four elements, where `touched` has bits: all or none.
@inline
function update4(
  parameter: usize,
  gradient: usize,
  m: usize,
  v: usize,
  copy: usize,
  i: i32,
  g: v128,
  touched: v128,
  a: v128,
  r: v128,
  e: v128,
  b1: v128,
  c1: v128,
  b2: v128,
  c2: v128,
): void {
  const p = v128.load(at(parameter, i))
  const oldM = v128.load(at(m, i))
  const oldV = v128.load(at(v, i))
  const newM = blend(b1, oldM, c1, g)
  const newV = blend(b2, oldV, c2, f32x4.mul(g, g))
  v128.store(at(m, i), v128.bitselect(newM, oldM, touched))
  v128.store(at(v, i), v128.bitselect(newV, oldV, touched))
  const newP = v128.bitselect(moved(p, newM, newV, a, r, e), p, touched)
  v128.store(at(parameter, i), newP)
  if (copy != 0 && v128.any_true(touched)) {
    const bits = toF16x4(newP)
    v128.store64_lane(copy + ((i as usize) << 1), i16x8.narrow_i32x4_u(bits, bits), 0)
  }
  v128.store(at(gradient, i), f32x4.splat(0))
}

function updateRange(
  parameter: usize,
  gradient: usize,
  m: usize,
  v: usize,
  copy: usize,
  from: i32,
  to: i32,
  a: v128,
  r: v128,
  e: v128,
  b1: v128,
  c1: v128,
  b2: v128,
  c2: v128,
  isLimited: bool,
  limit: v128,
): void {
  let i = from
  for (; i + 4 <= to; i += 4) {
    const g = limited(v128.load(at(gradient, i)), isLimited, limit)
    update4(parameter, gradient, m, v, copy, i, g, i32x4.splat(-1), a, r, e, b1, c1, b2, c2)
  }
  // The last elements, in the first lane.
  for (; i < to; i++) {
    const g = limited(v128.load32_zero(at(gradient, i)), isLimited, limit)
    const newM = blend(b1, v128.load32_zero(at(m, i)), c1, g)
    const newV = blend(b2, v128.load32_zero(at(v, i)), c2, f32x4.mul(g, g))
    v128.store32_lane(at(m, i), newM, 0)
    v128.store32_lane(at(v, i), newV, 0)
    const newP = moved(v128.load32_zero(at(parameter, i)), newM, newV, a, r, e)
    v128.store32_lane(at(parameter, i), newP, 0)
    if (copy != 0) v128.store16_lane(copy + ((i as usize) << 1), toF16x4(newP), 0)
    store<f32>(at(gradient, i), 0)
  }
}
