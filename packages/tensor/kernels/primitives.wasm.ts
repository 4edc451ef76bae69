// Device-wide primitives over f32 arrays.
//
// One chunk covers `block` elements. Sums are double precision inside a chunk and reduced in chunk order, so the result
// does not depend on the number of threads. Limits: 2^30 elements.
import { at } from './simd'

/** partials[chunk] (f64) = sum of the chunk's elements. */
export function sumBlocks(chunk: i32, scratch: usize, input: usize, partials: usize, n: i32, block: i32): void {
  const end = min(n, (chunk + 1) * block)
  let sum: f64 = 0
  for (let i = chunk * block; i < end; i++) sum += load<f32>(at(input, i)) as f64
  store<f64>(partials + ((chunk as usize) << 3), sum)
}

/** output[0] = scale * sum of `count` f64 partials. */
export function sumPartials(chunk: i32, scratch: usize, partials: usize, output: usize, count: i32, scale: f64): void {
  let sum: f64 = 0
  for (let i = 0; i < count; i++) sum += load<f64>(partials + ((i as usize) << 3))
  store<f32>(output, (sum * scale) as f32)
}

/** flags[chunk] (u32) = number of elements of the chunk that are NaN or infinite. */
export function countNonFinite(chunk: i32, scratch: usize, input: usize, flags: usize, n: i32, block: i32): void {
  const end = min(n, (chunk + 1) * block)
  let count: u32 = 0
  for (let i = chunk * block; i < end; i++) {
    if ((load<u32>(at(input, i)) & 0x7f800000) == 0x7f800000) count++
  }
  store<u32>(at(flags, chunk), count)
}
