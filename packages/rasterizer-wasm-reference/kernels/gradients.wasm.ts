// Gradients of Gaussians from those of their (Gaussian, tile) pairs.
//
// Chunk = 512 Gaussians. The pair records of a Gaussian lie side by side and are added in that order; the projection is
// repeated and differentiated in double precision. With S the second moments of w and K the inverse covariance,
// dL/dcov = K S K / 2 and, as cov = M M^T + dilation I, dL/dM = 2 dL/dcov M. Every row is written, zero where culled.
import { at } from '../../tensor/kernels/simd'
import { P_FX, P_FY, P_HEIGHT, P_WIDTH, P_WORLD_TO_CAMERA, gaussiansPerChunk, gradientBytes } from './layout'
import {
  project, S_A, S_B, S_C, S_DET, S_JR, S_JRQ, S_M, S_Q, S_TX, S_TY, S_X, S_Y, S_Z,
} from './projection'

// Scratch behind the projection's state: dL/dM diag(scales) = dL/d(J R Q), 2x3, and dL/dQ, 3x3.
const D_JRQ: usize = 512
const D_Q: usize = 560

@inline
function get(base: usize, index: i32): f64 {
  return load<f64>(base + ((index as usize) << 3))
}

@inline
function put(base: usize, index: i32, value: f64): void {
  store<f32>(at(base, index), value as f32)
}

/** pairs // [G + 1] number of the first pair; pairGradients // [pairs, 12] */
export function gradients(
  chunk: i32, scratch: usize, params: usize, means: usize, quats: usize, scales: usize, opacities: usize,
  gaussians: i32, pairs: usize, pairGradients: usize, vMeans: usize, vQuats: usize, vScales: usize, vOpacities: usize,
  vColors: usize, vMeans2d: usize,
): void {
  const end = min(gaussians, (chunk + 1) * gaussiansPerChunk)
  for (let i = chunk * gaussiansPerChunk; i < end; i++) {
    const first = load<u32>(at(pairs, i))
    const last = load<u32>(at(pairs, i), 4)
    let a = f32x4.splat(0)
    let b = f32x4.splat(0)
    let c = f32x4.splat(0)
    for (let pair = first; pair < last; pair++) {
      const gradient = pairGradients + (pair as usize) * gradientBytes
      a = f32x4.add(a, v128.load(gradient))
      b = f32x4.add(b, v128.load(gradient, 16))
      c = f32x4.add(c, v128.load(gradient, 32))
    }
    const opacity = load<f32>(at(opacities, i))
    store<f32>(at(vOpacities, i), first < last ? f32x4.extract_lane(a, 0) / opacity : 0)
    store<f32>(at(vColors, 3 * i), f32x4.extract_lane(b, 2))
    store<f32>(at(vColors, 3 * i + 1), f32x4.extract_lane(b, 3))
    store<f32>(at(vColors, 3 * i + 2), f32x4.extract_lane(c, 0))
    if (first < last && project(scratch, params, means, quats, scales, i)) {
      differentiate(
        scratch, params, quats, scales, i, f32x4.extract_lane(a, 1), f32x4.extract_lane(a, 2),
        f32x4.extract_lane(a, 3), f32x4.extract_lane(b, 0), f32x4.extract_lane(b, 1), f32x4.extract_lane(c, 1),
        vMeans, vQuats, vScales, vMeans2d,
      )
    } else {
      memory.fill(at(vMeans, 3 * i), 0, 12)
      memory.fill(at(vQuats, 4 * i), 0, 16)
      memory.fill(at(vScales, 3 * i), 0, 12)
      memory.fill(at(vMeans2d, 2 * i), 0, 8)
    }
  }
}

function differentiate(
  state: usize, params: usize, quats: usize, scales: usize, i: i32, wx: f64, wy: f64, wxx: f64, wxy: f64, wyy: f64,
  vDepth: f64, vMeans: usize, vQuats: usize, vScales: usize, vMeans2d: usize,
): void {
  // Inverse covariance K, and the gradients of the projected mean and of the covariance (off-diagonal: of each).
  const det = load<f64>(state, S_DET)
  const ka = load<f64>(state, S_C) / det
  const kb = -load<f64>(state, S_B) / det
  const kc = load<f64>(state, S_A) / det
  const vU = ka * wx + kb * wy
  const vV = kb * wx + kc * wy
  put(vMeans2d, 2 * i, vU * 0.5 * load<f64>(params, P_WIDTH))
  put(vMeans2d, 2 * i + 1, vV * 0.5 * load<f64>(params, P_HEIGHT))
  const ks00 = ka * wxx + kb * wxy
  const ks01 = ka * wxy + kb * wyy
  const ks10 = kb * wxx + kc * wxy
  const ks11 = kb * wxy + kc * wyy
  const va = 0.5 * (ks00 * ka + ks01 * kb)
  const vb = 0.5 * (ks00 * kb + ks01 * kc)
  const vc = 0.5 * (ks10 * kb + ks11 * kc)

  for (let k = 0; k < 3; k++) {
    const m0 = get(state + S_M, k)
    const m1 = get(state + S_M, 3 + k)
    const vM0 = 2 * (va * m0 + vb * m1)
    const vM1 = 2 * (vb * m0 + vc * m1)
    put(vScales, 3 * i + k, vM0 * get(state + S_JRQ, k) + vM1 * get(state + S_JRQ, 3 + k))
    const scale = load<f32>(at(scales, 3 * i + k)) as f64
    store<f64>(state + ((k as usize) << 3), vM0 * scale, D_JRQ)
    store<f64>(state + ((k as usize) << 3), vM1 * scale, D_JRQ + 24)
  }
  const d00 = get(state + D_JRQ, 0)
  const d01 = get(state + D_JRQ, 1)
  const d02 = get(state + D_JRQ, 2)
  const d10 = get(state + D_JRQ, 3)
  const d11 = get(state + D_JRQ, 4)
  const d12 = get(state + D_JRQ, 5)

  // J R (rows t0, t1) and Q.
  let vJ00: f64 = 0
  let vJ02: f64 = 0
  let vJ11: f64 = 0
  let vJ12: f64 = 0
  const camera = params + P_WORLD_TO_CAMERA
  for (let j = 0; j < 3; j++) {
    const q0 = get(state + S_Q, 3 * j)
    const q1 = get(state + S_Q, 3 * j + 1)
    const q2 = get(state + S_Q, 3 * j + 2)
    const vT0 = d00 * q0 + d01 * q1 + d02 * q2
    const vT1 = d10 * q0 + d11 * q1 + d12 * q2
    vJ00 += vT0 * get(camera, j)
    vJ02 += vT0 * get(camera, 8 + j)
    vJ11 += vT1 * get(camera, 4 + j)
    vJ12 += vT1 * get(camera, 8 + j)
    const t0 = get(state + S_JR, j)
    const t1 = get(state + S_JR, 3 + j)
    const row = state + ((3 * j) << 3)
    store<f64>(row, t0 * d00 + t1 * d10, D_Q)
    store<f64>(row, t0 * d01 + t1 * d11, D_Q + 8)
    store<f64>(row, t0 * d02 + t1 * d12, D_Q + 16)
  }

  // Camera-space mean: through the projected mean, the depth and J. A clamped x/z is a constant.
  const fx = load<f64>(params, P_FX)
  const fy = load<f64>(params, P_FY)
  const x = load<f64>(state, S_X)
  const y = load<f64>(state, S_Y)
  const z = load<f64>(state, S_Z)
  const tx = load<f64>(state, S_TX)
  const ty = load<f64>(state, S_TY)
  const limX = (0.65 * load<f64>(params, P_WIDTH)) / fx
  const limY = (0.65 * load<f64>(params, P_HEIGHT)) / fy
  const clampedX = abs<f64>(x / z) > limX
  const clampedY = abs<f64>(y / z) > limY
  const z2 = z * z
  let vX = (fx / z) * vU
  let vY = (fy / z) * vV
  let vZ = vDepth - (fx * x * vU + fy * y * vV + fx * vJ00 + fy * vJ11) / z2
  vZ += (fx * tx * vJ02 * (clampedX ? 1 : 2) + fy * ty * vJ12 * (clampedY ? 1 : 2)) / (z2 * z)
  if (!clampedX) vX -= (fx * vJ02) / z2
  if (!clampedY) vY -= (fy * vJ12) / z2
  for (let k = 0; k < 3; k++) {
    put(vMeans, 3 * i + k, vX * get(camera, k) + vY * get(camera, 4 + k) + vZ * get(camera, 8 + k))
  }

  const w = load<f32>(at(quats, 4 * i)) as f64
  const qx = load<f32>(at(quats, 4 * i + 1)) as f64
  const qy = load<f32>(at(quats, 4 * i + 2)) as f64
  const qz = load<f32>(at(quats, 4 * i + 3)) as f64
  const q = state + D_Q
  const v00 = get(q, 0)
  const v01 = get(q, 1)
  const v02 = get(q, 2)
  const v10 = get(q, 3)
  const v11 = get(q, 4)
  const v12 = get(q, 5)
  const v20 = get(q, 6)
  const v21 = get(q, 7)
  const v22 = get(q, 8)
  put(vQuats, 4 * i, 2 * (qz * (v10 - v01) + qy * (v02 - v20) + qx * (v21 - v12)))
  put(vQuats, 4 * i + 1, 2 * (qy * (v01 + v10) + qz * (v02 + v20) + w * (v21 - v12) - 2 * qx * (v11 + v22)))
  put(vQuats, 4 * i + 2, 2 * (qx * (v01 + v10) + w * (v02 - v20) + qz * (v12 + v21) - 2 * qy * (v00 + v22)))
  put(vQuats, 4 * i + 3, 2 * (w * (v10 - v01) + qx * (v02 + v20) + qy * (v12 + v21) - 2 * qz * (v00 + v11)))
}
