// Gaussians of the visible anchors out of what the decoders say, forward and backward, and statistics for growing.
//
// A chunk covers `rows` visible anchors, each with k Gaussians; three coordinates or a quaternion fill one vector. Loops
// over an anchor's Gaussians do one thing each: one loop for all took up to twice as long on Zen 3 under V8. Sums
// over an anchor's Gaussians run in their order and every visible anchor occurs once in the list, so that results do not
// depend on the number of threads. Rows behind count[0] are left alone. Limits: 2^31 Gaussians.
import { at, exp4, sum4 } from '../../tensor/kernels/simd'
import { boundedSigmoid4, load3, rowAt, store3 } from './lanes'

/** exp of logScaling[3..5] of an anchor, in the lower lanes. */
@inline
function baseSize(row: usize): v128 {
  return exp4(load3(row + 12))
}

export function assemble(
  chunk: i32, scratch: usize,
  count: usize, indices: usize, positions: usize, logScaling: usize, cov: usize, offset: usize,
  means: usize, quats: usize, scales: usize, k: u32, rows: i32,
): void {
  const end = min<u32>(load<u32>(count), (chunk + 1) * rows)
  for (let row: u32 = chunk * rows; row < end; row++) {
    const anchor = load<u32>(at(indices, row))
    const position = load3(rowAt(positions, anchor, 3))
    const scaling = rowAt(logScaling, anchor, 6)
    const spread = exp4(load3(scaling))
    const size = baseSize(scaling)
    const first = row * k
    const last = first + k
    for (let g = first; g < last; g++) {
      store3(rowAt(means, g, 3), f32x4.add(position, f32x4.mul(load3(rowAt(offset, g, 3)), spread)))
    }
    for (let g = first; g < last; g++) {
      store3(rowAt(scales, g, 3), f32x4.mul(size, boundedSigmoid4(load3(rowAt(cov, g, 7)))))
    }
    for (let g = first; g < last; g++) {
      const q = v128.load(rowAt(cov, g, 7), 12)
      const norm = sqrt<f32>(sum4(f32x4.mul(q, q)))
      v128.store(rowAt(quats, g, 4), f32x4.div(q, f32x4.splat(max<f32>(norm, 1e-12))))
    }
  }
}

/** total[0] (u32) = k count[0] */
export function countGaussians(chunk: i32, scratch: usize, count: usize, total: usize, k: u32): void {
  store<u32>(total, load<u32>(count) * k)
}

/** Adds to vLogScaling unless it is 0; writes vCov and vOffset. */
export function assembleBackward(
  chunk: i32, scratch: usize,
  count: usize, indices: usize, logScaling: usize, cov: usize, offset: usize,
  vMeans: usize, vQuats: usize, vScales: usize, vCov: usize, vOffset: usize, vLogScaling: usize, k: u32, rows: i32,
): void {
  const one = f32x4.splat(1)
  const end = min<u32>(load<u32>(count), (chunk + 1) * rows)
  for (let row: u32 = chunk * rows; row < end; row++) {
    const anchor = load<u32>(at(indices, row))
    const scaling = rowAt(logScaling, anchor, 6)
    const spread = exp4(load3(scaling))
    const size = baseSize(scaling)
    let vSpread = f32x4.splat(0)
    let vSize = f32x4.splat(0)
    const first = row * k
    const last = first + k
    for (let g = first; g < last; g++) {
      const vMean = load3(rowAt(vMeans, g, 3))
      store3(rowAt(vOffset, g, 3), f32x4.mul(vMean, spread))
      vSpread = f32x4.add(vSpread, f32x4.mul(vMean, load3(rowAt(offset, g, 3))))
    }
    for (let g = first; g < last; g++) {
      const share = boundedSigmoid4(load3(rowAt(cov, g, 7)))
      const vScale = f32x4.mul(load3(rowAt(vScales, g, 3)), share)
      vSize = f32x4.add(vSize, vScale)
      store3(rowAt(vCov, g, 7), f32x4.mul(f32x4.mul(vScale, size), f32x4.sub(one, share)))
    }
    for (let g = first; g < last; g++) {
      const q = v128.load(rowAt(cov, g, 7), 12)
      const vQuat = v128.load(rowAt(vQuats, g, 4))
      const norm = sqrt<f32>(sum4(f32x4.mul(q, q)))
      const divisor = f32x4.splat(max<f32>(norm, 1e-12))
      let vq = vQuat
      if (norm > 1e-12) {
        // The part of vQuat along the unit quaternion does not change it.
        const unit = f32x4.div(q, divisor)
        vq = f32x4.sub(vQuat, f32x4.mul(unit, f32x4.splat(sum4(f32x4.mul(unit, vQuat)))))
      }
      v128.store(rowAt(vCov, g, 7), f32x4.div(vq, divisor), 12)
    }
    if (vLogScaling) {
      const to = rowAt(vLogScaling, anchor, 6)
      store3(to, f32x4.add(load3(to), f32x4.mul(vSpread, spread)))
      store3(to + 12, f32x4.add(load3(to + 12), f32x4.mul(vSize, size)))
    }
  }
}

/** One step of the statistics that growing and pruning decide by. */
export function accumulateGrowth(
  chunk: i32, scratch: usize,
  count: usize, indices: usize, means: usize, opacities: usize, radii: usize, vMeans2d: usize,
  visits: usize, opacitySums: usize, counts: usize, maxGradients: usize, maxMeans: usize, k: u32, rows: i32,
): void {
  const end = min<u32>(load<u32>(count), (chunk + 1) * rows)
  for (let row: u32 = chunk * rows; row < end; row++) {
    const anchor = load<u32>(at(indices, row))
    let opacity: f32 = 0
    for (let j: u32 = 0; j < k; j++) {
      const g = row * k + j
      const slot = anchor * k + j
      const o = load<f32>(at(opacities, g))
      if (o > 0) opacity += o
      if (load<i32>(at(radii, g)) <= 0) continue
      store<u32>(at(counts, slot), load<u32>(at(counts, slot)) + 1)
      const v = rowAt(vMeans2d, g, 2)
      const vx = load<f32>(v)
      const vy = load<f32>(v, 4)
      const gradient = sqrt<f32>(vx * vx + vy * vy)
      if (gradient > load<f32>(at(maxGradients, slot)) && gradient < Infinity) {
        store<f32>(at(maxGradients, slot), gradient)
        store3(rowAt(maxMeans, slot, 3), load3(rowAt(means, g, 3)))
      }
    }
    store<u32>(at(visits, anchor), load<u32>(at(visits, anchor)) + 1)
    store<f32>(at(opacitySums, anchor), load<f32>(at(opacitySums, anchor)) + opacity)
  }
}
