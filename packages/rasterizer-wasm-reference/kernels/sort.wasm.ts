// Stable radix sort of (u32 key, u32 value) pairs, least significant digit first.
//
// One pass: `histogram` (chunk = block of pairs), `scanDigits` (one chunk), `scatter` (chunk = block). Blocks depend on
// the number of pairs alone and a stable sort has one result, so threads do not matter. A digit has 11 bits. Then
// `gather` (chunk = block) copies records of 64 bytes into sorted order.
import { at } from '../../tensor/kernels/simd'
import { record } from './layout'

const digits: i32 = 2048

@inline
function digit(key: u32, shift: i32): i32 {
  return ((key >> shift) & (digits - 1)) as i32
}

/** histograms // [blocks, 2048] */
export function histogram(
  chunk: i32, scratch: usize, keys: usize, histograms: usize, n: i32, block: i32, shift: i32,
): void {
  const counts = at(histograms, chunk * digits)
  memory.fill(counts, 0, digits << 2)
  const end = min(n, (chunk + 1) * block)
  for (let i = chunk * block; i < end; i++) {
    const count = at(counts, digit(load<u32>(at(keys, 2 * i)), shift))
    store<u32>(count, load<u32>(count) + 1)
  }
}

/** Counts become the place of the first pair of each digit of each block. */
export function scanDigits(chunk: i32, scratch: usize, histograms: usize, blocks: i32): void {
  let sum: u32 = 0
  for (let d = 0; d < digits; d++) {
    for (let b = 0; b < blocks; b++) {
      const entry = at(histograms, b * digits + d)
      const count = load<u32>(entry)
      store<u32>(entry, sum)
      sum += count
    }
  }
}

export function scatter(
  chunk: i32, scratch: usize, keys: usize, sorted: usize, histograms: usize, n: i32, block: i32, shift: i32,
): void {
  const places = at(histograms, chunk * digits)
  const end = min(n, (chunk + 1) * block)
  for (let i = chunk * block; i < end; i++) {
    const pair = load<u64>(at(keys, 2 * i))
    const entry = at(places, digit(pair as u32, shift))
    const place = load<u32>(entry)
    store<u32>(entry, place + 1)
    store<u64>(at(sorted, 2 * (place as i32)), pair)
  }
}

export function gather(
  chunk: i32, scratch: usize, keys: usize, records: usize, sortedRecords: usize, n: i32, block: i32,
): void {
  const end = min(n, (chunk + 1) * block)
  for (let i = chunk * block; i < end; i++) {
    const from = record(records, load<u32>(at(keys, 2 * i + 1)))
    const to = record(sortedRecords, i)
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    v128.store(to, v128.load(from, 32), 32)
    v128.store(to, v128.load(from, 48), 48)
  }
}
