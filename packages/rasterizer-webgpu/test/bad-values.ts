// Values that are not finite, huge or singular, many in one scene.
import { createRasterizer } from '@clipgstream/rasterizer-webgpu'
import { createRandom } from '@clipgstream/tensor'
import type { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import { describe, expect, it } from 'vitest'
import type { Scene } from '../../rasterizer-wasm-reference/test/oracle.js'
import { backward, forward, type Problem, randomVOutputs } from '../../rasterizer-wasm-reference/test/run.js'
import { frontView, pick, randomScene, sceneOf } from '../../rasterizer-wasm-reference/test/scene.js'

const fields = ['means', 'quats', 'scales', 'opacities', 'colors'] as const
const healthy = 20

/** Defines the tests; they share a device, since its pipelines take seconds to compile in software. */
export function testBadValues(device: WebgpuDevice): void {
  describe.each(['exact', 'three-sigma'] as const)('bad values, extent %s', (extent) => {
    const view = frontView(24, 20)
    const good = randomScene(createRandom(41), healthy, 24, 20, 0.2)
    const vOutputs = randomVOutputs(createRandom(42), view)

    const gradientsOf = async (problem: Problem) =>
      Object.values(await backward(device, problem, vOutputs, createRasterizer))

    it('culls what is not finite', async () => {
      const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
      const scene = join(good, poisoned(values, fields, 1))
      const expected = await forward(device, { scene: good, view, config: { extent } }, createRasterizer)
      const problem = { scene, view, config: { extent } }
      const { image, radii } = await forward(device, problem, createRasterizer)
      expect(image).toEqual(expected.image)
      expect([...radii.subarray(healthy)].every((radius) => radius === 0)).toBe(true)
      expect(radii.subarray(0, healthy)).toEqual(expected.radii)
      for (const rows of await gradientsOf(problem)) {
        const first = (rows.length / scene.opacities.length) * healthy
        expect(rows.every(Number.isFinite)).toBe(true)
        expect(rows.subarray(first).every((value) => value === 0)).toBe(true)
      }
    })

    const expectBounded = async (problem: Problem) => {
      const { image, alpha, depth } = await forward(device, problem, createRasterizer)
      for (const values of [image, alpha, depth]) expect(values.every(Number.isFinite)).toBe(true)
      for (const rows of await gradientsOf(problem)) {
        const width = rows.length / problem.scene.opacities.length
        expect(rows.subarray(0, width * healthy).every(Number.isFinite)).toBe(true)
      }
    }

    it('bounds what is huge or tiny', async () => {
      const values = [3.4e38, -3.4e38, 1e20, -1e20, 1e-45, -1e-45, 0, -0]
      const geometry = ['means', 'quats', 'scales', 'opacities'] as const
      const bad = join(poisoned(values, geometry, 0.02), poisoned(values.slice(2), ['colors'], 0.02))
      const splats = sceneOf(
        { scale: [1e4, 1e4, 1e4], opacity: 0.02 },
        { scale: [1e9, 1e-9, 1], opacity: 0.02 },
        { scale: [0, 0, 0], opacity: 0.02 },
        { mean: [0, 0, 0.2000001], scale: [1, 1, 1], opacity: 0.02 },
        { mean: [1e6, 0, 0.2000001], scale: [1e6, 1, 1], opacity: 0.02 },
        { quat: [0, 0, 0, 0], opacity: 0.02 },
        { opacity: 5 },
        { opacity: -1 },
      )
      await expectBounded({ scene: join(good, join(bad, splats)), view, config: { extent } })
    })

    it('bears singular covariances when nothing dilates them', async () => {
      const mean = [0, 0, 3]
      const splats = [
        [0, 0, 0],
        [1e-30, 1e-30, 1e-30],
        [0, 1, 1],
      ].map((scale) => ({ mean, scale, quat: [1, 0, 0, 0] }))
      await expectBounded({ scene: join(good, sceneOf(...splats)), view, config: { extent, dilation: 0 } })
    })
  })
}

/** A Gaussian for each of `values` and `fields`, with it in the first component of the field. */
function poisoned(values: readonly number[], of: readonly (keyof Scene)[], opacity: number): Scene {
  const rows = values.flatMap((value) => of.map((field) => ({ field, value })))
  const scene = pick(
    randomScene(createRandom(43), rows.length, 24, 20, 0.2),
    rows.map((_, i) => i),
  )
  scene.opacities.fill(opacity)
  for (const [i, { field, value }] of rows.entries()) scene[field][(i * scene[field].length) / rows.length] = value
  return scene
}

function join(one: Scene, other: Scene): Scene {
  const both = (field: keyof Scene) => Float64Array.from([...one[field], ...other[field]])
  return {
    means: both('means'),
    quats: both('quats'),
    scales: both('scales'),
    opacities: both('opacities'),
    colors: both('colors'),
  }
}
