// Tiles of very different lengths, on a real GPU: lists that go on from chunk to chunk, that end at a chunk's edge, and
// none at all. Without a GPU everything here is skipped.
import type { View } from '@clipgstream/camera'
import { rasterizerConfig } from '@clipgstream/rasterizer'
import { CudaRasterizer, createRasterizer } from '@clipgstream/rasterizer-cuda'
import { createRandom, type Device } from '@clipgstream/tensor'
import { type CudaDevice, createCudaDevice } from '@clipgstream/tensor/cuda'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compare, type Tolerance, type Values } from '../../../tools/conformance/case.js'
import { excess } from '../../rasterizer-wasm-reference/test/close.js'
import { backward, forward, type Problem, randomVOutputs } from '../../rasterizer-wasm-reference/test/run.js'
import { frontView, type Gaussian, sceneOf, upload } from '../../rasterizer-wasm-reference/test/scene.js'
import { whyNoGpu } from './gpu.js'

const missing = await whyNoGpu()
if (missing) console.warn(`test/uneven.test.ts is skipped: ${missing}`)

const noTile = 0xffffffff
/** Those of the conformance cases; gradients in parts of the largest of their kind. */
const imageTolerance = { absolute: 2e-5, relative: 1e-4, flips: 1e-3, flipLimit: 0.05 }
const gradientTolerance = { absolute: 2e-5, relative: 1e-3, flips: 2e-3, flipLimit: 0.05 }
const background = [0.2, 0.4, 0.6] as const

function expectAgreement(actual: Record<string, Values>, expected: Record<string, Values>, tolerance: Tolerance): void {
  const tolerances = Object.fromEntries(Object.keys(expected).map((name) => [name, tolerance]))
  expect(compare(actual, expected, tolerances).filter(({ passed }) => !passed)).toEqual([])
}

/** `count` faint splats of some pixels around the centre of tile (column, row), all of them in this tile only. */
function crowd(view: View, column: number, row: number, count: number, seed: number): Gaussian[] {
  const random = createRandom(seed)
  const at = (tile: number, size: number, depth: number) =>
    ((16 * tile + 5 + 6 * random.uniform() - size / 2) * depth) / view.fx
  return Array.from({ length: count }, () => {
    const z = 2 + random.uniform()
    return {
      mean: [at(column, view.width, z), at(row, view.height, z), z],
      scale: Array.from({ length: 3 }, () => ((0.3 + 0.7 * random.uniform()) * z) / view.fx),
      opacity: 0.01 + 0.02 * random.uniform(),
      color: [random.uniform(), random.uniform(), random.uniform()],
    }
  })
}

describe.skipIf(missing)('uneven tiles', () => {
  let device: CudaDevice
  let reference: Device

  beforeAll(async () => {
    device = await createCudaDevice({ poison: true })
    reference = await createWasmDevice()
  })

  afterAll(() => {
    device.dispose()
    reference.dispose()
  })

  const withoutLists = (_: Device, config?: Problem['config']) =>
    CudaRasterizer.create(device, rasterizerConfig(config), { pairCapacity: 16 })

  /** Tiles that enter each chunk of the lists from the one before, and all pairs. */
  async function chunksOf({ scene, view, config }: Problem): Promise<{ owners: number[]; pairs: number }> {
    using _ = device.scope()
    const rasterizer = await CudaRasterizer.create(device, rasterizerConfig(config))
    const result = rasterizer.forward(upload(device, scene), view)
    const owners = await result.saved[7]!.read()
    return { owners: [...owners], pairs: await rasterizer.observe(result) }
  }

  async function expectLikeReference(problem: Problem): Promise<void> {
    const vOutputs = randomVOutputs(createRandom(1), problem.view)
    const drawn = await forward(device, problem, createRasterizer)
    expectAgreement(drawn, await forward(reference, problem), imageTolerance)
    expect(await forward(device, problem, withoutLists)).toEqual(drawn)
    const expected = await backward(reference, problem, vOutputs)
    const scaled = (values: typeof expected) =>
      Object.fromEntries(
        Object.entries(values).map(([name, own]) => {
          const scale = expected[name as keyof typeof expected].reduce((most, v) => Math.max(most, Math.abs(v)), 0)
          return [name, own.map((value) => value / scale)]
        }),
      )
    for (const create of [createRasterizer, withoutLists]) {
      const actual = await backward(device, problem, vOutputs, create)
      expectAgreement(scaled(actual), scaled(expected), gradientTolerance)
    }
  }

  it.each(['exact', 'three-sigma'] as const)(
    'one tile with 5000 splats among empty ones, extent %s',
    async (extent) => {
      const view = frontView(96, 80)
      const scene = sceneOf(...crowd(view, 2, 1, 5000, 2), ...crowd(view, 4, 4, 40, 3))
      const problem = { scene, view, config: { extent }, background }
      const { owners } = await chunksOf(problem)
      expect(owners.filter((tile) => tile === 8)).toHaveLength(9)
      await expectLikeReference(problem)
    },
  )

  it.each([31, 32, 33, 511, 512, 513, 1024, 1025])('a list of %i splats', async (count) => {
    const view = frontView(16, 16)
    const problem = { scene: sceneOf(...crowd(view, 0, 0, count, count)), view, background }
    const { owners, pairs } = await chunksOf(problem)
    expect(pairs).toBe(count)
    expect(owners.filter((tile) => tile === 0)).toHaveLength(Math.ceil(count / 512) - 1)
    await expectLikeReference(problem)
  })

  it('lists that begin at, before and behind the edge of a chunk', async () => {
    const view = frontView(48, 16)
    for (const first of [511, 512, 513]) {
      const splats = [...crowd(view, 0, 0, first, 4), ...crowd(view, 1, 0, 600, 5), ...crowd(view, 2, 0, 100, 6)]
      const problem = { scene: sceneOf(...splats), view, background }
      const { owners, pairs } = await chunksOf(problem)
      expect(pairs).toBe(first + 700)
      expect(owners.slice(0, 4)).toEqual([noTile, first === 512 ? noTile : first === 511 ? 1 : 0, 1, noTile])
      await expectLikeReference(problem)
    }
  })

  it('pixels that are finished before, in and behind the second chunk', async () => {
    const view = frontView(16, 16)
    const wall = (z: number, x: number): Gaussian => ({ mean: [x, 0, z], scale: [0.25, 9, 0.001], opacity: 0.99 })
    // A crowd at depths 2 to 3, and walls of full opacity at one side in front of it, at the other in its middle.
    const walls = [1.9, 1.95, 1.97].map((z) => wall(z, -0.5)).concat([2.6, 2.61, 2.62].map((z) => wall(z, 0.5)))
    await expectLikeReference({ scene: sceneOf(...crowd(view, 0, 0, 1500, 7), ...walls), view, background })
  })

  it('a canvas draws what forward draws', async () => {
    using _ = device.scope()
    const rasterizer = await CudaRasterizer.create(device, rasterizerConfig())
    const view = frontView(96, 80)
    const inputs = upload(device, sceneOf(...crowd(view, 2, 1, 3000, 9), ...crowd(view, 4, 4, 40, 3)))
    const expected = await rasterizer.forward(inputs, view, background).image.read()
    using canvas = rasterizer.createCanvas(inputs, view, background)
    for (let i = 0; i < 3; i++) {
      canvas.draw(view)
      expect(await canvas.image.read()).toEqual(expected)
    }
  })

  it('is captured in a graph, backward too', async () => {
    using _ = device.scope()
    const rasterizer = await CudaRasterizer.create(device, rasterizerConfig())
    const size = frontView(96, 80)
    const inputs = upload(device, sceneOf(...crowd(size, 2, 1, 3000, 8)))
    const vImage = device.from(
      Float32Array.from({ length: 3 * 96 * 80 }, (_, i) => Math.sin(i)),
      [80, 96, 3],
    )
    const view = rasterizer.createView(size)
    const vColors = device.zeros([3000, 3])
    const step = () => {
      using _ = device.scope()
      const result = rasterizer.forward(inputs, view)
      device.copy(rasterizer.backward(inputs, view, result, { vImage }).vColors, vColors)
    }
    step()
    const expected = await vColors.read()
    using graph = device.capture(step)
    for (let i = 0; i < 2; i++) {
      device.fill(vColors, 0)
      graph.launch()
      expect(excess(await vColors.read(), expected, 1e-5, 1e-4)).toBeLessThan(1)
    }
  })
})
