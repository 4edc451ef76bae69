// What the matching kernels share: random numbers, the reference patch of a pixel, and the cost of a plane.
//
// A plane at a pixel is its inverse depth there and the change of inverse depth per pixel to the right and downwards:
// inverse depth is linear over the image of a plane, and so is the (homogeneous) place where it projects in a source. A
// patch is `groups` times four samples; the bytes of the four texels that a bilinear sample needs lie in one word.
import { at, exp4, sum4 } from '../../tensor/kernels/simd'

/** The cost of a source that does not see the plane; of a perfect match it is 0. */
export const WORST: f32 = 2

/** What a launch is given. Every thread has its own. */
let quads: usize = 0
let first: i32 = 0
let width: i32 = 0
let height: i32 = 0
let pattern: usize = 0
let groups: i32 = 0
let patch: usize = 0
/** [4 groups] bytes from the word of a pixel to those of the samples around it. */
let places: usize = 0
let falloff: f32 = 0
let minVariance: f32 = 0
let reach: f32 = 0
/** Of the reference patch that was loaded last. */
let centre: f32 = 0
let mean: f32 = 0
let variance: f32 = 0

/**
 * quads_ // words of all images; the reference begins at first_. pattern_ // [3, 4 groups]: dx, dy, logarithm of the
 * weight (a lane that stands for nothing has -1e9). falloff_: the logarithm of the weight for a squared grey level.
 * patch_: three times 4 groups words of scratch.
 */
export function setPatch(
  quads_: usize, first_: i32, width_: i32, height_: i32, pattern_: usize, groups_: i32, reach_: f32, falloff_: f32,
  minVariance_: f32, patch_: usize,
): void {
  quads = quads_
  first = first_
  width = width_
  height = height_
  pattern = pattern_
  groups = groups_
  reach = reach_
  falloff = falloff_
  minVariance = minVariance_
  patch = patch_
  places = patch_ + ((groups_ as usize) << 5)
  for (let i = 0; i < 4 * groups_; i++) {
    const step = (load<f32>(at(pattern_, 4 * groups_ + i)) as i32) * width_ + (load<f32>(at(pattern_, i)) as i32)
    store<i32>(at(places, i), step << 2)
  }
}

/** A well mixed word ("lowbias32" of Wellons' search). */
@inline
export function mix(x: u32): u32 {
  x = (x ^ (x >>> 16)) * 0x7feb352d
  x = (x ^ (x >>> 15)) * 0x846ca68b
  return x ^ (x >>> 16)
}

/** The start of the random numbers of a pixel. */
@inline
export function streamOf(seed: u32, pixel: i32): u32 {
  return mix((pixel as u32) ^ seed)
}

@inline
export function nextOf(stream: u32): u32 {
  return mix(stream + 0x9e3779b9)
}

/** In [-1, 1). */
@inline
export function signed(stream: u32): f32 {
  return ((stream >>> 8) as f32) * 1.1920928955078125e-7 - 1
}

/** Weights (of sum one) and weighted grey levels of the reference around a pixel; false where there is no contrast. */
export function loadPatch(x: i32, y: i32): bool {
  const image = at(quads, first)
  const weighted = patch + ((groups as usize) << 4)
  const right = width - 1
  const bottom = height - 1
  centre = (load<u32>(at(image, y * width + x)) & 255) as f32
  let total = f32x4.splat(0)
  let sum = total
  let squares = total
  const row = (groups as usize) << 4
  const margin = reach as i32
  const isInside = x >= margin && y >= margin && x + margin <= right && y + margin <= bottom
  const here = at(image, y * width + x)
  for (let g: usize = 0; g < row; g += 16) {
    let value: v128
    if (isInside) {
      // Steps of whole words, negative ones wrap around.
      const step = v128.load(places + g)
      let words = v128.load32_zero(here + (i32x4.extract_lane(step, 0) as usize))
      words = v128.load32_lane(here + (i32x4.extract_lane(step, 1) as usize), words, 1)
      words = v128.load32_lane(here + (i32x4.extract_lane(step, 2) as usize), words, 2)
      words = v128.load32_lane(here + (i32x4.extract_lane(step, 3) as usize), words, 3)
      value = f32x4.convert_i32x4_s(v128.and(words, i32x4.splat(255)))
    } else value = clampedValues(image, x, y, v128.load(pattern + g), v128.load(pattern + row + g))
    value = f32x4.sub(value, f32x4.splat(centre))
    const exponent = f32x4.add(v128.load(pattern + 2 * row + g), f32x4.mul(f32x4.splat(falloff), f32x4.mul(value, value)))
    const weight = exp4(exponent)
    const product = f32x4.mul(weight, value)
    v128.store(patch + g, weight)
    v128.store(weighted + g, product)
    total = f32x4.add(total, weight)
    sum = f32x4.add(sum, product)
    squares = f32x4.add(squares, f32x4.mul(product, value))
  }
  const perTotal: f32 = (1 as f32) / sum4(total)
  mean = sum4(sum) * perTotal
  variance = sum4(squares) * perTotal - mean * mean
  const scale = f32x4.splat(perTotal)
  for (let g: usize = 0; g < row; g += 16) {
    v128.store(patch + g, f32x4.mul(v128.load(patch + g), scale))
    v128.store(weighted + g, f32x4.mul(v128.load(weighted + g), scale))
  }
  return variance >= minVariance
}

function clampedValues(image: usize, x: i32, y: i32, dx: v128, dy: v128): v128 {
  const value = f32x4.replace_lane(f32x4.splat(0), 0, greyAt(image, x, y, f32x4.extract_lane(dx, 0), f32x4.extract_lane(dy, 0)))
  const two = f32x4.replace_lane(value, 1, greyAt(image, x, y, f32x4.extract_lane(dx, 1), f32x4.extract_lane(dy, 1)))
  const three = f32x4.replace_lane(two, 2, greyAt(image, x, y, f32x4.extract_lane(dx, 2), f32x4.extract_lane(dy, 2)))
  return f32x4.replace_lane(three, 3, greyAt(image, x, y, f32x4.extract_lane(dx, 3), f32x4.extract_lane(dy, 3)))
}

function greyAt(image: usize, x: i32, y: i32, dx: f32, dy: f32): f32 {
  const u = min(max(x + (dx as i32), 0), width - 1)
  const v = min(max(y + (dy as i32), 0), height - 1)
  return (load<u32>(at(image, v * width + u)) & 255) as f32
}

/**
 * 1 - NCC of the loaded patch and a source, for a plane (rho, gx, gy) at (x, y). matrix // [12]: from (x, y, 1, rho) to the
 * homogeneous place in the source's array. frame // [3]: first word, width, height.
 */
export function sourceCost(matrix: usize, frame: usize, x: f32, y: f32, rho: f32, gx: f32, gy: f32): f32 {
  const tu = load<f32>(matrix, 12)
  const tv = load<f32>(matrix, 28)
  const tw = load<f32>(matrix, 44)
  const ux = load<f32>(matrix) + tu * gx
  const uy = load<f32>(matrix, 4) + tu * gy
  const u0 = load<f32>(matrix) * x + load<f32>(matrix, 4) * y + load<f32>(matrix, 8) + tu * rho
  const vx = load<f32>(matrix, 16) + tv * gx
  const vy = load<f32>(matrix, 20) + tv * gy
  const v0 = load<f32>(matrix, 16) * x + load<f32>(matrix, 20) * y + load<f32>(matrix, 24) + tv * rho
  const wx = load<f32>(matrix, 32) + tw * gx
  const wy = load<f32>(matrix, 36) + tw * gy
  const w0 = load<f32>(matrix, 32) * x + load<f32>(matrix, 36) * y + load<f32>(matrix, 40) + tw * rho
  // In front of the source in the whole patch, its centre inside of the image.
  if (!(w0 - reach * (abs(wx) + abs(wy)) > 0)) return WORST
  const sourceWidth = load<i32>(frame, 4)
  const right = (sourceWidth - 1) as f32
  const bottom = (load<i32>(frame, 8) - 1) as f32
  if (!(u0 >= 0 && v0 >= 0 && u0 <= right * w0 && v0 <= bottom * w0)) return WORST

  const image = at(quads, load<i32>(frame))
  const row = (groups as usize) << 4
  const weighted = patch + row
  const zero = f32x4.splat(0)
  const rights = f32x4.splat(right)
  const bottoms = f32x4.splat(bottom)
  const stride = f32x4.splat(sourceWidth as f32)
  const centres = f32x4.splat(centre)
  const u0s = f32x4.splat(u0)
  const uxs = f32x4.splat(ux)
  const uys = f32x4.splat(uy)
  const v0s = f32x4.splat(v0)
  const vxs = f32x4.splat(vx)
  const vys = f32x4.splat(vy)
  const w0s = f32x4.splat(w0)
  const wxs = f32x4.splat(wx)
  const wys = f32x4.splat(wy)
  const offsets = pattern
  const weights = patch
  let sum = zero
  let squares = zero
  let products = zero
  for (let g: usize = 0; g < row; g += 16) {
    const dx = v128.load(offsets + g)
    const dy = v128.load(offsets + row + g)
    const w = f32x4.add(w0s, f32x4.add(f32x4.mul(wxs, dx), f32x4.mul(wys, dy)))
    const u = f32x4.add(u0s, f32x4.add(f32x4.mul(uxs, dx), f32x4.mul(uys, dy)))
    const v = f32x4.add(v0s, f32x4.add(f32x4.mul(vxs, dx), f32x4.mul(vys, dy)))
    const perW = f32x4.div(f32x4.splat(1), w)
    const su = f32x4.pmin(rights, f32x4.pmax(zero, f32x4.mul(u, perW)))
    const sv = f32x4.pmin(bottoms, f32x4.pmax(zero, f32x4.mul(v, perW)))
    const left = f32x4.floor(su)
    const top = f32x4.floor(sv)
    const a = f32x4.sub(su, left)
    const b = f32x4.sub(sv, top)
    // Numbers below 2^23 end up in the mantissa.
    const place = f32x4.add(f32x4.add(f32x4.mul(top, stride), left), f32x4.splat(8388608))
    const offset = i32x4.shl(v128.and(place, i32x4.splat(0x7fffff)), 2)
    let words = v128.load32_zero(image + (i32x4.extract_lane(offset, 0) as usize))
    words = v128.load32_lane(image + (i32x4.extract_lane(offset, 1) as usize), words, 1)
    words = v128.load32_lane(image + (i32x4.extract_lane(offset, 2) as usize), words, 2)
    words = v128.load32_lane(image + (i32x4.extract_lane(offset, 3) as usize), words, 3)
    const upperLeft = f32x4.convert_i32x4_s(v128.and(words, i32x4.splat(255)))
    const upperRight = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(words, 8), i32x4.splat(255)))
    const lowerLeft = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(words, 16), i32x4.splat(255)))
    const lowerRight = f32x4.convert_i32x4_s(i32x4.shr_u(words, 24))
    const upper = f32x4.add(upperLeft, f32x4.mul(a, f32x4.sub(upperRight, upperLeft)))
    const lower = f32x4.add(lowerLeft, f32x4.mul(a, f32x4.sub(lowerRight, lowerLeft)))
    const value = f32x4.sub(f32x4.add(upper, f32x4.mul(b, f32x4.sub(lower, upper))), centres)
    const product = f32x4.mul(v128.load(weights + g), value)
    sum = f32x4.add(sum, product)
    squares = f32x4.add(squares, f32x4.mul(product, value))
    products = f32x4.add(products, f32x4.mul(v128.load(weighted + g), value))
  }
  const sourceMean = sum4(sum)
  const sourceVariance = sum4(squares) - sourceMean * sourceMean
  if (!(sourceVariance >= minVariance)) return WORST
  const covariance = sum4(products) - mean * sourceMean
  return min<f32>(WORST, max<f32>(0, (1 as f32) - covariance / sqrt<f32>(variance * sourceVariance)))
}
