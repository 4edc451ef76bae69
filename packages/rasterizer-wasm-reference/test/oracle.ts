// The naive rasterizer in double precision, as plain as the formula in the contract, and its finite differences.
import type { View } from '@clipgstream/camera'
import type { Background, RasterizerConfig } from '@clipgstream/rasterizer'

/** Gaussians on the host. */
export interface Scene {
  means: Float64Array
  quats: Float64Array
  scales: Float64Array
  opacities: Float64Array
  colors: Float64Array
}

export interface Picture {
  image: Float64Array
  alpha: Float64Array
  depth: Float64Array
  radii: Int32Array
  /** Changes when a threshold, a clamp or the order falls the other way. */
  decisions: number
}

interface Splat {
  index: number
  x: number
  y: number
  z: number
  conic: readonly [number, number, number]
  /** Tile rectangle, end exclusive. */
  tiles: readonly [number, number, number, number]
  radius: number
  clamped: number
}

/** `shift` // [G, 2] is added to the projected means, in pixels. */
export function render(
  scene: Scene,
  view: View,
  config: RasterizerConfig,
  background: Background = [0, 0, 0],
  shift?: Float64Array,
): Picture {
  const { width, height } = view
  const gaussians = scene.opacities.length
  const splats: Splat[] = []
  for (let i = 0; i < gaussians; i++) {
    const splat = project(scene, view, config, i, shift)
    if (splat) splats.push(splat)
  }
  splats.sort((a, b) => a.z - b.z || a.index - b.index)
  const image = new Float64Array(width * height * 3)
  const alphas = new Float64Array(width * height)
  const depth = new Float64Array(width * height)
  let decisions = 0
  const decide = (value: number) => {
    decisions = (Math.imul(decisions, 31) + value) | 0
  }
  for (const splat of splats) decide(4 * splat.index + splat.clamped)
  for (let py = 0; py < height; py++) {
    for (let px = 0; px < width; px++) {
      const pixel = py * width + px
      let T = 1
      for (const { index, x, y, z, conic, tiles } of splats) {
        const [x0, y0, x1, y1] = tiles
        const inTiles = px >> 4 >= x0 && px >> 4 < x1 && py >> 4 >= y0 && py >> 4 < y1
        if (config.extent === 'three-sigma' && !inTiles) continue
        const dx = px + 0.5 - x
        const dy = py + 0.5 - y
        const power = -0.5 * (conic[0] * dx * dx + 2 * conic[1] * dx * dy + conic[2] * dy * dy)
        const full = scene.opacities[index]! * Math.exp(power)
        const alpha = Math.min(config.alphaMax, full)
        if (!(alpha >= config.alphaMin)) continue
        decide(pixel * gaussians + index)
        if (full > config.alphaMax) decide(1)
        if (T * (1 - alpha) < config.transmittanceMin) {
          decide(2)
          break
        }
        for (let c = 0; c < 3; c++) image[3 * pixel + c]! += alpha * T * scene.colors[3 * index + c]!
        depth[pixel]! += alpha * T * z
        T *= 1 - alpha
      }
      for (let c = 0; c < 3; c++) image[3 * pixel + c]! += T * background[c]!
      alphas[pixel] = 1 - T
    }
  }
  const radii = new Int32Array(gaussians)
  for (const { index, radius } of splats) radii[index] = radius
  return { image, alpha: alphas, depth, radii, decisions }
}

function project(
  scene: Scene,
  view: View,
  config: RasterizerConfig,
  i: number,
  shift?: Float64Array,
): Splat | undefined {
  const row = (values: Float64Array, width: number) => [...values.subarray(width * i, width * (i + 1))]
  const mean = row(scene.means, 3)
  const scale = row(scene.scales, 3)
  const [w = 0, qx = 0, qy = 0, qz = 0] = row(scene.quats, 4)
  const opacity = scene.opacities[i]!
  const all = [...mean, ...scale, w, qx, qy, qz, opacity, ...row(scene.colors, 3)]
  if (!all.every(Number.isFinite)) return undefined
  if (config.extent === 'exact' && opacity < config.alphaMin) return undefined
  const m = view.worldToCamera
  const rotation = [m.slice(0, 3), m.slice(4, 7), m.slice(8, 11)]
  const [x = 0, y = 0, z = 0] = rotation.map((r, k) => dot(r, mean) + m[4 * k + 3]!)
  if (!(z > config.near && z < 1e20)) return undefined
  const limitX = (1.3 * view.width) / (2 * view.fx)
  const limitY = (1.3 * view.height) / (2 * view.fy)
  const tx = z * Math.max(-limitX, Math.min(limitX, x / z))
  const ty = z * Math.max(-limitY, Math.min(limitY, y / z))
  const clamped = (Math.abs(x / z) > limitX ? 1 : 0) + (Math.abs(y / z) > limitY ? 2 : 0)
  const jacobian = [
    [view.fx / z, 0, (-view.fx * tx) / z ** 2],
    [0, view.fy / z, (-view.fy * ty) / z ** 2],
  ]
  const q = [
    [1 - 2 * (qy * qy + qz * qz), 2 * (qx * qy - w * qz), 2 * (qx * qz + w * qy)],
    [2 * (qx * qy + w * qz), 1 - 2 * (qx * qx + qz * qz), 2 * (qy * qz - w * qx)],
    [2 * (qx * qz - w * qy), 2 * (qy * qz + w * qx), 1 - 2 * (qx * qx + qy * qy)],
  ]
  const stretch = scale.map((s, k) => scale.map((_, l) => (k === l ? s * s : 0)))
  const sigma = multiply(multiply(q, stretch), transpose(q))
  const toImage = multiply(jacobian, rotation)
  const cov = multiply(multiply(toImage, sigma), transpose(toImage))
  const a = cov[0]![0]! + config.dilation
  const b = cov[0]![1]!
  const c = cov[1]![1]! + config.dilation
  const det = a * c - b * b
  if (!(det > 0 && det < Number.POSITIVE_INFINITY)) return undefined
  const middle = (a + c) / 2
  const radius = Math.ceil(3 * Math.sqrt(middle + Math.sqrt(Math.max(0.1, middle ** 2 - det))))
  if (!(radius < 2 ** 31)) return undefined
  const u = (view.fx * x) / z + view.cx + (shift?.[2 * i] ?? 0)
  const v = (view.fy * y) / z + view.cy + (shift?.[2 * i + 1] ?? 0)
  const grid = [Math.ceil(view.width / 16), Math.ceil(view.height / 16)] as const
  const clampTile = (value: number, size: number) => Math.min(size, Math.max(0, Math.trunc(value)))
  const tiles = [
    clampTile((u - 0.5 - radius) / 16, grid[0]),
    clampTile((v - 0.5 - radius) / 16, grid[1]),
    clampTile((u - 0.5 + radius + 15) / 16, grid[0]),
    clampTile((v - 0.5 + radius + 15) / 16, grid[1]),
  ] as const
  if (config.extent === 'three-sigma' && !(tiles[0] < tiles[2] && tiles[1] < tiles[3])) return undefined
  const reach = 2 * Math.log(opacity / config.alphaMin)
  const holdsPixel = (centre: number, variance: number, size: number) => {
    const half = Math.sqrt(reach * variance)
    return Math.max(0, Math.ceil(centre - 0.5 - half)) <= Math.min(size - 1, Math.floor(centre - 0.5 + half))
  }
  if (config.extent === 'exact' && !(holdsPixel(u, a, view.width) && holdsPixel(v, c, view.height))) return undefined
  return { index: i, x: u, y: v, z, conic: [c / det, -b / det, a / det], tiles, radius, clamped }
}

export interface VOutputs {
  vImage: Float64Array
  vAlpha?: Float64Array
  vDepth?: Float64Array
}

export type Gradients = Record<'vMeans' | 'vQuats' | 'vScales' | 'vOpacities' | 'vColors' | 'vMeans2d', Float64Array>

/** Gradients, empty for inputs that are not in `of`, of `vImage . image + vAlpha . alpha + vDepth . depth` by central differences, Richardson extrapolated. */
export function differences(
  scene: Scene,
  view: View,
  config: RasterizerConfig,
  background: Background,
  vOutputs: VOutputs,
  of: readonly (keyof Scene)[] = ['means', 'quats', 'scales', 'opacities', 'colors'],
): Gradients {
  const shift = new Float64Array(2 * scene.opacities.length)
  const evaluate = () => {
    const { image, alpha, depth, decisions } = render(scene, view, config, background, shift)
    const loss = dot(image, vOutputs.vImage) + dot(alpha, vOutputs.vAlpha ?? []) + dot(depth, vOutputs.vDepth ?? [])
    return { loss, decisions }
  }
  const { decisions } = evaluate()
  const difference = (values: Float64Array, i: number, h: number) => {
    const kept = values[i]!
    values[i] = kept + h
    const above = evaluate()
    values[i] = kept - h
    const below = evaluate()
    values[i] = kept
    const smooth = above.decisions === decisions && below.decisions === decisions
    return smooth ? (above.loss - below.loss) / (2 * h) : Number.NaN
  }
  const empty = new Float64Array()
  const gradient = (name: keyof Scene) => (of.includes(name) ? gradientOf(scene[name]) : empty)
  const gradientOf = (values: Float64Array) =>
    values.map((_, i) => {
      for (let h = 1e-4; h > 1e-9; h /= 10) {
        const wide = difference(values, i, h)
        const narrow = difference(values, i, h / 2)
        if (!Number.isNaN(wide + narrow)) return (4 * narrow - wide) / 3
      }
      throw new Error('a threshold is too near for finite differences; take another seed')
    })
  return {
    vMeans: gradient('means'),
    vQuats: gradient('quats'),
    vScales: gradient('scales'),
    vOpacities: gradient('opacities'),
    vColors: gradient('colors'),
    vMeans2d: (of.includes('means') ? gradientOf(shift) : empty).map(
      (value, i) => (value * (i % 2 ? view.height : view.width)) / 2,
    ),
  }
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < b.length; i++) sum += a[i]! * b[i]!
  return sum
}

function transpose(a: readonly (readonly number[])[]): number[][] {
  return a[0]!.map((_, column) => a.map((row) => row[column]!))
}

function multiply(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number[][] {
  const columns = transpose(b)
  return a.map((row) => columns.map((column) => dot(row, column)))
}
