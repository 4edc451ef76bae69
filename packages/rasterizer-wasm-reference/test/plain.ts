// The rasterizer in plain JavaScript on typed arrays: tiles, depth-sorted lists and analytic gradients as in the kernels,
// without SIMD and threads, in double precision. It checks scenes that are too large for the oracle, and it is what the
// kernels' speed is compared with. Extent `exact` only; no gradients of depth and alpha.
import type { View } from '@clipgstream/camera'
import type { RasterizerConfig } from '@clipgstream/rasterizer'

export interface PlainScene {
  means: Float32Array
  quats: Float32Array
  scales: Float32Array
  opacities: Float32Array
  colors: Float32Array
}

export interface PlainResult {
  image: Float32Array
  splats: Float64Array
  list: Uint32Array
  starts: Uint32Array
  finals: Float64Array
  stops: Uint32Array
}

// A splat: x, y, conic a b c, log(alphaMin / opacity), half width, half height, depth, visible.
const stride = 10

export function plainForward(scene: PlainScene, view: View, config: RasterizerConfig): PlainResult {
  const { width, height } = view
  const gaussians = scene.opacities.length
  const splats = new Float64Array(gaussians * stride)
  const m = new Float64Array(12)
  const order: number[] = []
  for (let i = 0; i < gaussians; i++) {
    if (projectPlain(scene, view, config, i, splats, m)) order.push(i)
  }
  order.sort((a, b) => splats[a * stride + 8]! - splats[b * stride + 8]! || a - b)

  const tilesX = Math.ceil(width / 16)
  const tilesY = Math.ceil(height / 16)
  const starts = new Uint32Array(tilesX * tilesY + 1)
  const eachTile = (i: number, visit: (tile: number) => void) => {
    const [x = 0, y = 0] = [splats[i * stride], splats[i * stride + 1]]
    const [halfX = 0, halfY = 0] = [splats[i * stride + 6], splats[i * stride + 7]]
    const x0 = Math.max(0, Math.ceil(x - halfX)) >> 4
    const x1 = Math.min(width - 1, Math.floor(x + halfX)) >> 4
    const y0 = Math.max(0, Math.ceil(y - halfY)) >> 4
    const y1 = Math.min(height - 1, Math.floor(y + halfY)) >> 4
    for (let ty = y0; ty <= y1; ty++) for (let tx = x0; tx <= x1; tx++) visit(ty * tilesX + tx)
  }
  for (const i of order) eachTile(i, (tile) => starts[tile + 1]!++)
  for (let tile = 0; tile < tilesX * tilesY; tile++) starts[tile + 1]! += starts[tile]!
  const cursors = starts.slice()
  const list = new Uint32Array(starts[tilesX * tilesY]!)
  for (const i of order) eachTile(i, (tile) => (list[cursors[tile]!++] = i))

  const image = new Float32Array(width * height * 3)
  const finals = new Float64Array(width * height).fill(1)
  const stops = new Uint32Array(width * height)
  const { opacities, colors } = scene
  for (let tile = 0; tile < tilesX * tilesY; tile++) {
    const left = (tile % tilesX) * 16
    const top = Math.floor(tile / tilesX) * 16
    const right = Math.min(width, left + 16) - 1
    const bottom = Math.min(height, top + 16) - 1
    const end = starts[tile + 1]!
    for (let y = top; y <= bottom; y++) stops.fill(end, y * width + left, y * width + right + 1)
    let alive = (right - left + 1) * (bottom - top + 1)
    for (let k = starts[tile]!; k < end && alive > 0; k++) {
      const i = list[k]!
      const s = i * stride
      const [a, b, c, cut] = [splats[s + 2]!, splats[s + 3]!, splats[s + 4]!, splats[s + 5]!]
      const [r, g, bl] = [colors[3 * i]!, colors[3 * i + 1]!, colors[3 * i + 2]!]
      const x0 = Math.max(left, Math.ceil(splats[s]! - splats[s + 6]!))
      const x1 = Math.min(right, Math.floor(splats[s]! + splats[s + 6]!))
      const y0 = Math.max(top, Math.ceil(splats[s + 1]! - splats[s + 7]!))
      const y1 = Math.min(bottom, Math.floor(splats[s + 1]! + splats[s + 7]!))
      for (let y = y0; y <= y1; y++) {
        const dy = y - splats[s + 1]!
        for (let x = x0; x <= x1; x++) {
          const dx = x - splats[s]!
          const power = -0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy
          const pixel = y * width + x
          if (!(power >= cut) || stops[pixel] !== end) continue
          const alpha = Math.min(config.alphaMax, opacities[i]! * Math.exp(power))
          const T = finals[pixel]!
          if (T * (1 - alpha) < config.transmittanceMin) {
            stops[pixel] = k
            alive--
            continue
          }
          const weight = alpha * T
          image[3 * pixel]! += weight * r
          image[3 * pixel + 1]! += weight * g
          image[3 * pixel + 2]! += weight * bl
          finals[pixel] = T - weight
        }
      }
    }
  }
  return { image, splats, list, starts, finals, stops }
}

/** Gradients of `vImage . image`. */
export function plainBackward(
  scene: PlainScene,
  view: View,
  config: RasterizerConfig,
  result: PlainResult,
  vImage: Float32Array,
) {
  const { width, height } = view
  const { splats, list, starts, finals, stops } = result
  const { opacities, colors } = scene
  const gaussians = opacities.length
  const vColors = new Float32Array(3 * gaussians)
  const vOpacities = new Float32Array(gaussians)
  const moments = new Float64Array(5 * gaussians)
  const transmittances = finals.slice()
  const behind = new Float64Array(width * height)
  const tilesX = Math.ceil(width / 16)
  for (let tile = 0; tile < starts.length - 1; tile++) {
    const left = (tile % tilesX) * 16
    const top = Math.floor(tile / tilesX) * 16
    const right = Math.min(width, left + 16) - 1
    const bottom = Math.min(height, top + 16) - 1
    for (let k = starts[tile + 1]! - 1; k >= starts[tile]!; k--) {
      const i = list[k]!
      const s = i * stride
      const [a, b, c, cut] = [splats[s + 2]!, splats[s + 3]!, splats[s + 4]!, splats[s + 5]!]
      const [r, g, bl] = [colors[3 * i]!, colors[3 * i + 1]!, colors[3 * i + 2]!]
      const x0 = Math.max(left, Math.ceil(splats[s]! - splats[s + 6]!))
      const x1 = Math.min(right, Math.floor(splats[s]! + splats[s + 6]!))
      const y0 = Math.max(top, Math.ceil(splats[s + 1]! - splats[s + 7]!))
      const y1 = Math.min(bottom, Math.floor(splats[s + 1]! + splats[s + 7]!))
      let [w, wx, wy, wxx, wxy, wyy, vR, vG, vB] = [0, 0, 0, 0, 0, 0, 0, 0, 0]
      for (let y = y0; y <= y1; y++) {
        const dy = y - splats[s + 1]!
        for (let x = x0; x <= x1; x++) {
          const dx = x - splats[s]!
          const power = -0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy
          const pixel = y * width + x
          if (!(power >= cut) || stops[pixel]! <= k) continue
          const full = opacities[i]! * Math.exp(power)
          const alpha = Math.min(config.alphaMax, full)
          const T = transmittances[pixel]! / (1 - alpha)
          transmittances[pixel] = T
          const weight = alpha * T
          const gR = vImage[3 * pixel]!
          const gG = vImage[3 * pixel + 1]!
          const gB = vImage[3 * pixel + 2]!
          vR += weight * gR
          vG += weight * gG
          vB += weight * gB
          const value = r * gR + g * gG + bl * gB
          const vAlpha = T * value - behind[pixel]! / (1 - alpha)
          behind[pixel]! += weight * value
          if (full > config.alphaMax) continue
          const here = vAlpha * alpha
          w += here
          wx += here * dx
          wy += here * dy
          wxx += here * dx * dx
          wxy += here * dx * dy
          wyy += here * dy * dy
        }
      }
      vColors[3 * i]! += vR
      vColors[3 * i + 1]! += vG
      vColors[3 * i + 2]! += vB
      vOpacities[i]! += w / opacities[i]!
      moments[5 * i]! += a * wx + b * wy
      moments[5 * i + 1]! += b * wx + c * wy
      moments[5 * i + 2]! += 0.5 * wxx
      moments[5 * i + 3]! += 0.5 * wxy
      moments[5 * i + 4]! += 0.5 * wyy
    }
  }
  return { vColors, vOpacities, ...plainGeometry(scene, view, config, splats, moments) }
}

/** Gradients of means, quaternions and scales, by the formulas of the original's rasterizer (no gradient of a clamp). */
function plainGeometry(
  scene: PlainScene,
  view: View,
  config: RasterizerConfig,
  splats: Float64Array,
  moments: Float64Array,
) {
  const gaussians = scene.opacities.length
  const vMeans = new Float32Array(3 * gaussians)
  const vQuats = new Float32Array(4 * gaussians)
  const vScales = new Float32Array(3 * gaussians)
  const R = view.worldToCamera
  const state = new Float64Array(12)
  const vM = new Float64Array(6)
  const E = new Float64Array(9)
  for (let i = 0; i < gaussians; i++) {
    const s = i * stride
    if (splats[s + 9] === 0) continue
    projectPlain(scene, view, config, i, splats, state)
    const [x, y, z, tx, ty] = [state[6]!, state[7]!, state[8]!, state[9]!, state[10]!]
    const [a, b, c] = [splats[s + 2]!, splats[s + 3]!, splats[s + 4]!]
    const [wxx, wxy, wyy] = [moments[5 * i + 2]!, moments[5 * i + 3]!, moments[5 * i + 4]!]
    const p = a * wxx + b * wxy
    const q = a * wxy + b * wyy
    const r = b * wxx + c * wxy
    const t = b * wxy + c * wyy
    const [va, vb, vc] = [p * a + q * b, p * b + q * c, r * b + t * c]
    const [w = 0, qx = 0, qy = 0, qz = 0] = scene.quats.subarray(4 * i, 4 * i + 4)
    const Q = rotation(w, qx, qy, qz)
    // state holds M = J R; Sigma M^T = Q S^2 Q^T M^T.
    const scaled = [0, 1, 2].map((k) => scene.scales[3 * i + k]! ** 2)
    const toQ = (row: number, k: number) =>
      state[3 * row]! * Q[k]! + state[3 * row + 1]! * Q[3 + k]! + state[3 * row + 2]! * Q[6 + k]!
    for (let k = 0; k < 3; k++) {
      const [m0, m1] = [toQ(0, k), toQ(1, k)]
      const [d0, d1] = [va * m0 + vb * m1, vb * m0 + vc * m1]
      vScales[3 * i + k] = 2 * scene.scales[3 * i + k]! * (m0 * d0 + m1 * d1)
      for (let j = 0; j < 3; j++) {
        // E_kj = dL/d(Q^T)_kj
        E[3 * k + j] = 2 * scaled[k]! * (state[j]! * d0 + state[3 + j]! * d1)
      }
    }
    for (let j = 0; j < 3; j++) {
      let [sigma0, sigma1] = [0, 0]
      for (let k = 0; k < 3; k++) {
        sigma0 += Q[3 * j + k]! * scaled[k]! * toQ(0, k)
        sigma1 += Q[3 * j + k]! * scaled[k]! * toQ(1, k)
      }
      vM[j] = 2 * (va * sigma0 + vb * sigma1)
      vM[3 + j] = 2 * (vb * sigma0 + vc * sigma1)
    }
    const along = (row: number, of: number) =>
      vM[3 * row]! * R[4 * of]! + vM[3 * row + 1]! * R[4 * of + 1]! + vM[3 * row + 2]! * R[4 * of + 2]!
    const { fx, fy } = view
    const [vU, vV] = [moments[5 * i]!, moments[5 * i + 1]!]
    const clampedX = tx !== x
    const clampedY = ty !== y
    const [j02, j12] = [along(0, 2), along(1, 2)]
    const vX = (fx * vU) / z - (clampedX ? 0 : (fx * j02) / z ** 2)
    const vY = (fy * vV) / z - (clampedY ? 0 : (fy * j12) / z ** 2)
    const vZ =
      -(fx * x * vU + fy * y * vV + fx * along(0, 0) + fy * along(1, 1)) / z ** 2 +
      ((clampedX ? 1 : 2) * fx * tx * j02 + (clampedY ? 1 : 2) * fy * ty * j12) / z ** 3
    for (let k = 0; k < 3; k++) vMeans[3 * i + k] = vX * R[k]! + vY * R[4 + k]! + vZ * R[8 + k]!
    const [E00 = 0, E01 = 0, E02 = 0, E10 = 0, E11 = 0, E12 = 0, E20 = 0, E21 = 0, E22 = 0] = E
    vQuats[4 * i] = 2 * (qz * (E01 - E10) + qy * (E20 - E02) + qx * (E12 - E21))
    vQuats[4 * i + 1] = 2 * (qy * (E10 + E01) + qz * (E20 + E02) + w * (E12 - E21)) - 4 * qx * (E22 + E11)
    vQuats[4 * i + 2] = 2 * (qx * (E10 + E01) + w * (E20 - E02) + qz * (E12 + E21)) - 4 * qy * (E22 + E00)
    vQuats[4 * i + 3] = 2 * (w * (E01 - E10) + qx * (E20 + E02) + qy * (E12 + E21)) - 4 * qz * (E11 + E00)
  }
  return { vMeans, vQuats, vScales }
}

function rotation(w: number, x: number, y: number, z: number): number[] {
  return [
    ...[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    ...[2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    ...[2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ]
}

/** Writes the splat, and J R, (x, y, z) in the camera and the clamped x, y to `state`. */
function projectPlain(
  scene: PlainScene,
  view: View,
  config: RasterizerConfig,
  i: number,
  splats: Float64Array,
  state: Float64Array,
): boolean {
  const R = view.worldToCamera
  const { means, quats, scales } = scene
  const [mx, my, mz] = [means[3 * i]!, means[3 * i + 1]!, means[3 * i + 2]!]
  const z = R[8]! * mx + R[9]! * my + R[10]! * mz + R[11]!
  const opacity = scene.opacities[i]!
  if (!(z > config.near && opacity >= config.alphaMin)) return false
  const x = R[0]! * mx + R[1]! * my + R[2]! * mz + R[3]!
  const y = R[4]! * mx + R[5]! * my + R[6]! * mz + R[7]!
  const { fx, fy, cx, cy, width, height } = view
  const limitX = (0.65 * width) / fx
  const limitY = (0.65 * height) / fy
  const tx = Math.abs(x / z) > limitX ? z * Math.sign(x) * limitX : x
  const ty = Math.abs(y / z) > limitY ? z * Math.sign(y) * limitY : y
  for (let k = 0; k < 3; k++) {
    state[k] = (fx * R[k]! - ((fx * tx) / z) * R[8 + k]!) / z
    state[3 + k] = (fy * R[4 + k]! - ((fy * ty) / z) * R[8 + k]!) / z
  }
  state[6] = x
  state[7] = y
  state[8] = z
  state[9] = tx
  state[10] = ty
  const Q = rotation(quats[4 * i]!, quats[4 * i + 1]!, quats[4 * i + 2]!, quats[4 * i + 3]!)
  let a = config.dilation
  let b = 0
  let c = config.dilation
  for (let k = 0; k < 3; k++) {
    const variance = scales[3 * i + k]! ** 2
    const m0 = state[0]! * Q[k]! + state[1]! * Q[3 + k]! + state[2]! * Q[6 + k]!
    const m1 = state[3]! * Q[k]! + state[4]! * Q[3 + k]! + state[5]! * Q[6 + k]!
    a += variance * m0 * m0
    b += variance * m0 * m1
    c += variance * m1 * m1
  }
  const det = a * c - b * b
  const cut = Math.log(config.alphaMin / opacity)
  const u = (fx * x) / z + cx - 0.5
  const v = (fy * y) / z + cy - 0.5
  const halfX = Math.sqrt(-2 * cut * a)
  const halfY = Math.sqrt(-2 * cut * c)
  const s = i * stride
  splats[s] = u
  splats[s + 1] = v
  splats[s + 2] = c / det
  splats[s + 3] = -b / det
  splats[s + 4] = a / det
  splats[s + 5] = cut
  splats[s + 6] = halfX
  splats[s + 7] = halfY
  splats[s + 8] = z
  splats[s + 9] = 1
  return u + halfX >= 0 && v + halfY >= 0 && u - halfX <= width - 1 && v - halfY <= height - 1
}
