import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, describe, expect, it } from 'vitest'
import type { Scene } from './oracle.js'
import { backward, forward, type Problem, randomVOutputs } from './run.js'
import { frontView, pick, randomScene, sceneOf } from './scene.js'

const device = await createWasmDevice({ threads: 1, poison: true })
afterAll(() => device.dispose())

const view = frontView(40, 24)
const healthy = randomScene(createRandom(41), 30, 40, 24, 0.2)
const others = Array.from({ length: 30 }, (_, i) => i).filter((i) => i !== 15)
const vOutputs = randomVOutputs(createRandom(42), view)
const fields = ['means', 'quats', 'scales', 'opacities', 'colors'] as const

function poisoned(field: keyof Scene, component: number, value: number): Scene {
  const scene = pick(healthy, [...others.slice(0, 15), 15, ...others.slice(15)])
  const width = scene[field].length / 30
  if (component < width) scene[field][15 * width + component] = value
  return scene
}

async function expectCulled(problem: Problem): Promise<void> {
  const without = { ...problem, scene: pick(problem.scene, others) }
  const actual = await forward(device, problem)
  const expected = await forward(device, without)
  expect(actual.radii[15]).toBe(0)
  expect(actual.image).toEqual(expected.image)
  expect(actual.depth).toEqual(expected.depth)
  const gradients = await backward(device, problem, vOutputs)
  const expectedGradients = await backward(device, without, vOutputs)
  for (const name of Object.keys(gradients) as (keyof typeof gradients)[]) {
    const width = gradients[name].length / 30
    expect(gradients[name].subarray(15 * width, 16 * width)).toEqual(new Float32Array(width))
    expect(gradients[name].subarray(0, 15 * width)).toEqual(expectedGradients[name].subarray(0, 15 * width))
    expect(gradients[name].subarray(16 * width)).toEqual(expectedGradients[name].subarray(15 * width))
  }
}

async function expectFinite(problem: Problem): Promise<void> {
  const { image, alpha, depth } = await forward(device, problem)
  for (const values of [image, alpha, depth]) expect(values.every(Number.isFinite)).toBe(true)
  const gradients = await backward(device, problem, vOutputs)
  const width = problem.scene.opacities.length
  for (const values of Object.values(gradients)) {
    const per = values.length / width
    const rest = [...values.subarray(0, 15 * per), ...values.subarray(16 * per)]
    expect(rest.every(Number.isFinite)).toBe(true)
  }
}

describe.each(['exact', 'three-sigma'] as const)('extent %s', (extent) => {
  const config = { extent }

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'culls what is not finite: %f',
    async (value) => {
      for (const field of fields) {
        for (const component of [0, healthy[field].length / 30 - 1]) {
          await expectCulled({ scene: poisoned(field, component, value), view, config })
        }
      }
    },
  )

  it.each([3.4e38, -3.4e38, 1e20, -1e20, 1e-45, -1e-45, 0, -0])('bounds %f', async (value) => {
    for (const field of fields) {
      if (field === 'colors' && Math.abs(value) > 1e20) continue
      for (const component of [0, healthy[field].length / 30 - 1]) {
        await expectFinite({ scene: poisoned(field, component, value), view, config })
      }
    }
  })

  it('bounds huge splats, tiny ones and one on the near plane', async () => {
    for (const gaussian of [
      { scale: [1e4, 1e4, 1e4] },
      { scale: [1e9, 1e-9, 1] },
      { scale: [0, 0, 0] },
      { mean: [0, 0, 0.2000001], scale: [1, 1, 1] },
      { mean: [1e6, 0, 0.2000001], scale: [1e6, 1, 1] },
      { quat: [0, 0, 0, 0] },
      { opacity: 5 },
      { opacity: -1 },
    ]) {
      const scene = poisoned('means', 9, 0)
      const bad = sceneOf(gaussian)
      for (const field of fields) scene[field].set(bad[field], (15 * scene[field].length) / 30)
      await expectFinite({ scene, view, config })
    }
  })

  it('culls singular covariances when nothing dilates them', async () => {
    const undilated = { ...config, dilation: 0 }
    const scene = poisoned('means', 9, 0)
    scene.scales.fill(0, 45, 48)
    await expectCulled({ scene, view, config: undilated })
    scene.scales.fill(1e-30, 45, 48)
    await expectFinite({ scene, view, config: undilated })
    // A disc seen exactly edge-on.
    scene.means.set([0, 0, 3], 45)
    scene.quats.set([1, 0, 0, 0], 60)
    scene.scales.set([0, 1, 1], 45)
    await expectFinite({ scene, view, config: undilated })
  })
})

it('a whole scene of NaN shows the background', async () => {
  const scene = sceneOf({}, {}, {})
  for (const field of fields) scene[field].fill(Number.NaN)
  const { image, radii } = await forward(device, { scene, view, background: [0.5, 0.5, 0.5] })
  expect(new Set(image)).toEqual(new Set([0.5]))
  expect([...radii]).toEqual([0, 0, 0])
})
