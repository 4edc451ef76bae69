// 4D multiresolution hash grid (Müller et al. 2022), forward and backward; the formula is in src/contract.ts.
//
// Forward: a chunk is one level and one block of points, level-outer, so that the level's entries stay in the cache.
// Backward: a chunk is one level and all points. It alone adds to the level's entries, in the order of the points, so the
// result does not depend on the threads. (Halving levels, by parity or by range, was tried: a half takes as long as the whole,
// since neighbours in x mostly share a cache line and finding the places is a third of the work.)
// SIMD over corners for places and weights, over features for the sums. Points go in batches through slots of scratch: the
// reads of many points are then under way at once, which hides much of their latency.
// A table in f16 is widened as a whole first: this is the plain way, which other devices are compared with.
// Limits: 2^31 points, entries of a level below 2^31 bytes.
import { at, fromF16x4 } from '../../tensor/kernels/simd'

// A level's record: scale and factors of the four axes as two vectors, then three words.
const levelBytes: usize = 64
const factorsAt: usize = 16
const entriesAt: usize = 32
const offsetAt: usize = 36
const hashedAt: usize = 40

// A slot of scratch: 16 byte offsets from the level's first entry, 16 weights, the address of the point's row.
const slotBytes: usize = 192
const weightsAt: usize = 64
const rowAt: usize = 128
const batch = 32

@inline
function rowsInUse(count: usize, n: i32): i32 {
  return count == 0 ? n : (min<u32>(load<u32>(count), n as u32) as i32)
}

@inline
function isInside(point: v128): bool {
  return i32x4.all_true(v128.and(f32x4.ge(point, f32x4.splat(0)), f32x4.le(point, f32x4.splat(1))))
}

// Offsets of four corners into bytes: modulo the level's entries (a power of two if hashed or wrapped), times 4 F.
@inline
function bytesOf(index: v128, entries: i32, shift: i32): v128 {
  const isPower = (entries & (entries - 1)) == 0
  if (isPower) return i32x4.shl(v128.and(index, i32x4.splat(entries - 1)), shift)
  const size = i32x4.splat(entries)
  let over = i32x4.ge_u(index, size)
  while (v128.any_true(over)) {
    index = i32x4.sub(index, v128.and(size, over))
    over = i32x4.ge_u(index, size)
  }
  return i32x4.shl(index, shift)
}

// Writes the 16 corners of the cell around `point`. The position is computed in f64 and rounded once, as by a fused
// multiply-add: products of two f32 are exact there.
@inline
function locate(slot: usize, point: v128, level: usize, shift: i32): void {
  const scale = v128.load(level)
  const factors = v128.load(level, factorsAt)
  const entries = load<i32>(level, entriesAt)
  const half = f64x2.splat(0.5)
  const xy = f64x2.mul(f64x2.promote_low_f32x4(point), f64x2.promote_low_f32x4(scale))
  const zt = f64x2.mul(
    f64x2.promote_low_f32x4(v128.shuffle<i32>(point, point, 2, 3, 2, 3)),
    f64x2.promote_low_f32x4(v128.shuffle<i32>(scale, scale, 2, 3, 2, 3)),
  )
  const p = v128.shuffle<i32>(
    f32x4.demote_f64x2_zero(f64x2.add(xy, half)),
    f32x4.demote_f64x2_zero(f64x2.add(zt, half)),
    0, 1, 4, 5,
  )
  const floor = f32x4.floor(p)
  const high = f32x4.sub(p, floor)
  const low = f32x4.sub(f32x4.splat(1), high)

  const w = f32x4.mul(v128.shuffle<i32>(low, high, 0, 4, 0, 4), v128.shuffle<i32>(low, high, 1, 1, 5, 5))
  const w0 = f32x4.mul(w, v128.shuffle<i32>(low, low, 2, 2, 2, 2))
  const w1 = f32x4.mul(w, v128.shuffle<i32>(high, high, 2, 2, 2, 2))
  const t0 = v128.shuffle<i32>(low, low, 3, 3, 3, 3)
  const t1 = v128.shuffle<i32>(high, high, 3, 3, 3, 3)
  v128.store(slot, f32x4.mul(w0, t0), weightsAt)
  v128.store(slot, f32x4.mul(w1, t0), weightsAt + 16)
  v128.store(slot, f32x4.mul(w0, t1), weightsAt + 32)
  v128.store(slot, f32x4.mul(w1, t1), weightsAt + 48)

  const lower = i32x4.mul(i32x4.trunc_sat_f32x4_s(floor), factors)
  const upper = i32x4.add(lower, factors)
  const x = v128.shuffle<i32>(lower, upper, 0, 4, 0, 4)
  const y = v128.shuffle<i32>(lower, upper, 1, 1, 5, 5)
  const z0 = v128.shuffle<i32>(lower, lower, 2, 2, 2, 2)
  const z1 = v128.shuffle<i32>(upper, upper, 2, 2, 2, 2)
  const u0 = v128.shuffle<i32>(lower, lower, 3, 3, 3, 3)
  const u1 = v128.shuffle<i32>(upper, upper, 3, 3, 3, 3)
  if (load<i32>(level, hashedAt)) {
    const a0 = v128.xor(v128.xor(x, y), z0)
    const a1 = v128.xor(v128.xor(x, y), z1)
    const mask = i32x4.splat(entries - 1)
    v128.store(slot, i32x4.shl(v128.and(v128.xor(a0, u0), mask), shift))
    v128.store(slot, i32x4.shl(v128.and(v128.xor(a1, u0), mask), shift), 16)
    v128.store(slot, i32x4.shl(v128.and(v128.xor(a0, u1), mask), shift), 32)
    v128.store(slot, i32x4.shl(v128.and(v128.xor(a1, u1), mask), shift), 48)
  } else {
    const a0 = i32x4.add(i32x4.add(x, y), z0)
    const a1 = i32x4.add(i32x4.add(x, y), z1)
    v128.store(slot, bytesOf(i32x4.add(a0, u0), entries, shift))
    v128.store(slot, bytesOf(i32x4.add(a1, u0), entries, shift), 16)
    v128.store(slot, bytesOf(i32x4.add(a0, u1), entries, shift), 32)
    v128.store(slot, bytesOf(i32x4.add(a1, u1), entries, shift), 48)
  }
}

// Writes the slots of those of the points `first` to `end` that lie inside, each with the address of its row; clears the
// rows of the others if `clear`. Returns the end of the slots.
function locateBatch(
  slots: usize,
  points: usize,
  first: i32,
  end: i32,
  level: usize,
  row: usize,
  stride: usize,
  shift: i32,
  clear: bool,
): usize {
  for (let i = first; i < end; i++, row += stride) {
    const point = v128.load(at(points, i << 2))
    if (isInside(point)) {
      locate(slots, point, level, shift)
      store<usize>(slots, row, rowAt)
      slots += slotBytes
    } else if (clear) memory.fill(row, 0, (1 as usize) << shift)
  }
  return slots
}

@inline
function weighted(weight: v128, table: usize, offset: u32): v128 {
  return f32x4.mul(weight, v128.load(table + (offset as usize)))
}

// Four features, summed over the corners. Constant distances are immediates of the loads: an addition would be kept,
// since addresses wrap.
@inline
function gather4(slot: usize, table: usize): v128 {
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  for (let end = slot + 64; slot < end; slot += 16) {
    a = f32x4.add(a, weighted(v128.load32_splat(slot, 64), table, load<u32>(slot)))
    b = f32x4.add(b, weighted(v128.load32_splat(slot, 68), table, load<u32>(slot, 4)))
    c = f32x4.add(c, weighted(v128.load32_splat(slot, 72), table, load<u32>(slot, 8)))
    d = f32x4.add(d, weighted(v128.load32_splat(slot, 76), table, load<u32>(slot, 12)))
  }
  return f32x4.add(f32x4.add(a, b), f32x4.add(c, d))
}

@inline
function entriesOf(table: usize, level: usize, shift: i32): usize {
  return table + ((load<u32>(level, offsetAt) as usize) << shift)
}

/**
 * encoded // [n, width] of the level and the block of points of this chunk; chunks = levels times blocks of `block`
 * points. `shift` is log2 of the bytes of an entry; entries of 16 and 32 bytes go by vectors, smaller ones by floats.
 */
export function encode(
  chunk: i32,
  scratch: usize,
  points: usize,
  count: usize,
  table: usize,
  encoded: usize,
  levels: usize,
  n: i32,
  block: i32,
  width: i32,
  shift: i32,
): void {
  const blocks = (n + block - 1) / block
  const l = chunk / blocks
  const first = (chunk - l * blocks) * block
  const last = min(rowsInUse(count, n), first + block)
  const level = levels + (l as usize) * levelBytes
  const entries = entriesOf(table, level, shift)
  const stride = (width as usize) << 2
  const bytes = (1 as usize) << shift
  let row = encoded + (first as usize) * stride + ((l as usize) << shift)
  for (let i = first; i < last; i += batch, row += (batch as usize) * stride) {
    const end = locateBatch(scratch, points, i, min(last, i + batch), level, row, stride, shift, true)
    if (shift == 4) {
      for (let slot = scratch; slot < end; slot += slotBytes) v128.store(load<usize>(slot, rowAt), gather4(slot, entries))
    } else if (shift == 5) {
      for (let slot = scratch; slot < end; slot += slotBytes) {
        const out = load<usize>(slot, rowAt)
        v128.store(out, gather4(slot, entries))
        v128.store(out, gather4(slot, entries + 16), 16)
      }
    } else {
      for (let slot = scratch; slot < end; slot += slotBytes) {
        const out = load<usize>(slot, rowAt)
        for (let f: usize = 0; f < bytes; f += 4) {
          let sum: f32 = 0
          for (let c = slot; c < slot + 64; c += 4) {
            sum += load<f32>(c, weightsAt) * load<f32>(entries + f + (load<u32>(c) as usize))
          }
          store<f32>(out + f, sum)
        }
      }
    }
  }
}

@inline
function add4(place: usize, weight: v128, gradient: v128): void {
  v128.store(place, f32x4.add(v128.load(place), f32x4.mul(weight, gradient)))
}

// Adds a point's gradient, weighted, to the entry of the corner at `corner` in its slot.
@inline
function scatter(corner: usize, entries: usize, row: usize, bytes: usize): void {
  const place = entries + (load<u32>(corner) as usize)
  const weight = load<f32>(corner, weightsAt)
  for (let f: usize = 0; f < bytes; f += 4) {
    store<f32>(place + f, load<f32>(place + f) + weight * load<f32>(row + f))
  }
}

/** vTable[entry] += weight vEncoded for the entries of this chunk's level; chunks = levels. */
export function encodeBackward(
  chunk: i32,
  scratch: usize,
  points: usize,
  count: usize,
  vEncoded: usize,
  vTable: usize,
  levels: usize,
  n: i32,
  width: i32,
  shift: i32,
): void {
  const last = rowsInUse(count, n)
  const level = levels + (chunk as usize) * levelBytes
  const entries = entriesOf(vTable, level, shift)
  const stride = (width as usize) << 2
  const bytes = (1 as usize) << shift
  let row = vEncoded + ((chunk as usize) << shift)
  for (let i = 0; i < last; i += batch, row += (batch as usize) * stride) {
    const end = locateBatch(scratch, points, i, min(last, i + batch), level, row, stride, shift, false)
    for (let slot = scratch; slot < end; slot += slotBytes) {
      const from = load<usize>(slot, rowAt)
      const cornersEnd = slot + 64
      if (shift == 4) {
        const v = v128.load(from)
        for (let c = slot; c < cornersEnd; c += 16) {
          add4(entries + (load<u32>(c) as usize), v128.load32_splat(c, 64), v)
          add4(entries + (load<u32>(c, 4) as usize), v128.load32_splat(c, 68), v)
          add4(entries + (load<u32>(c, 8) as usize), v128.load32_splat(c, 72), v)
          add4(entries + (load<u32>(c, 12) as usize), v128.load32_splat(c, 76), v)
        }
      } else if (shift == 5) {
        const a = v128.load(from)
        const b = v128.load(from, 16)
        for (let c = slot; c < cornersEnd; c += 4) {
          const place = entries + (load<u32>(c) as usize)
          const weight = v128.load32_splat(c, 64)
          add4(place, weight, a)
          add4(place + 16, weight, b)
        }
      } else {
        for (let c = slot; c < cornersEnd; c += 4) scatter(c, entries, from, bytes)
      }
    }
  }
}

/** wide // [size] = the numbers that `halves` // [size] stand for; chunks of `block`, a multiple of 4. */
export function widen(chunk: i32, scratch: usize, halves: usize, wide: usize, size: i32, block: i32): void {
  const end = min(size, (chunk + 1) * block)
  let i = chunk * block
  for (; i + 4 <= end; i += 4) {
    v128.store(at(wide, i), fromF16x4(v128.load16x4_u(halves + ((i as usize) << 1))))
  }
  for (; i < end; i++) {
    const one = i32x4.splat(load<u16>(halves + ((i as usize) << 1)))
    v128.store32_lane(at(wide, i), fromF16x4(one), 0)
  }
}
