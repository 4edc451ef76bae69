// Projects Gaussians to splat records and numbers what is visible.
//
// `project`: chunk = 512 Gaussians; writes their records, radii, tile counts and the chunk's totals. `scanTotals`: one
// chunk; exclusive prefix sums over chunks. `numberPairs`: chunk = 512 Gaussians; tile counts become the number of the first
// (Gaussian, tile) pair, and visible Gaussians are listed, in index order, with their depth as sort key. Integer sums
// only, so the result is the same for any number of threads. Limits: 2^32 - 1 pairs, 2^26 Gaussians.
import { at } from '../../tensor/kernels/simd'
import { countTiles } from './extent'
import {
  BLUE, DEPTH, GREEN, HALF_X, HALF_Y, L11, L21, L22, OPACITY, P_ALPHA_MIN, P_HEIGHT, P_THREE_SIGMA, P_WIDTH,
  PAIR, REACH, RED, SKEW, SQUARE, X, Y, gaussiansPerChunk, record,
} from './layout'
import { project as projectOne, S_A, S_B, S_C, S_DET, S_U, S_V, S_Z } from './projection'

const log2e: f64 = 1.4426950408889634

// log2 of a positive number: the exponent, and the artanh series of the mantissa in [sqrt(1/2), sqrt(2)).
function log2(x: f64): f64 {
  let bits = reinterpret<u64>(x)
  let exponent = ((bits >> 52) as i32) - 1023
  let mantissa = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000)
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5
    exponent++
  }
  const s = (mantissa - 1) / (mantissa + 1)
  const q = s * s
  let sum: f64 = 1.0 / 17
  sum = sum * q + 1.0 / 15
  sum = sum * q + 1.0 / 13
  sum = sum * q + 1.0 / 11
  sum = sum * q + 1.0 / 9
  sum = sum * q + 1.0 / 7
  sum = sum * q + 1.0 / 5
  sum = sum * q + 1.0 / 3
  return (exponent as f64) + 2 * log2e * (s + s * q * sum)
}

@inline
function isFinite32(base: usize, index: i32): bool {
  return (load<u32>(at(base, index)) & 0x7f800000) != 0x7f800000
}

// Whether the square of half side `radius` around (u, v) meets a tile.
function meetsImage(u: f64, v: f64, radius: f64, width: f64, height: f64): bool {
  return (
    u + radius + 15 >= 16 && v + radius + 15 >= 16 &&
    floor<f64>((u - radius) / 16) * 16 < width && floor<f64>((v - radius) / 16) * 16 < height
  )
}

// Whether [middle - half, middle + half] has a pixel centre of an image side.
function holdsPixel(middle: f64, half: f64, size: f64): bool {
  return max<f64>(0, ceil<f64>(middle - half)) <= min<f64>(size - 1, floor<f64>(middle + half))
}

export function project(
  chunk: i32, scratch: usize, params: usize, means: usize, quats: usize, scales: usize, opacities: usize,
  colors: usize, count: usize, gaussians: i32, records: usize, radii: usize, counts: usize, totals: usize,
): void {
  const used = count ? (min<u32>(load<u32>(count), gaussians) as i32) : gaussians
  const width = load<f64>(params, P_WIDTH)
  const height = load<f64>(params, P_HEIGHT)
  const threeSigma = load<f64>(params, P_THREE_SIGMA) != 0
  const alphaMin = load<f64>(params, P_ALPHA_MIN)
  const end = min(gaussians, (chunk + 1) * gaussiansPerChunk)
  let pairs: u32 = 0
  let visible: u32 = 0
  for (let i = chunk * gaussiansPerChunk; i < end; i++) {
    store<u32>(at(counts, i), 0)
    store<i32>(at(radii, i), 0)
    if (i >= used) continue
    const opacity = load<f32>(at(opacities, i)) as f64
    const usable =
      isFinite32(opacities, i) && isFinite32(colors, 3 * i) && isFinite32(colors, 3 * i + 1) &&
      isFinite32(colors, 3 * i + 2)
    const reaches = opacity >= alphaMin
    if (!usable || (!threeSigma && !reaches)) continue
    if (!projectOne(scratch, params, means, quats, scales, i)) continue
    const a = load<f64>(scratch, S_A)
    const b = load<f64>(scratch, S_B)
    const c = load<f64>(scratch, S_C)
    const det = load<f64>(scratch, S_DET)
    const half = 0.5 * (a - c)
    const radius = ceil<f64>(3 * sqrt<f64>(0.5 * (a + c) + sqrt<f64>(max<f64>(0.1, half * half + b * b))))
    if (!(radius < 2147483648)) continue
    const u = load<f64>(scratch, S_U)
    const v = load<f64>(scratch, S_V)
    if (threeSigma) {
      if (!meetsImage(u, v, radius, width, height)) continue
      store<i32>(at(radii, i), radius as i32)
      if (!reaches) continue
    }
    // Less than 2^-120 of an opacity is nothing; it keeps the exponent of the falloff in range.
    const reach = min<f64>(120, log2(opacity / alphaMin))
    const halfX = sqrt<f64>(((reach * 2) / log2e) * a)
    const halfY = sqrt<f64>(((reach * 2) / log2e) * c)
    if (!threeSigma) {
      if (!(holdsPixel(u, halfX, width) && holdsPixel(v, halfY, height))) continue
      store<i32>(at(radii, i), radius as i32)
    }
    const l11 = sqrt<f64>((0.5 * log2e * c) / det)
    const splat = record(records, i)
    store<f32>(splat, u as f32, X)
    store<f32>(splat, v as f32, Y)
    store<f32>(splat, l11 as f32, L11)
    store<f32>(splat, ((-b / c) * l11) as f32, L21)
    store<f32>(splat, sqrt<f64>((0.5 * log2e) / c) as f32, L22)
    store<f32>(splat, reach as f32, REACH)
    store<f32>(splat, opacity as f32, OPACITY)
    store<f32>(splat, load<f32>(at(colors, 3 * i)), RED)
    store<f32>(splat, load<f32>(at(colors, 3 * i + 1)), GREEN)
    store<f32>(splat, load<f32>(at(colors, 3 * i + 2)), BLUE)
    store<f32>(splat, load<f64>(scratch, S_Z) as f32, DEPTH)
    store<f32>(splat, (halfX * 1.0001 + 0.01) as f32, HALF_X)
    store<f32>(splat, (halfY * 1.0001 + 0.01) as f32, HALF_Y)
    store<f32>(splat, ((halfX * b) / a) as f32, SKEW)
    store<f32>(splat, (threeSigma ? radius : 1e9) as f32, SQUARE)
    const tiles = countTiles(splat, width as i32, height as i32)
    if (tiles == 0) continue
    store<u32>(at(counts, i), tiles)
    pairs += tiles
    visible++
  }
  store<u32>(at(totals, 2 * chunk), pairs)
  store<u32>(at(totals, 2 * chunk + 1), visible)
}

/** totals[chunk] becomes the sums before the chunk; totals[chunks] all. A number of pairs beyond u32 saturates. */
export function scanTotals(chunk: i32, scratch: usize, totals: usize, chunks: i32): void {
  let pairs: u64 = 0
  let visible: u32 = 0
  for (let i = 0; i <= chunks; i++) {
    const entry = at(totals, 2 * i)
    const morePairs = i < chunks ? load<u32>(entry) : 0
    const moreVisible = i < chunks ? load<u32>(entry, 4) : 0
    store<u32>(entry, min<u64>(pairs, 0xffffffff) as u32)
    store<u32>(entry, visible, 4)
    pairs += morePairs
    visible += moreVisible
  }
}

/** counts // [G + 1]; keys // [visible, 2] of depth bits and index */
export function numberPairs(
  chunk: i32, scratch: usize, records: usize, counts: usize, totals: usize, keys: usize, gaussians: i32,
): void {
  let pair = load<u32>(at(totals, 2 * chunk))
  let rank = load<u32>(at(totals, 2 * chunk + 1)) as i32
  const end = min(gaussians, (chunk + 1) * gaussiansPerChunk)
  for (let i = chunk * gaussiansPerChunk; i < end; i++) {
    const tiles = load<u32>(at(counts, i))
    store<u32>(at(counts, i), pair)
    if (tiles == 0) continue
    const splat = record(records, i)
    store<u32>(splat, pair, PAIR)
    store<u32>(at(keys, 2 * rank), load<u32>(splat, DEPTH))
    store<u32>(at(keys, 2 * rank + 1), i)
    pair += tiles
    rank++
  }
  if (end == gaussians) store<u32>(at(counts, gaussians), pair)
}
