// out = M (r, g, b, 1) for every pixel, and its gradients.
//
// A chunk is BLOCK pixels, four at once; the last few are padded with zeros in the scratch. The twelve sums of vMatrix
// are single precision over GROUP pixels, then double precision, then reduced in chunk order, so the result does not
// depend on the number of threads. Limit: 2^29 pixels.
import { at, sum4 } from '../../tensor/kernels/simd'
import { first, second, storeTriples, third } from './planar'

const BLOCK = 4096
const GROUP = 128
const PIXEL: usize = 12

@inline
function row(m: usize, r: v128, g: v128, b: v128): v128 {
  const rg = f32x4.add(f32x4.mul(v128.load32_splat(m), r), f32x4.mul(v128.load32_splat(m, 4), g))
  return f32x4.add(rg, f32x4.add(f32x4.mul(v128.load32_splat(m, 8), b), v128.load32_splat(m, 12)))
}

@inline
function column(m: usize, r: v128, g: v128, b: v128): v128 {
  const rg = f32x4.add(f32x4.mul(v128.load32_splat(m), r), f32x4.mul(v128.load32_splat(m, 16), g))
  return f32x4.add(rg, f32x4.mul(v128.load32_splat(m, 32), b))
}

@inline
function apply4(m: usize, p: usize, out: usize): void {
  const a = v128.load(p)
  const b = v128.load(p, 16)
  const c = v128.load(p, 32)
  const x = first(a, b, c)
  const y = second(a, b, c)
  const z = third(a, b, c)
  storeTriples(out, row(m, x, y, z), row(m + 16, x, y, z), row(m + 32, x, y, z))
}

/** out // [n, 3] of image // [n, 3] and matrix // [3, 4] */
export function apply(chunk: i32, scratch: usize, image: usize, matrix: usize, out: usize, n: i32): void {
  const end = min(n, (chunk + 1) * BLOCK)
  let i = chunk * BLOCK
  for (; i + 4 <= end; i += 4) apply4(matrix, image + (i as usize) * PIXEL, out + (i as usize) * PIXEL)
  if (i == end) return
  const bytes = ((end - i) as usize) * PIXEL
  memory.copy(scratch, image + (i as usize) * PIXEL, bytes)
  apply4(matrix, scratch, scratch + 64)
  memory.copy(out + (i as usize) * PIXEL, scratch + 64, bytes)
}

/** sums[k] (f64) += the lanes of x. */
@inline
function addTo(sums: usize, k: usize, x: v128): void {
  store<f64>(sums + (k << 3), load<f64>(sums + (k << 3)) + (sum4(x) as f64))
}

/** vImage = M^T vOut over at most GROUP pixels (a multiple of 4), and their part of the twelve sums. */
function group(sums: usize, image: usize, matrix: usize, vOut: usize, vImage: usize, n: i32): void {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0
  let s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0
  const end = (n as usize) * PIXEL
  for (let i: usize = 0; i < end; i += 4 * PIXEL) {
    let a = v128.load(image + i)
    let b = v128.load(image + i, 16)
    let c = v128.load(image + i, 32)
    const x = first(a, b, c)
    const y = second(a, b, c)
    const z = third(a, b, c)
    a = v128.load(vOut + i)
    b = v128.load(vOut + i, 16)
    c = v128.load(vOut + i, 32)
    const vx = first(a, b, c)
    const vy = second(a, b, c)
    const vz = third(a, b, c)
    storeTriples(vImage + i, column(matrix, vx, vy, vz), column(matrix + 4, vx, vy, vz), column(matrix + 8, vx, vy, vz))
    s0 = f32x4.add(s0, f32x4.mul(vx, x))
    s1 = f32x4.add(s1, f32x4.mul(vx, y))
    s2 = f32x4.add(s2, f32x4.mul(vx, z))
    s3 = f32x4.add(s3, vx)
    s4 = f32x4.add(s4, f32x4.mul(vy, x))
    s5 = f32x4.add(s5, f32x4.mul(vy, y))
    s6 = f32x4.add(s6, f32x4.mul(vy, z))
    s7 = f32x4.add(s7, vy)
    s8 = f32x4.add(s8, f32x4.mul(vz, x))
    s9 = f32x4.add(s9, f32x4.mul(vz, y))
    s10 = f32x4.add(s10, f32x4.mul(vz, z))
    s11 = f32x4.add(s11, vz)
  }
  addTo(sums, 0, s0)
  addTo(sums, 1, s1)
  addTo(sums, 2, s2)
  addTo(sums, 3, s3)
  addTo(sums, 4, s4)
  addTo(sums, 5, s5)
  addTo(sums, 6, s6)
  addTo(sums, 7, s7)
  addTo(sums, 8, s8)
  addTo(sums, 9, s9)
  addTo(sums, 10, s10)
  addTo(sums, 11, s11)
}

/** vImage // [n, 3]; partials[chunk] // [12] f64, this chunk's part of the gradient of the matrix */
export function applyBackward(
  chunk: i32, scratch: usize, image: usize, matrix: usize, vOut: usize, vImage: usize, partials: usize, n: i32,
): void {
  const sums = partials + (chunk as usize) * 96
  memory.fill(sums, 0, 96)
  const end = min(n, (chunk + 1) * BLOCK)
  let i = chunk * BLOCK
  while (i + 4 <= end) {
    const count = min(GROUP, (end - i) & ~3)
    const offset = (i as usize) * PIXEL
    group(sums, image + offset, matrix, vOut + offset, vImage + offset, count)
    i += count
  }
  if (i == end) return
  const offset = (i as usize) * PIXEL
  const bytes = ((end - i) as usize) * PIXEL
  memory.fill(scratch, 0, 128)
  memory.copy(scratch, image + offset, bytes)
  memory.copy(scratch + 64, vOut + offset, bytes)
  group(sums, scratch, matrix, scratch + 64, scratch + 128, 4)
  memory.copy(vImage + offset, scratch + 128, bytes)
}

/** vMatrix // [3, 4] += the sum of `count` partials. */
export function addPartials(chunk: i32, scratch: usize, partials: usize, vMatrix: usize, count: i32): void {
  for (let k = 0; k < 12; k++) {
    let sum: f64 = 0
    for (let i = 0; i < count; i++) sum += load<f64>(partials + (i as usize) * 96 + ((k as usize) << 3))
    const p = at(vMatrix, k)
    store<f32>(p, load<f32>(p) + (sum as f32))
  }
}

/** matrices // [cameras, 3, 4] -= their mean - [I | 0], in one chunk */
export function centre(chunk: i32, scratch: usize, matrices: usize, cameras: i32): void {
  for (let k = 0; k < 12; k++) {
    let sum: f64 = 0
    for (let i = 0; i < cameras; i++) sum += load<f32>(at(matrices, 12 * i + k)) as f64
    const shift = sum / (cameras as f64) - (k % 5 == 0 ? 1 : 0)
    for (let i = 0; i < cameras; i++) {
      const p = at(matrices, 12 * i + k)
      store<f32>(p, ((load<f32>(p) as f64) - shift) as f32)
    }
  }
}
