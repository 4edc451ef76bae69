// Device-wide primitives over arrays of 4-byte elements.
//
// One chunk covers `block` elements (a multiple of 4). Sums are double precision inside a chunk and reduced in chunk
// order; a scan and a sort pass count per chunk, scan the counts on one thread, and write. So no result depends on the
// number of threads. Limits: 2^30 elements.
import { at } from './simd'

const EXPONENT: u32 = 0x7f800000

/** partials[chunk] (f64) = sum of the chunk's elements. */
export function sumBlocks(chunk: i32, scratch: usize, input: usize, partials: usize, n: i32, block: i32): void {
  const end = min(n, (chunk + 1) * block)
  let low = f64x2.splat(0)
  let high = low
  let i = chunk * block
  for (; i + 4 <= end; i += 4) {
    const x = v128.load(at(input, i))
    low = f64x2.add(low, f64x2.promote_low_f32x4(x))
    high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3)))
  }
  low = f64x2.add(low, high)
  let sum = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1)
  for (; i < end; i++) sum += load<f32>(at(input, i)) as f64
  store<f64>(partials + ((chunk as usize) << 3), sum)
}

/** output[0] = sum of `count` f64 partials. */
export function sumPartials(chunk: i32, scratch: usize, partials: usize, output: usize, count: i32): void {
  let sum: f64 = 0
  for (let i = 0; i < count; i++) sum += load<f64>(partials + ((i as usize) << 3))
  store<f32>(output, sum as f32)
}

/** counts[first + chunk] = number of elements of the chunk that are NaN or infinite. */
export function countNonFinite(
  chunk: i32, scratch: usize, input: usize, counts: usize, first: i32, n: i32, block: i32,
): void {
  const end = min(n, (chunk + 1) * block)
  const exponent = i32x4.splat(EXPONENT)
  let lanes = i32x4.splat(0)
  let i = chunk * block
  for (; i + 4 <= end; i += 4) {
    lanes = i32x4.sub(lanes, i32x4.eq(v128.and(v128.load(at(input, i)), exponent), exponent))
  }
  let count = i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1)
  count += i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3)
  for (; i < end; i++) if ((load<u32>(at(input, i)) & EXPONENT) == EXPONENT) count++
  store<u32>(at(counts, first + chunk), count)
}

/** counts[chunk] = sum (modulo 2^32) of the chunk's elements. */
export function countBlocks(chunk: i32, scratch: usize, input: usize, counts: usize, n: i32, block: i32): void {
  const end = min(n, (chunk + 1) * block)
  let sum: u32 = 0
  for (let i = chunk * block; i < end; i++) sum += load<u32>(at(input, i))
  store<u32>(at(counts, chunk), sum)
}

/** In place: counts[i] becomes the sum of those before it; total[0] the sum of all. */
export function scanCounts(chunk: i32, scratch: usize, counts: usize, total: usize, n: i32): void {
  let sum: u32 = 0
  for (let i = 0; i < n; i++) {
    const p = at(counts, i)
    const count = load<u32>(p)
    store<u32>(p, sum)
    sum += count
  }
  store<u32>(total, sum)
}

/** output[i] = sum of all elements before i, given that of those before the chunk. */
export function scanBlocks(
  chunk: i32, scratch: usize, input: usize, before: usize, output: usize, n: i32, block: i32,
): void {
  const end = min(n, (chunk + 1) * block)
  let sum = load<u32>(at(before, chunk))
  for (let i = chunk * block; i < end; i++) {
    const value = load<u32>(at(input, i))
    store<u32>(at(output, i), sum)
    sum += value
  }
}

/** counts // [256, chunks]: how often each digit (bits from `shift` on under `mask`) occurs in the chunk. */
export function countDigits(
  chunk: i32, scratch: usize, keys: usize, counts: usize, n: i32, block: i32, chunks: i32, shift: i32, mask: u32,
): void {
  memory.fill(scratch, 0, 1024)
  const end = min(n, (chunk + 1) * block)
  for (let i = chunk * block; i < end; i++) {
    const p = at(scratch, (load<u32>(at(keys, i)) >>> shift) & mask)
    store<u32>(p, load<u32>(p) + 1)
  }
  for (let digit = 0; digit < 256; digit++) {
    store<u32>(at(counts, digit * chunks + chunk), load<u32>(at(scratch, digit)))
  }
}

/** Moves the chunk's pairs to their places, in order; places // [256, chunks] are the scanned counts. */
export function scatterPairs(
  chunk: i32, scratch: usize, keys: usize, values: usize, places: usize, keysOut: usize, valuesOut: usize,
  n: i32, block: i32, chunks: i32, shift: i32, mask: u32,
): void {
  for (let digit = 0; digit < 256; digit++) {
    store<u32>(at(scratch, digit), load<u32>(at(places, digit * chunks + chunk)))
  }
  const end = min(n, (chunk + 1) * block)
  for (let i = chunk * block; i < end; i++) {
    const key = load<u32>(at(keys, i))
    const p = at(scratch, (key >>> shift) & mask)
    const place = load<u32>(p)
    store<u32>(p, place + 1)
    store<u32>(at(keysOut, place), key)
    store<u32>(at(valuesOut, place), load<u32>(at(values, i)))
  }
}
