// Projection of Gaussians to the image, forward and backward, in plain JavaScript.
import type { View } from '@clipgstream/camera'
import type { RasterizerConfig } from '@clipgstream/rasterizer'

export interface SplatScene {
  means: Float32Array // [G, 3]
  quats: Float32Array // [G, 4]
  scales: Float32Array // [G, 3]
  opacities: Float32Array // [G]
  colors: Float32Array // [G, 3]
}

/** What is drawn, a row per Gaussian. `reach` is 0 where it is culled. */
export interface Splats {
  u: Float32Array
  v: Float32Array
  z: Float32Array
  conic: Float32Array // [G, 3]
  /** Largest (p - mean)^T cov^-1 (p - mean) at which alpha reaches alphaMin. */
  reach: Float32Array
  halfWidth: Float32Array
  halfHeight: Float32Array
}

/** Gradients with respect to what is drawn. */
export interface SplatGradients {
  vUv: Float64Array // [G, 2]
  vConic: Float64Array // [G, 3]
  vOpacities: Float32Array
  vColors: Float32Array // [G, 3]
}

/** Of the Gaussian that was projected last: rotation Q, T = J R, P = T Q, camera coordinates, clamped x and y. */
const Q = new Float64Array(9)
const T = new Float64Array(6)
const P = new Float64Array(6)
const camera = new Float64Array(5)

function locate(scene: SplatScene, { worldToCamera: m, width, height, fx, fy }: View, i: number): number {
  const mx = scene.means[3 * i]!
  const my = scene.means[3 * i + 1]!
  const mz = scene.means[3 * i + 2]!
  const x = m[0]! * mx + m[1]! * my + m[2]! * mz + m[3]!
  const y = m[4]! * mx + m[5]! * my + m[6]! * mz + m[7]!
  const z = m[8]! * mx + m[9]! * my + m[10]! * mz + m[11]!
  const limitX = (0.65 * width * z) / fx
  const limitY = (0.65 * height * z) / fy
  const tx = Math.max(-limitX, Math.min(limitX, x))
  const ty = Math.max(-limitY, Math.min(limitY, y))
  camera[0] = x
  camera[1] = y
  camera[2] = z
  camera[3] = tx
  camera[4] = ty
  const w = scene.quats[4 * i]!
  const a = scene.quats[4 * i + 1]!
  const b = scene.quats[4 * i + 2]!
  const c = scene.quats[4 * i + 3]!
  Q[0] = 1 - 2 * (b * b + c * c)
  Q[1] = 2 * (a * b - w * c)
  Q[2] = 2 * (a * c + w * b)
  Q[3] = 2 * (a * b + w * c)
  Q[4] = 1 - 2 * (a * a + c * c)
  Q[5] = 2 * (b * c - w * a)
  Q[6] = 2 * (a * c - w * b)
  Q[7] = 2 * (b * c + w * a)
  Q[8] = 1 - 2 * (a * a + b * b)
  for (let k = 0; k < 3; k++) {
    T[k] = (fx / z) * (m[k]! - (tx / z) * m[8 + k]!)
    T[3 + k] = (fy / z) * (m[4 + k]! - (ty / z) * m[8 + k]!)
  }
  for (let row = 0; row < 6; row += 3) {
    for (let k = 0; k < 3; k++) P[row + k] = T[row]! * Q[k]! + T[row + 1]! * Q[3 + k]! + T[row + 2]! * Q[6 + k]!
  }
  return z
}

export function projectSplats(scene: SplatScene, view: View, config: RasterizerConfig): Splats {
  const n = scene.opacities.length
  const row = () => new Float32Array(n)
  const splats = {
    u: row(),
    v: row(),
    z: row(),
    conic: new Float32Array(3 * n),
    reach: row(),
    halfWidth: row(),
    halfHeight: row(),
  }
  for (let i = 0; i < n; i++) {
    const opacity = scene.opacities[i]!
    const z = locate(scene, view, i)
    if (!(z > config.near && opacity >= config.alphaMin)) continue
    let a = config.dilation
    let b = 0
    let c = config.dilation
    for (let k = 0; k < 3; k++) {
      const scale = scene.scales[3 * i + k]!
      const first = P[k]! * scale
      const second = P[3 + k]! * scale
      a += first * first
      b += first * second
      c += second * second
    }
    const det = a * c - b * b
    const u = (view.fx * camera[0]!) / z + view.cx
    const v = (view.fy * camera[1]!) / z + view.cy
    const reach = 2 * Math.log(opacity / config.alphaMin)
    const halfWidth = Math.sqrt(reach * a)
    const halfHeight = Math.sqrt(reach * c)
    if (u + halfWidth < 0.5 || u - halfWidth > view.width - 0.5) continue
    if (v + halfHeight < 0.5 || v - halfHeight > view.height - 0.5) continue
    splats.u[i] = u
    splats.v[i] = v
    splats.z[i] = z
    splats.conic[3 * i] = c / det
    splats.conic[3 * i + 1] = -b / det
    splats.conic[3 * i + 2] = a / det
    splats.reach[i] = reach
    splats.halfWidth[i] = halfWidth
    splats.halfHeight[i] = halfHeight
  }
  return splats
}

export interface SceneGradients {
  vMeans: Float32Array
  vQuats: Float32Array
  vScales: Float32Array
}

export function projectBackward(scene: SplatScene, view: View, splats: Splats, v: SplatGradients): SceneGradients {
  const n = scene.opacities.length
  const vMeans = new Float32Array(3 * n)
  const vQuats = new Float32Array(4 * n)
  const vScales = new Float32Array(3 * n)
  const { worldToCamera: m, fx, fy } = view
  const vT = new Float64Array(6)
  const vQ = new Float64Array(9)
  for (let i = 0; i < n; i++) {
    if (splats.reach[i] === 0) continue
    const z = locate(scene, view, i)
    // vCov = -K vK K with the conic K.
    const k0 = splats.conic[3 * i]!
    const k1 = splats.conic[3 * i + 1]!
    const k2 = splats.conic[3 * i + 2]!
    const g0 = v.vConic[3 * i]!
    const g1 = v.vConic[3 * i + 1]! / 2
    const g2 = v.vConic[3 * i + 2]!
    const h0 = k0 * g0 + k1 * g1
    const h1 = k0 * g1 + k1 * g2
    const h2 = k1 * g0 + k2 * g1
    const h3 = k1 * g1 + k2 * g2
    const c0 = -(h0 * k0 + h1 * k1)
    const c1 = -(h0 * k1 + h1 * k2)
    const c2 = -(h2 * k1 + h3 * k2)
    vT.fill(0)
    for (let k = 0; k < 3; k++) {
      const scale = scene.scales[3 * i + k]!
      const first = 2 * scale * (c0 * P[k]! + c1 * P[3 + k]!)
      const second = 2 * scale * (c1 * P[k]! + c2 * P[3 + k]!)
      vScales[3 * i + k] = first * P[k]! + second * P[3 + k]!
      for (let j = 0; j < 3; j++) {
        vQ[3 * j + k] = scale * (T[j]! * first + T[3 + j]! * second)
        vT[j]! += scale * first * Q[3 * j + k]!
        vT[3 + j]! += scale * second * Q[3 * j + k]!
      }
    }
    quaternionGradient(scene.quats, vQ, vQuats, 4 * i)
    const vJ00 = vT[0]! * m[0]! + vT[1]! * m[1]! + vT[2]! * m[2]!
    const vJ02 = vT[0]! * m[8]! + vT[1]! * m[9]! + vT[2]! * m[10]!
    const vJ11 = vT[3]! * m[4]! + vT[4]! * m[5]! + vT[5]! * m[6]!
    const vJ12 = vT[3]! * m[8]! + vT[4]! * m[9]! + vT[5]! * m[10]!
    const vU = v.vUv[2 * i]!
    const vV = v.vUv[2 * i + 1]!
    const xInside = camera[3] === camera[0] ? 1 : 0
    const yInside = camera[4] === camera[1] ? 1 : 0
    const vx = (fx / z) * (vU - (xInside * vJ02) / z)
    const vy = (fy / z) * (vV - (yInside * vJ12) / z)
    const vz =
      (-fx / (z * z)) * (vU * camera[0]! + vJ00 - ((1 + xInside) * camera[3]! * vJ02) / z) -
      (fy / (z * z)) * (vV * camera[1]! + vJ11 - ((1 + yInside) * camera[4]! * vJ12) / z)
    for (let k = 0; k < 3; k++) vMeans[3 * i + k] = m[k]! * vx + m[4 + k]! * vy + m[8 + k]! * vz
  }
  return { vMeans, vQuats, vScales }
}

function quaternionGradient(quats: Float32Array, v: Float64Array, out: Float32Array, at: number): void {
  const w = quats[at]!
  const x = quats[at + 1]!
  const y = quats[at + 2]!
  const z = quats[at + 3]!
  out[at] = 2 * (x * (v[7]! - v[5]!) + y * (v[2]! - v[6]!) + z * (v[3]! - v[1]!))
  out[at + 1] = 2 * (y * (v[1]! + v[3]!) + z * (v[2]! + v[6]!) - 2 * x * (v[4]! + v[8]!) + w * (v[7]! - v[5]!))
  out[at + 2] = 2 * (x * (v[1]! + v[3]!) + z * (v[5]! + v[7]!) - 2 * y * (v[0]! + v[8]!) + w * (v[2]! - v[6]!))
  out[at + 3] = 2 * (x * (v[2]! + v[6]!) + y * (v[5]! + v[7]!) - 2 * z * (v[0]! + v[4]!) + w * (v[3]! - v[1]!))
}
