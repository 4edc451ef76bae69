import type { View } from '@clipgstream/camera'
import type { RasterInputs } from '@clipgstream/rasterizer'
import type { Device, Random } from '@clipgstream/tensor'
import type { Scene } from './oracle.js'

/** A camera at the origin that looks along z. */
export function frontView(width: number, height: number, focal = 0.9 * width): View {
  const worldToCamera = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
  return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2, worldToCamera }
}

/** Turned, displaced, with unequal focal lengths and the principal point off the centre. */
export function obliqueView(width: number, height: number): View {
  const [a, b] = [0.3, -0.2]
  const rotation = [
    [Math.cos(a), 0, Math.sin(a)],
    [Math.sin(a) * Math.sin(b), Math.cos(b), -Math.cos(a) * Math.sin(b)],
    [-Math.sin(a) * Math.cos(b), Math.sin(b), Math.cos(a) * Math.cos(b)],
  ]
  const shift = [-1.7, -0.9, 0.4]
  return {
    width,
    height,
    fx: 0.8 * width,
    fy: 0.9 * width,
    cx: 0.41 * width,
    cy: 0.6 * height,
    worldToCamera: rotation.flatMap((row, k) => [...row, shift[k]!]),
  }
}

/**
 * The random scene that rasterizers are usually timed on: uniform over a little more than the image of `frontView`,
 * depths 2 to 10, log-normal scales around `size`, opacities sigmoid(Normal(-1, 1.5)). Values are f32.
 */
export function randomScene(random: Random, gaussians: number, width: number, height: number, size = 0.012): Scene {
  const focal = 0.9 * width
  const scene = emptyScene(gaussians)
  const { means, quats, scales, opacities, colors } = scene
  for (let i = 0; i < gaussians; i++) {
    const u = (1.2 * random.uniform() - 0.1) * width
    const v = (1.2 * random.uniform() - 0.1) * height
    const z = 2 + 8 * random.uniform()
    means.set([((u - width / 2) * z) / focal, ((v - height / 2) * z) / focal, z], 3 * i)
    const quat = Array.from({ length: 4 }, () => random.normal())
    quats.set(
      quat.map((value) => value / Math.hypot(...quat)),
      4 * i,
    )
    for (let k = 0; k < 3; k++) {
      scales[3 * i + k] = Math.exp(Math.log(size) + 0.5 * random.normal())
      colors[3 * i + k] = random.uniform()
    }
    opacities[i] = 1 / (1 + Math.exp(1 - 1.5 * random.normal()))
  }
  return rounded(scene)
}

export function emptyScene(gaussians: number): Scene {
  const rows = (width: number) => new Float64Array(gaussians * width)
  return { means: rows(3), quats: rows(4), scales: rows(3), opacities: rows(1), colors: rows(3) }
}

export interface Gaussian {
  mean?: readonly number[]
  quat?: readonly number[]
  scale?: readonly number[]
  opacity?: number
  color?: readonly number[]
}

/** By default a small grey ball two units in front of `frontView`. */
export function sceneOf(...gaussians: Gaussian[]): Scene {
  const scene = emptyScene(gaussians.length)
  gaussians.forEach((gaussian, i) => {
    scene.means.set(gaussian.mean ?? [0, 0, 2], 3 * i)
    scene.quats.set(gaussian.quat ?? [1, 0, 0, 0], 4 * i)
    scene.scales.set(gaussian.scale ?? [0.1, 0.1, 0.1], 3 * i)
    scene.colors.set(gaussian.color ?? [0.5, 0.5, 0.5], 3 * i)
    scene.opacities[i] = gaussian.opacity ?? 0.8
  })
  return rounded(scene)
}

/** The Gaussians of `scene` in the order of `indices`. */
export function pick(scene: Scene, indices: readonly number[]): Scene {
  const rows = (values: Float64Array, width: number) =>
    Float64Array.from({ length: indices.length * width }, (_, k) => {
      return values[indices[Math.floor(k / width)]! * width + (k % width)]!
    })
  return {
    means: rows(scene.means, 3),
    quats: rows(scene.quats, 4),
    scales: rows(scene.scales, 3),
    opacities: rows(scene.opacities, 1),
    colors: rows(scene.colors, 3),
  }
}

/** Tensors of the scene, of the scope that is open. */
export function upload(device: Device, scene: Scene, count?: number): RasterInputs {
  const n = scene.opacities.length
  return {
    means: device.from(Float32Array.from(scene.means), [n, 3], 'means'),
    quats: device.from(Float32Array.from(scene.quats), [n, 4], 'quats'),
    scales: device.from(Float32Array.from(scene.scales), [n, 3], 'scales'),
    opacities: device.from(Float32Array.from(scene.opacities), [n], 'opacities'),
    colors: device.from(Float32Array.from(scene.colors), [n, 3], 'colors'),
    ...(count === undefined ? {} : { count: device.from(Uint32Array.of(count), [1], 'count') }),
  }
}

function rounded(scene: Scene): Scene {
  for (const values of Object.values(scene) as Float64Array[]) values.set(Float32Array.from(values))
  return scene
}
