// Products of a block of rows, in tiles of 4 x 8 results that live in eight registers.
//
// Every result is one chain of multiply and add in ascending k, so its bytes depend neither on the place of its tile nor
// on the size of the block. Limits: columns of results are padded to 8, rows of a block to 4; the caller provides both.
import { at } from '../../tensor/kernels/simd'

// How the eight registers begin, and what happens to them at the end.
/** Begin with the bias, which is the first row of a panel. */
export const BIAS: i32 = 0
/** Begin with the bias; end with max(0, result). */
export const BIAS_RELU: i32 = 1
/** Begin with 0; end with 0 where `mask` is 0 or less. */
export const MASKED: i32 = 2
/** Begin with what is there. */
export const ADDED: i32 = 3

/**
 * c[0..4, 0..8] = a[0..4, 0..k] panel[0..k, 0..8]. Rows of `a` are given one by one, as the last may repeat.
 * Two loads of the panel and four broadcasts feed 16 operations; unrolling over k was slower.
 */
@inline
function tile(
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  panel: usize,
  k: i32,
  c: usize,
  ldc: usize,
  mask: usize,
  mode: i32,
): void {
  const d1 = c + ldc
  const d2 = d1 + ldc
  const d3 = d2 + ldc
  let c00 = f32x4.splat(0)
  let c01 = f32x4.splat(0)
  if (mode == BIAS || mode == BIAS_RELU) {
    c00 = v128.load(panel)
    c01 = v128.load(panel, 16)
    panel += 32
  }
  let c10 = c00
  let c11 = c01
  let c20 = c00
  let c21 = c01
  let c30 = c00
  let c31 = c01
  if (mode == ADDED) {
    c00 = v128.load(c)
    c01 = v128.load(c, 16)
    c10 = v128.load(d1)
    c11 = v128.load(d1, 16)
    c20 = v128.load(d2)
    c21 = v128.load(d2, 16)
    c30 = v128.load(d3)
    c31 = v128.load(d3, 16)
  }
  const end = panel + ((k as usize) << 5)
  while (panel < end) {
    const b0 = v128.load(panel)
    const b1 = v128.load(panel, 16)
    let x = v128.load32_splat(a0)
    c00 = f32x4.add(c00, f32x4.mul(x, b0))
    c01 = f32x4.add(c01, f32x4.mul(x, b1))
    x = v128.load32_splat(a1)
    c10 = f32x4.add(c10, f32x4.mul(x, b0))
    c11 = f32x4.add(c11, f32x4.mul(x, b1))
    x = v128.load32_splat(a2)
    c20 = f32x4.add(c20, f32x4.mul(x, b0))
    c21 = f32x4.add(c21, f32x4.mul(x, b1))
    x = v128.load32_splat(a3)
    c30 = f32x4.add(c30, f32x4.mul(x, b0))
    c31 = f32x4.add(c31, f32x4.mul(x, b1))
    a0 += 4
    a1 += 4
    a2 += 4
    a3 += 4
    panel += 32
  }
  if (mode == BIAS_RELU) {
    const zero = f32x4.splat(0)
    c00 = f32x4.max(c00, zero)
    c01 = f32x4.max(c01, zero)
    c10 = f32x4.max(c10, zero)
    c11 = f32x4.max(c11, zero)
    c20 = f32x4.max(c20, zero)
    c21 = f32x4.max(c21, zero)
    c30 = f32x4.max(c30, zero)
    c31 = f32x4.max(c31, zero)
  }
  if (mode == MASKED) {
    c00 = masked(c00, mask, 0)
    c01 = masked(c01, mask, 16)
    mask += ldc
    c10 = masked(c10, mask, 0)
    c11 = masked(c11, mask, 16)
    mask += ldc
    c20 = masked(c20, mask, 0)
    c21 = masked(c21, mask, 16)
    mask += ldc
    c30 = masked(c30, mask, 0)
    c31 = masked(c31, mask, 16)
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  v128.store(d1, c10)
  v128.store(d1, c11, 16)
  v128.store(d2, c20)
  v128.store(d2, c21, 16)
  v128.store(d3, c30)
  v128.store(d3, c31, 16)
}

/** The gradient behind a ReLU: 0 where its output is 0. A NaN output lets the gradient pass, as it is not <= 0. */
@inline
function masked(value: v128, mask: usize, offset: usize): v128 {
  return v128.andnot(value, f32x4.le(v128.load(mask + offset), f32x4.splat(0)))
}

/**
 * c // [rows rounded up to 4, columns rounded up to 8] = a // [rows, k] times the packed matrix `panels` of {@link pack}.
 * `lda` and `ldc` are row strides in bytes; `mask` has the stride of c. Rows of c behind `rows` repeat the last.
 * A panel stays in the first-level cache while all rows of the block pass.
 */
@inline
export function multiply(
  a: usize,
  lda: usize,
  rows: i32,
  panels: usize,
  columns: i32,
  k: i32,
  c: usize,
  ldc: usize,
  mask: usize,
  mode: i32,
): void {
  const panelBytes = panelSize(k, mode == BIAS || mode == BIAS_RELU)
  const last = rows - 1
  for (let column = 0; column < columns; column += 8) {
    for (let row = 0; row < rows; row += 4) {
      const a0 = a + (row as usize) * lda
      const a1 = a + (min(row + 1, last) as usize) * lda
      const a2 = a + (min(row + 2, last) as usize) * lda
      const a3 = a + (min(row + 3, last) as usize) * lda
      const place = (row as usize) * ldc + ((column as usize) << 2)
      tile(a0, a1, a2, a3, panels, k, c + place, ldc, mask + place, mode)
    }
    panels += panelBytes
  }
}

/** Bytes of eight packed columns of a matrix with k rows. */
@inline
export function panelSize(k: i32, biased: bool): usize {
  return ((k + (biased ? 1 : 0)) as usize) << 5
}

/**
 * Packs the matrix b(i, j) = source[i * rowStep + j * columnStep] // [k, columns] in panels of eight columns, each
 * k x 8 and contiguous; missing columns are 0. A biased one has a first row with the bias (0 when `bias` is null).
 */
export function pack(
  source: usize,
  rowStep: i32,
  columnStep: i32,
  k: i32,
  columns: i32,
  biased: bool,
  bias: usize,
  panels: usize,
): void {
  for (let first = 0; first < columns; first += 8) {
    const width = min(8, columns - first)
    if (width < 8) memory.fill(panels, 0, panelSize(k, biased))
    if (biased) {
      for (let j = 0; j < width; j++) store<f32>(at(panels, j), bias ? load<f32>(at(bias, first + j)) : 0)
      panels += 32
    }
    let row = at(source, first * columnStep)
    for (let i = 0; i < k; i++) {
      if (width == 8 && columnStep == 1) {
        v128.store(panels, v128.load(row))
        v128.store(panels, v128.load(row, 16), 16)
      } else {
        for (let j = 0; j < width; j++) store<f32>(at(panels, j), load<f32>(at(row, j * columnStep)))
      }
      row = at(row, rowStep)
      panels += 32
    }
  }
}

/**
 * c // [m rounded up to 4, n rounded up to 8] += transpose of a // [rows, m] times b // [rows, n].
 * Strides in bytes; a has 4 readable columns for each started four, b 8 for each started eight.
 */
export function multiplyTransposed(
  a: usize,
  lda: usize,
  m: i32,
  b: usize,
  ldb: usize,
  n: i32,
  rows: i32,
  c: usize,
  ldc: usize,
): void {
  for (let i = 0; i < m; i += 4) {
    for (let j = 0; j < n; j += 8) {
      transposedTile(at(a, i), lda, at(b, j), ldb, rows, at(c, j), ldc)
    }
    c += ldc << 2
  }
}

@inline
function transposedTile(a: usize, lda: usize, b: usize, ldb: usize, rows: i32, c: usize, ldc: usize): void {
  const d1 = c + ldc
  const d2 = d1 + ldc
  const d3 = d2 + ldc
  let c00 = v128.load(c)
  let c01 = v128.load(c, 16)
  let c10 = v128.load(d1)
  let c11 = v128.load(d1, 16)
  let c20 = v128.load(d2)
  let c21 = v128.load(d2, 16)
  let c30 = v128.load(d3)
  let c31 = v128.load(d3, 16)
  for (let row = 0; row < rows; row++) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let x = v128.load32_splat(a)
    c00 = f32x4.add(c00, f32x4.mul(x, b0))
    c01 = f32x4.add(c01, f32x4.mul(x, b1))
    x = v128.load32_splat(a, 4)
    c10 = f32x4.add(c10, f32x4.mul(x, b0))
    c11 = f32x4.add(c11, f32x4.mul(x, b1))
    x = v128.load32_splat(a, 8)
    c20 = f32x4.add(c20, f32x4.mul(x, b0))
    c21 = f32x4.add(c21, f32x4.mul(x, b1))
    x = v128.load32_splat(a, 12)
    c30 = f32x4.add(c30, f32x4.mul(x, b0))
    c31 = f32x4.add(c31, f32x4.mul(x, b1))
    a += lda
    b += ldb
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  v128.store(d1, c10)
  v128.store(d1, c11, 16)
  v128.store(d2, c20)
  v128.store(d2, c21, 16)
  v128.store(d3, c30)
  v128.store(d3, c31, 16)
}

/** sums // [columns rounded up to 4] += column sums of a // [rows, columns], in ascending row order. */
export function addColumnSums(a: usize, lda: usize, rows: i32, columns: i32, sums: usize): void {
  for (let column = 0; column < columns; column += 4) {
    let sum = v128.load(sums)
    let from = at(a, column)
    for (let row = 0; row < rows; row++) {
      sum = f32x4.add(sum, v128.load(from))
      from += lda
    }
    v128.store(sums, sum)
    sums += 16
  }
}
