// Projection of one Gaussian in double precision. The state lies in scratch, so that the gradient kernel finds every
// intermediate of the forward pass.
import { at } from '../../tensor/kernels/simd'
import { P_CX, P_CY, P_DILATION, P_FX, P_FY, P_HEIGHT, P_NEAR, P_WIDTH, P_WORLD_TO_CAMERA } from './layout'

// Offsets in the state, f64.
export const S_X: usize = 0 // camera space
export const S_Y: usize = 8
export const S_Z: usize = 16
/** x and y with x/z and y/z clamped. */
export const S_TX: usize = 24
export const S_TY: usize = 32
/** Pixel coordinates, centre of pixel (0, 0) at (0, 0). */
export const S_U: usize = 40
export const S_V: usize = 48
/** Dilated 2D covariance [[a, b], [b, c]]. */
export const S_A: usize = 56
export const S_B: usize = 64
export const S_C: usize = 72
export const S_DET: usize = 80
/** Rotation of the quaternion, 3x3. */
export const S_Q: usize = 88
/** J R, 2x3. */
export const S_JR: usize = 160
/** J R Q, 2x3. */
export const S_JRQ: usize = 208
/** J R Q diag(scales), 2x3: the covariance before dilation is this times its transpose. */
export const S_M: usize = 256

@inline
function input(base: usize, index: i32): f64 {
  return load<f32>(at(base, index)) as f64
}

@inline
function parameter(params: usize, index: usize): f64 {
  return load<f64>(params + (index << 3))
}

/** False when Gaussian `i` is not between the near plane and 1e20, not finite or singular. */
export function project(state: usize, params: usize, means: usize, quats: usize, scales: usize, i: i32): bool {
  const camera = params + P_WORLD_TO_CAMERA
  const mx = input(means, 3 * i)
  const my = input(means, 3 * i + 1)
  const mz = input(means, 3 * i + 2)
  const r20 = parameter(camera, 8)
  const r21 = parameter(camera, 9)
  const r22 = parameter(camera, 10)
  const z = r20 * mx + r21 * my + r22 * mz + parameter(camera, 11)
  if (!(z > load<f64>(params, P_NEAR) && z < 1e20)) return false
  const r00 = parameter(camera, 0)
  const r01 = parameter(camera, 1)
  const r02 = parameter(camera, 2)
  const r10 = parameter(camera, 4)
  const r11 = parameter(camera, 5)
  const r12 = parameter(camera, 6)
  const x = r00 * mx + r01 * my + r02 * mz + parameter(camera, 3)
  const y = r10 * mx + r11 * my + r12 * mz + parameter(camera, 7)
  const fx = load<f64>(params, P_FX)
  const fy = load<f64>(params, P_FY)
  const u = (fx * x) / z + load<f64>(params, P_CX) - 0.5
  const v = (fy * y) / z + load<f64>(params, P_CY) - 0.5
  if (!(abs<f64>(u) < 1e30 && abs<f64>(v) < 1e30)) return false

  const limX = (0.65 * load<f64>(params, P_WIDTH)) / fx
  const limY = (0.65 * load<f64>(params, P_HEIGHT)) / fy
  const tx = z * max<f64>(-limX, min<f64>(limX, x / z))
  const ty = z * max<f64>(-limY, min<f64>(limY, y / z))
  const j00 = fx / z
  const j02 = (-j00 * tx) / z
  const j11 = fy / z
  const j12 = (-j11 * ty) / z
  const t00 = j00 * r00 + j02 * r20
  const t01 = j00 * r01 + j02 * r21
  const t02 = j00 * r02 + j02 * r22
  const t10 = j11 * r10 + j12 * r20
  const t11 = j11 * r11 + j12 * r21
  const t12 = j11 * r12 + j12 * r22

  const qw = input(quats, 4 * i)
  const qx = input(quats, 4 * i + 1)
  const qy = input(quats, 4 * i + 2)
  const qz = input(quats, 4 * i + 3)
  const q00 = 1 - 2 * (qy * qy + qz * qz)
  const q01 = 2 * (qx * qy - qw * qz)
  const q02 = 2 * (qx * qz + qw * qy)
  const q10 = 2 * (qx * qy + qw * qz)
  const q11 = 1 - 2 * (qx * qx + qz * qz)
  const q12 = 2 * (qy * qz - qw * qx)
  const q20 = 2 * (qx * qz - qw * qy)
  const q21 = 2 * (qy * qz + qw * qx)
  const q22 = 1 - 2 * (qx * qx + qy * qy)

  const p00 = t00 * q00 + t01 * q10 + t02 * q20
  const p01 = t00 * q01 + t01 * q11 + t02 * q21
  const p02 = t00 * q02 + t01 * q12 + t02 * q22
  const p10 = t10 * q00 + t11 * q10 + t12 * q20
  const p11 = t10 * q01 + t11 * q11 + t12 * q21
  const p12 = t10 * q02 + t11 * q12 + t12 * q22
  const s0 = input(scales, 3 * i)
  const s1 = input(scales, 3 * i + 1)
  const s2 = input(scales, 3 * i + 2)
  const m00 = p00 * s0
  const m01 = p01 * s1
  const m02 = p02 * s2
  const m10 = p10 * s0
  const m11 = p11 * s1
  const m12 = p12 * s2

  // det(M M^T) as the squared cross product of M's rows: no cancellation, so a dilated covariance is never singular.
  const dilation = load<f64>(params, P_DILATION)
  const a = m00 * m00 + m01 * m01 + m02 * m02
  const b = m00 * m10 + m01 * m11 + m02 * m12
  const c = m10 * m10 + m11 * m11 + m12 * m12
  const k0 = m01 * m12 - m02 * m11
  const k1 = m02 * m10 - m00 * m12
  const k2 = m00 * m11 - m01 * m10
  const det = k0 * k0 + k1 * k1 + k2 * k2 + dilation * (a + c) + dilation * dilation
  if (!(det > 0 && det < Infinity)) return false

  store<f64>(state, x, S_X)
  store<f64>(state, y, S_Y)
  store<f64>(state, z, S_Z)
  store<f64>(state, tx, S_TX)
  store<f64>(state, ty, S_TY)
  store<f64>(state, u, S_U)
  store<f64>(state, v, S_V)
  store<f64>(state, a + dilation, S_A)
  store<f64>(state, b, S_B)
  store<f64>(state, c + dilation, S_C)
  store<f64>(state, det, S_DET)
  store<f64>(state, q00, S_Q)
  store<f64>(state, q01, S_Q + 8)
  store<f64>(state, q02, S_Q + 16)
  store<f64>(state, q10, S_Q + 24)
  store<f64>(state, q11, S_Q + 32)
  store<f64>(state, q12, S_Q + 40)
  store<f64>(state, q20, S_Q + 48)
  store<f64>(state, q21, S_Q + 56)
  store<f64>(state, q22, S_Q + 64)
  store<f64>(state, t00, S_JR)
  store<f64>(state, t01, S_JR + 8)
  store<f64>(state, t02, S_JR + 16)
  store<f64>(state, t10, S_JR + 24)
  store<f64>(state, t11, S_JR + 32)
  store<f64>(state, t12, S_JR + 40)
  store<f64>(state, p00, S_JRQ)
  store<f64>(state, p01, S_JRQ + 8)
  store<f64>(state, p02, S_JRQ + 16)
  store<f64>(state, p10, S_JRQ + 24)
  store<f64>(state, p11, S_JRQ + 32)
  store<f64>(state, p12, S_JRQ + 40)
  store<f64>(state, m00, S_M)
  store<f64>(state, m01, S_M + 8)
  store<f64>(state, m02, S_M + 16)
  store<f64>(state, m10, S_M + 24)
  store<f64>(state, m11, S_M + 32)
  store<f64>(state, m12, S_M + 40)
  return true
}
