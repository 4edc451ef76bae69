// PatchMatch with slanted planes: the cost of given planes, random planes, planes of a coarser level, and a sweep.
//
// One chunk is `rows` rows of the reference; a pixel is worked on by itself. planes // [H, W, 4] inverse depth at the
// pixel's centre, its change per pixel to the right and downwards, cost. chosen // [H, W] one bit a source that counts at
// the pixel; a pixel without any is left out. A sweep changes the pixels of one colour of a checkerboard and reads those
// of the other, and random numbers depend on seed and pixel alone: equal bytes for any number of threads.
// Limits: 32 sources, 2^23 pixels a view, patches of up to 64 samples (groups <= 16).
import { at } from '../../tensor/kernels/simd'
import { loadPatch, nextOf, setPatch, signed, sourceCost, streamOf, WORST } from './patch'

/** Of a pixel that is left out. */
const NONE: f32 = 3
/** Slants beyond 81 degrees to the viewing ray are no surfaces that a patch could show. */
const MIN_COSINE_SQUARED: f32 = 0.0225
const HALF: f32 = 0.5
const COSTS_AT: usize = 1024

let matrices: usize = 0
let frames: usize = 0
let sources: i32 = 0
let best: i32 = 0
let fx: f32 = 0
let fy: f32 = 0
let cx: f32 = 0
let cy: f32 = 0
let nearest: f32 = 0
let farthest: f32 = 0
/** Where the costs of the sources go, or 0. */
let costs: usize = 0
/** The best plane of the pixel so far, its cost, and the pixel. */
let px: f32 = 0
let py: f32 = 0
let bestRho: f32 = 0
let bestGx: f32 = 0
let bestGy: f32 = 0
let bestCost: f32 = 0

function setSources(
  matrices_: usize, frames_: usize, sources_: i32, best_: i32, fx_: f32, fy_: f32, cx_: f32, cy_: f32, farthest_: f32,
  nearest_: f32,
): void {
  matrices = matrices_
  frames = frames_
  sources = sources_
  best = best_
  fx = fx_
  fy = fy_
  cx = cx_
  cy = cy_
  farthest = farthest_
  nearest = nearest_
  costs = 0
}

/**
 * Mean of the costs of the `best` sources that match best. It may stop, with WORST, as soon as perfect matches with all
 * sources that are left would not bring it below bestCost.
 */
function planeCost(rho: f32, gx: f32, gy: f32, chosen: u32): f32 {
  let left = popcnt<u32>(chosen) as i32
  const limit = bestCost * (best as f32)
  let a = WORST
  let b = WORST
  let c = WORST
  let d = WORST
  for (let s = 0; s < sources; s++) {
    if (((chosen >>> s) & 1) == 0) continue
    const cost = sourceCost(matrices + (s as usize) * 48, frames + (s as usize) * 12, px, py, rho, gx, gy)
    if (costs) store<f32>(at(costs, s), cost)
    if (cost < a) {
      d = c
      c = b
      b = a
      a = cost
    } else if (cost < b) {
      d = c
      c = b
      b = cost
    } else if (cost < c) {
      d = c
      c = cost
    } else if (cost < d) d = cost
    left--
    if (left >= best || costs) continue
    let bound = a
    if (best - left > 1) bound += b
    if (best - left > 2) bound += c
    if (bound >= limit) return WORST
  }
  if (best == 1) return a
  if (best == 2) return (a + b) * 0.5
  if (best == 3) return (a + b + c) * <f32>(1.0 / 3.0)
  return (a + b + c + d) * 0.25
}

/** Whether a plane is in the range of depths and not seen too much from its side. */
function isPossible(rho: f32, gx: f32, gy: f32): bool {
  if (!(rho >= farthest && rho <= nearest)) return false
  const rx = (px + 0.5 - cx) / fx
  const ry = (py + 0.5 - cy) / fy
  const mx = gx * fx
  const my = gy * fy
  const mz = rho - mx * rx - my * ry
  return rho * rho >= MIN_COSINE_SQUARED * (mx * mx + my * my + mz * mz) * (rx * rx + ry * ry + 1)
}

/** Takes the plane if it is better; true if so. */
function consider(rho: f32, gx: f32, gy: f32, chosen: u32): bool {
  if (!isPossible(rho, gx, gy)) return false
  const cost = planeCost(rho, gx, gy, chosen)
  if (!(cost < bestCost)) return false
  bestRho = rho
  bestGx = gx
  bestGy = gy
  bestCost = cost
  return true
}

/** The plane at inverse depth rho whose normal is that of (rx + a, ry + b, 1): a and b are 0 where it faces the camera. */
function considerSlant(rho: f32, a: f32, b: f32, chosen: u32): void {
  const rx = (px + 0.5 - cx) / fx
  const ry = (py + 0.5 - cy) / fy
  const nx = rx + a
  const ny = ry + b
  const scale = rho / (nx * rx + ny * ry + 1)
  consider(rho, nx * scale / fx, ny * scale / fy, chosen)
}

/** [-1, 1) to (-4, 4), dense in the middle: slants up to 76 degrees. */
@inline
function slantOf(u: f32): f32 {
  return u / ((1 as f32) - <f32>0.75 * abs(u))
}

@inline
function loadBest(plane: usize): void {
  bestRho = load<f32>(plane)
  bestGx = load<f32>(plane, 4)
  bestGy = load<f32>(plane, 8)
  bestCost = load<f32>(plane, 12)
}

@inline
function storeBest(plane: usize): void {
  store<f32>(plane, bestRho)
  store<f32>(plane, bestGx, 4)
  store<f32>(plane, bestGy, 8)
  store<f32>(plane, bestCost, 12)
}

/** costs_ // [S, H, W] of every source for the first three numbers of planes. */
export function matchCosts(
  chunk: i32, scratch: usize, rows: i32, planes: usize, costs_: usize, quads: usize, matrices_: usize, frames_: usize, pattern: usize,
  first: i32, width: i32, height: i32, sources_: i32, groups: i32, reach: f32, falloff: f32, minVariance: f32,
): void {
  setPatch(quads, first, width, height, pattern, groups, reach, falloff, minVariance, scratch)
  const pixels = width * height
  const end = min(height, (chunk + 1) * rows)
  for (let y = chunk * rows; y < end; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x
      const plane = planes + ((pixel as usize) << 4)
      const isContrast = loadPatch(x, y)
      for (let s = 0; s < sources_; s++) {
        const matrix = matrices_ + (s as usize) * 48
        const frame = frames_ + (s as usize) * 12
        const cost = isContrast
          ? sourceCost(matrix, frame, x as f32, y as f32, load<f32>(plane), load<f32>(plane, 4), load<f32>(plane, 8))
          : WORST
        store<f32>(at(costs_, s * pixels + pixel), cost)
      }
    }
  }
}

/** The best of `tries` random planes a pixel, evenly over the range of inverse depth. */
export function seedPlanes(
  chunk: i32, scratch: usize, rows: i32, planes: usize, chosen: usize, quads: usize, matrices_: usize, frames_: usize, pattern: usize,
  base: i32, first: i32, width: i32, height: i32, sources_: i32, best_: i32, groups: i32, reach: f32, falloff: f32,
  minVariance: f32, fx_: f32, fy_: f32, cx_: f32, cy_: f32, farthest_: f32, nearest_: f32, seed: u32, tries: i32,
): void {
  planes += (base as usize) << 4
  setPatch(quads, first, width, height, pattern, groups, reach, falloff, minVariance, scratch)
  setSources(matrices_, frames_, sources_, best_, fx_, fy_, cx_, cy_, farthest_, nearest_)
  const step = (nearest_ - farthest_) / (tries as f32)
  const end = min(height, (chunk + 1) * rows)
  for (let y = chunk * rows; y < end; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x
      const plane = planes + ((pixel as usize) << 4)
      const which = load<u32>(at(chosen, pixel))
      bestRho = HALF * (nearest_ + farthest_)
      bestGx = 0
      bestGy = 0
      bestCost = which == 0 ? NONE : WORST
      px = x as f32
      py = y as f32
      if (which != 0 && loadPatch(x, y)) {
        let stream = streamOf(seed, pixel)
        for (let i = 0; i < tries; i++) {
          stream = nextOf(stream)
          const rho = farthest_ + step * ((i as f32) + HALF + HALF * signed(stream))
          stream = nextOf(stream)
          const a = slantOf(signed(stream))
          stream = nextOf(stream)
          considerSlant(rho, a, slantOf(signed(stream)), which)
        }
      }
      storeBest(plane)
    }
  }
}

/**
 * Planes of a level of half the size, of the four pixels around; then only the `keep` sources that match best count.
 * coarse // [h, w, 4]; the pixel (x, y) here lies in (x / 2, y / 2) there.
 */
export function liftPlanes(
  chunk: i32, scratch: usize, rows: i32, coarse: usize, planes: usize, chosen: usize, quads: usize, matrices_: usize, frames_: usize,
  pattern: usize, coarseFirst: i32, coarseWidth: i32, coarseHeight: i32, base: i32, first: i32, width: i32, height: i32, sources_: i32, best_: i32,
  groups: i32, reach: f32, falloff: f32, minVariance: f32, fx_: f32, fy_: f32, cx_: f32, cy_: f32, farthest_: f32,
  nearest_: f32, keep: i32,
): void {
  planes += (base as usize) << 4
  setPatch(quads, first, width, height, pattern, groups, reach, falloff, minVariance, scratch)
  setSources(matrices_, frames_, sources_, best_, fx_, fy_, cx_, cy_, farthest_, nearest_)
  const end = min(height, (chunk + 1) * rows)
  for (let y = chunk * rows; y < end; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x
      let which = load<u32>(at(chosen, pixel))
      bestRho = HALF * (nearest_ + farthest_)
      bestGx = 0
      bestGy = 0
      bestCost = which == 0 ? NONE : WORST
      px = x as f32
      py = y as f32
      if (which != 0 && loadPatch(x, y)) {
        let start = 0
        let least: f32 = WORST
        for (let i = 0; i < 4; i++) {
          const cost = load<f32>(coarse + aroundOf(i, x, y, coarseFirst, coarseWidth, coarseHeight), 12)
          if (!(cost < least)) continue
          least = cost
          start = i
        }
        // The plane that fitted best there is tried with all sources and tells which of them count.
        costs = scratch + COSTS_AT
        for (let k = 0; k < 4; k++) {
          const i = (start + k) & 3
          const plane = coarse + aroundOf(i, x, y, coarseFirst, coarseWidth, coarseHeight)
          if (!(load<f32>(plane, 12) < WORST)) continue
          const gx = HALF * load<f32>(plane, 4)
          const gy = HALF * load<f32>(plane, 8)
          const dx = ((x - 2 * aroundX(i, x, coarseWidth)) as f32) - HALF
          const dy = ((y - 2 * aroundY(i, y, coarseHeight)) as f32) - HALF
          if (!consider(load<f32>(plane) + gx * dx + gy * dy, gx, gy, which) || costs == 0) continue
          which = bestOf(costs, which, keep)
          store<u32>(at(chosen, pixel), which)
          costs = 0
        }
        costs = 0
      }
      storeBest(planes + ((pixel as usize) << 4))
    }
  }
}

/** The pixel of the coarser level around (x, y): i = 0 the one that it lies in, then those across its nearer borders. */
@inline
function aroundX(i: i32, x: i32, width: i32): i32 {
  return min(max((x >> 1) + ((i & 1) != 0 ? ((x & 1) << 1) - 1 : 0), 0), width - 1)
}

@inline
function aroundY(i: i32, y: i32, height: i32): i32 {
  return min(max((y >> 1) + ((i & 2) != 0 ? ((y & 1) << 1) - 1 : 0), 0), height - 1)
}

/** Bytes from the planes of all views to that pixel's. */
@inline
function aroundOf(i: i32, x: i32, y: i32, first: i32, width: i32, height: i32): usize {
  return ((first + aroundY(i, y, height) * width + aroundX(i, x, width)) as usize) << 4
}

/** The `keep` sources of `which` with the least costs; of equal ones the first. */
function bestOf(values: usize, which: u32, keep: i32): u32 {
  let result: u32 = 0
  for (let i = 0; i < keep; i++) {
    let least: f32 = Infinity
    let winner = -1
    for (let s = 0; s < sources; s++) {
      if ((((which & ~result) >>> s) & 1) == 0) continue
      const cost = load<f32>(at(values, s))
      if (cost < least) {
        least = cost
        winner = s
      }
    }
    if (winner < 0) break
    result |= (1 as u32) << winner
  }
  return result
}

/**
 * Takes better planes from pixels around, eight regions that reach `far` steps out or the four nearest pixels (far = 0),
 * then tries the best with another depth (by up to depthScale), another slant (by up to slantScale) and both, and
 * `randoms` random planes.
 */
export function sweepPlanes(
  chunk: i32, scratch: usize, rows: i32, planes: usize, chosen: usize, quads: usize, matrices_: usize, frames_: usize, pattern: usize,
  base: i32, first: i32, width: i32, height: i32, sources_: i32, best_: i32, groups: i32, reach: f32, falloff: f32,
  minVariance: f32, fx_: f32, fy_: f32, cx_: f32, cy_: f32, farthest_: f32, nearest_: f32, seed: u32, colour: i32,
  far: i32, depthScale: f32, slantScale: f32, randoms: i32,
): void {
  planes += (base as usize) << 4
  setPatch(quads, first, width, height, pattern, groups, reach, falloff, minVariance, scratch)
  setSources(matrices_, frames_, sources_, best_, fx_, fy_, cx_, cy_, farthest_, nearest_)
  const end = min(height, (chunk + 1) * rows)
  for (let y = chunk * rows; y < end; y++) {
    for (let x = (y + colour) & 1; x < width; x += 2) {
      const pixel = y * width + x
      const which = load<u32>(at(chosen, pixel))
      if (which == 0 || !loadPatch(x, y)) continue
      const plane = planes + ((pixel as usize) << 4)
      loadBest(plane)
      px = x as f32
      py = y as f32
      for (let region = 0; region < (far > 0 ? 8 : 4); region++) {
        let least: f32 = WORST
        let dx = 0
        let dy = 0
        const steps = region < 4 ? max(far, 1) : 4
        for (let i = 0; i < steps; i++) {
          const u = stepX(region, i)
          const v = stepY(region, i)
          if (x + u < 0 || x + u >= width || y + v < 0 || y + v >= height) continue
          const cost = load<f32>(planes + (((pixel + v * width + u) as usize) << 4), 12)
          if (!(cost < least)) continue
          least = cost
          dx = u
          dy = v
        }
        if (dx == 0 && dy == 0) continue
        const other = planes + (((pixel + dy * width + dx) as usize) << 4)
        const gx = load<f32>(other, 4)
        const gy = load<f32>(other, 8)
        consider(load<f32>(other) - gx * (dx as f32) - gy * (dy as f32), gx, gy, which)
      }

      let stream = streamOf(seed, pixel)
      for (let i = 0; i < 3; i++) {
        stream = nextOf(stream)
        const depth: f32 = i == 1 ? 0 : depthScale * signed(stream)
        stream = nextOf(stream)
        const slantX: f32 = i == 0 ? 0 : slantScale * signed(stream)
        stream = nextOf(stream)
        const slantY: f32 = i == 0 ? 0 : slantScale * signed(stream)
        const rx = (px + 0.5 - cx) / fx
        const ry = (py + 0.5 - cy) / fy
        const mx = bestGx * fx
        const my = bestGy * fy
        const mz = bestRho - mx * rx - my * ry
        // A normal that points sideways has no such slants: only its depth changes.
        if (mz > <f32>1e-3 * bestRho) considerSlant(bestRho + depth, mx / mz - rx + slantX, my / mz - ry + slantY, which)
        else {
          const scale = (bestRho + depth) / bestRho
          consider(bestRho + depth, bestGx * scale, bestGy * scale, which)
        }
      }
      for (let i = 0; i < randoms; i++) {
        stream = nextOf(stream)
        const rho = farthest_ + (nearest_ - farthest_) * (HALF + HALF * signed(stream))
        stream = nextOf(stream)
        const a = slantOf(signed(stream))
        stream = nextOf(stream)
        considerSlant(rho, a, slantOf(signed(stream)), which)
      }
      storeBest(plane)
    }
  }
}

/** Regions 0 to 3: odd distances to the left, right, up, down. 4 to 7: a few pixels of each quadrant. */
@inline
function stepX(region: i32, i: i32): i32 {
  if (region >= 4) return ((region & 1) != 0 ? 1 : -1) * ((i & 1) + 1 + (i >> 1))
  return region == 0 ? -1 - 2 * i : region == 1 ? 1 + 2 * i : 0
}

@inline
function stepY(region: i32, i: i32): i32 {
  if (region >= 4) return ((region & 2) != 0 ? 1 : -1) * (2 - (i & 1) + (i >> 1))
  return region == 2 ? -1 - 2 * i : region == 3 ? 1 + 2 * i : 0
}
