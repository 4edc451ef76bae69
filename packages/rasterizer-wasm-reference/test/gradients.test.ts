import { rasterizerConfig } from '@clipgstream/rasterizer'
import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, describe, expect, it } from 'vitest'
import { excess, expectClose } from './close.js'
import { differences, type VOutputs } from './oracle.js'
import { backward, type Problem, randomVOutputs } from './run.js'
import { emptyScene, frontView, obliqueView, pick, randomScene, sceneOf } from './scene.js'

const device = await createWasmDevice({ threads: 1, poison: true })
afterAll(() => device.dispose())

type Problem2 = Problem & { background: readonly [number, number, number] }

/** Relative to the largest gradient of its kind, since small ones are sums of large terms. */
async function expectDifferences(problem: Problem2, vOutputs: VOutputs): Promise<void> {
  const actual = await backward(device, problem, vOutputs)
  const config = rasterizerConfig(problem.config)
  const expected = differences(problem.scene, problem.view, config, problem.background, vOutputs)
  for (const name of Object.keys(expected) as (keyof typeof expected)[]) {
    const largest = expected[name].reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    expectClose(name, actual[name], expected[name], 1e-5 * largest, 1e-4)
  }
}

describe.each(['exact', 'three-sigma'] as const)('gradients equal finite differences, extent %s', (extent) => {
  it('of image, alpha and depth with a background, from an oblique view', async () => {
    const view = obliqueView(28, 20)
    const scene = randomScene(createRandom(21), 14, 28, 20, 0.4)
    const vOutputs = randomVOutputs(createRandom(22), view)
    await expectDifferences({ scene, view, config: { extent }, background: [0.3, 0.6, 0.9] }, vOutputs)
  })

  it('of the image alone', async () => {
    const view = frontView(34, 18)
    const scene = randomScene(createRandom(23), 12, 34, 18, 0.3)
    const { vImage } = randomVOutputs(createRandom(24), view)
    await expectDifferences({ scene, view, config: { extent }, background: [0, 0, 0] }, { vImage })
  })
})

it('gradients equal finite differences behind opaque and clamped splats', async () => {
  const view = frontView(20, 14)
  const scene = randomScene(createRandom(25), 14, 20, 14, 1)
  for (let i = 0; i < 14; i++) scene.opacities[i] = i % 3 ? Math.fround(0.95) : 1
  await expectDifferences({ scene, view, background: [1, 0.5, 0] }, randomVOutputs(createRandom(26), view))
})

it('gradients equal finite differences where x/z and y/z are clamped', async () => {
  const view = frontView(20, 14, 10)
  const scene = sceneOf(
    { mean: [4.2, 0.3, 2], scale: [2.1, 1.4, 1.7], quat: [0.8, 0.3, -0.4, 0.2] },
    { mean: [-0.5, -3.4, 2.1], scale: [1.2, 2.3, 1.9], quat: [0.1, 0.9, 0.2, -0.4] },
    { mean: [5.1, 3.6, 2.2], scale: [2.5, 2.2, 2.8], quat: [-0.5, 0.5, 0.6, 0.3] },
  )
  await expectDifferences({ scene, view, background: [0.1, 0.2, 0.3] }, randomVOutputs(createRandom(27), view))
})

it('gradients of culled Gaussians and of rows behind the count are zero', async () => {
  const view = frontView(40, 24)
  const scene = randomScene(createRandom(28), 30, 40, 24, 0.2)
  scene.means[2] = -3
  scene.opacities[1] = 0
  const vOutputs = randomVOutputs(createRandom(29), view)
  const counted = await backward(device, { scene, view, count: 12 }, vOutputs)
  const first = pick(
    scene,
    Array.from({ length: 12 }, (_, i) => i),
  )
  const whole = await backward(device, { scene: first, view }, vOutputs)
  for (const name of Object.keys(whole) as (keyof typeof whole)[]) {
    const width = whole[name].length / 12
    expect(counted[name].subarray(0, 12 * width)).toEqual(whole[name])
    expect(new Set(counted[name].subarray(12 * width))).toEqual(new Set([0]))
    expect(new Set(whole[name].subarray(0, 2 * width))).toEqual(new Set([0]))
    expect(whole[name].some((value) => value !== 0)).toBe(true)
  }
})

it('absent gradients of alpha and depth are zeros', async () => {
  const view = frontView(40, 24)
  const scene = randomScene(createRandom(30), 30, 40, 24, 0.2)
  const { vImage } = randomVOutputs(createRandom(31), view)
  const zeros = new Float64Array(40 * 24)
  expect(await backward(device, { scene, view }, { vImage })).toEqual(
    await backward(device, { scene, view }, { vImage, vAlpha: zeros, vDepth: zeros }),
  )
})

it('works without Gaussians', async () => {
  const view = frontView(40, 24)
  const { vMeans } = await backward(device, { scene: emptyScene(0), view }, randomVOutputs(createRandom(1), view))
  expect(vMeans).toHaveLength(0)
})

it('transmittance restored by division holds over deep stacks', async () => {
  // 120 faint layers over every pixel; float64 differences of the opacities.
  const view = frontView(4, 4, 4)
  const random = createRandom(32)
  const gaussians = Array.from({ length: 120 }, (_, i) => ({
    mean: [0, 0, 2 + i / 50],
    scale: [3, 3, 3],
    opacity: 0.005 + 0.09 * random.uniform(),
    color: [random.uniform(), random.uniform(), random.uniform()],
  }))
  const scene = sceneOf(...gaussians)
  const vOutputs = randomVOutputs(random, view)
  const problem = { scene, view, background: [1, 1, 1] as const }
  const actual = await backward(device, problem, vOutputs)
  const expected = differences(scene, view, rasterizerConfig(), problem.background, vOutputs, ['opacities'])
  expect(excess(actual.vOpacities, expected.vOpacities, 1e-5, 1e-4)).toBeLessThan(1)
})
