// Seeded problems that every rasterizer must solve alike.
//
// The random scene is the one that rasterizers are usually timed on, drawn from this project's generator. Tolerances:
// colours, alphas and depths are sums of up to some hundred terms in f32. Gradients are sums over pixels whose terms
// cancel, so they are given relative to `scales`, about the largest of their kind. Where alpha is within rounding of
// alphaMin, or transmittance of its limit, a device may decide the other way: `flips` bounds how often that may show,
// `flipLimit` by how much.
import { createRasterizer as choose, type RasterizerConfig, rasterizerConfig } from '@clipgstream/rasterizer'
import { createRandom, type Device } from '@clipgstream/tensor'
import type { ConformanceCase, Tolerance, Values } from '../../../tools/conformance/case.js'
import { differences, render, type Scene } from './oracle.js'
import { backward, forward, type Problem, randomVOutputs } from './run.js'
import { emptyScene, frontView, obliqueView, randomScene, sceneOf } from './scene.js'

interface Setting extends Required<Pick<Problem, 'view' | 'background'>>, Pick<Problem, 'config' | 'count'> {
  name: string
  size: 'small' | 'full'
  scene: () => Scene
  /** vMeans, vQuats, vScales, vOpacities, vColors, vMeans2d; no backward case where there are none. */
  scales?: readonly [number, number, number, number, number, number]
}

const backends = {
  wasm: () => import('@clipgstream/rasterizer-wasm-reference'),
  // By path: this package does not depend on the backends that are checked against it.
  cuda: () => import('../../rasterizer-cuda/src/index.js'),
  webgpu: () => import('../../rasterizer-webgpu/src/index.js'),
}
const create = (device: Device, config?: Partial<RasterizerConfig>) => choose(device, backends, config)

const imageTolerance: Record<string, Tolerance> = {
  image: { absolute: 2e-5, relative: 1e-4, flips: 1e-3, flipLimit: 0.05 },
  alpha: { absolute: 2e-5, relative: 1e-4, flips: 1e-3, flipLimit: 0.05 },
  depth: { absolute: 2e-4, relative: 1e-4, flips: 1e-3, flipLimit: 0.5 },
  radii: { absolute: 0, relative: 0, flips: 1e-3, flipLimit: 1 },
}
const names = ['vMeans', 'vQuats', 'vScales', 'vOpacities', 'vColors', 'vMeans2d'] as const
const gradientTolerance = Object.fromEntries(
  names.map((name) => [name, { absolute: 2e-5, relative: 1e-3, flips: 2e-3, flipLimit: 0.05 }]),
)

const black = [0, 0, 0] as const
const blue = [0.2, 0.5, 0.9] as const
const random = (gaussians: number, width: number, height: number, size?: number) => () =>
  randomScene(createRandom(0), gaussians, width, height, size)

const settings: readonly Setting[] = [
  {
    name: 'random 300, 48x32',
    size: 'small',
    scene: random(300, 48, 32, 0.05),
    view: frontView(48, 32),
    background: black,
  },
  {
    name: 'oblique 200, 45x37, three-sigma',
    size: 'small',
    scene: random(200, 45, 37, 0.2),
    view: obliqueView(45, 37),
    config: { extent: 'three-sigma' },
    background: blue,
  },
  {
    name: 'no Gaussians',
    size: 'small',
    scene: () => emptyScene(0),
    view: frontView(17, 9),
    background: blue,
    scales: [1, 1, 1, 1, 1, 1],
  },
  {
    name: 'all culled',
    size: 'small',
    scene: () => sceneOf({ mean: [0, 0, -2] }, { opacity: 0 }, { mean: [Number.NaN, 0, 2] }),
    view: frontView(17, 9),
    background: blue,
    scales: [1, 1, 1, 1, 1, 1],
  },
  {
    name: 'oblique 16, 28x20, background',
    size: 'small',
    scene: random(16, 28, 20, 0.4),
    view: obliqueView(28, 20),
    background: blue,
    scales: [40, 20, 20, 40, 4, 200],
  },
  {
    name: 'opaque 14, 20x14, three-sigma',
    size: 'small',
    scene: opaque,
    view: frontView(20, 14),
    config: { extent: 'three-sigma' },
    background: blue,
    scales: [13, 5, 4, 6, 13, 2.5],
  },
  {
    name: 'random 20k, 160x90',
    size: 'full',
    scene: random(20_000, 160, 90),
    view: frontView(160, 90),
    background: black,
    scales: [500, 25, 600, 25, 7, 1300],
  },
  {
    name: 'random 200k, 640x360, half in use',
    size: 'full',
    scene: random(200_000, 640, 360),
    view: frontView(640, 360),
    count: 100_000,
    background: black,
    scales: [2000, 85, 1500, 40, 30, 4500],
  },
  {
    name: 'oblique 20k, 1352x1014, three-sigma',
    size: 'full',
    scene: random(20_000, 1352, 1014, 0.03),
    view: obliqueView(1352, 1014),
    config: { extent: 'three-sigma' },
    background: blue,
    scales: [2500, 400, 5000, 300, 80, 10000],
  },
]

export const cases: ConformanceCase[] = settings.flatMap((setting) => {
  const problem = (): Problem => ({ ...setting, scene: setting.scene() })
  return setting.scales
    ? [forwardCase(setting, problem), backwardCase(setting, problem)]
    : [forwardCase(setting, problem)]
})

function forwardCase(
  { name, size, config, view, background, scene }: Setting,
  problem: () => Problem,
): ConformanceCase {
  const oracle = () => {
    const { image, alpha, depth, radii } = render(scene(), view, rasterizerConfig(config), background)
    return { image, alpha, depth, radii }
  }
  return {
    operator: 'rasterizer.forward',
    name,
    size,
    tolerance: imageTolerance,
    run: (device) => forward(device, problem(), create),
    ...(size === 'small' ? { oracle } : {}),
  }
}

function backwardCase(setting: Setting, problem: () => Problem): ConformanceCase {
  const { name, size, config, view, background, scene, scales = [] } = setting
  const vOutputs = () => randomVOutputs(createRandom(1), view)
  const scaled = (values: Record<(typeof names)[number], Values>) =>
    Object.fromEntries(names.map((key, i) => [key, Float64Array.from(values[key], (value) => value / scales[i]!)]))
  const oracle = () => scaled(differences(scene(), view, rasterizerConfig(config), background, vOutputs()))
  return {
    operator: 'rasterizer.backward',
    name,
    size,
    tolerance: gradientTolerance,
    run: async (device) => scaled(await backward(device, problem(), vOutputs(), create)),
    ...(size === 'small' ? { oracle } : {}),
  }
}

function opaque(): Scene {
  const scene = random(14, 20, 14, 1)()
  for (let i = 0; i < 14; i++) scene.opacities[i] = i % 3 ? Math.fround(0.95) : 1
  return scene
}
