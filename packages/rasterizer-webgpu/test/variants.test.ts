// Every way to add gradients up, on whatever adapter there is; the software adapter has subgroups of 4 lanes.
import { rasterizerConfig } from '@clipgstream/rasterizer'
import { WebgpuRasterizer, type WebgpuRasterizerOptions } from '@clipgstream/rasterizer-webgpu'
import { createRandom, type Device } from '@clipgstream/tensor'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { excess } from '../../rasterizer-wasm-reference/test/close.js'
import { cases } from '../../rasterizer-wasm-reference/test/conformance.js'
import { backward, type Problem, randomVOutputs } from '../../rasterizer-wasm-reference/test/run.js'
import { frontView, obliqueView, randomScene, sceneOf } from '../../rasterizer-wasm-reference/test/scene.js'
import { webgpuForTests } from '../../tensor/test/webgpu-device.js'
// The conformance cases take the sources.
import { WebgpuRasterizer as SourceRasterizer } from '../src/index.js'

const found = await webgpuForTests()
const noRows = { rowBudget: 0 }

const variants = [
  { name: 'staged, rounds of 4', options: { reduction: 'staged', round: 4 } },
  { name: 'staged, rounds of 2', options: { reduction: 'staged', round: 2 } },
  { name: 'staged, compare-and-swap', options: { reduction: 'staged', ...noRows } },
  { name: 'subgroups', options: { reduction: 'subgroups' } },
  { name: 'subgroups, compare-and-swap', options: { reduction: 'subgroups', ...noRows } },
] as const satisfies readonly { name: string; options: WebgpuRasterizerOptions }[]

describe.skipIf(!found)('variants of backward', () => {
  if (!found) return
  const device = found
  const there = variants.filter(({ options }) => options.reduction !== 'subgroups' || device.features.has('subgroups'))
  if (there.length < variants.length) console.warn(`TESTS OF SUBGROUPS ARE SKIPPED: ${device.label} has none`)

  afterEach(async () => {
    vi.restoreAllMocks()
    await device.synchronize()
    expect(device.bytesInUse).toBe(0)
  })

  afterAll(() => device.dispose())

  const gradients = (problem: Problem, options: WebgpuRasterizerOptions) =>
    backward(device, problem, randomVOutputs(createRandom(4), problem.view), (_: Device, config) =>
      WebgpuRasterizer.create(device, rasterizerConfig(config), options),
    )

  const expectAlike = (actual: Record<string, Float32Array>, expected: Record<string, Float32Array>) => {
    for (const [name, values] of Object.entries(expected)) {
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      expect(largest, name).toBeGreaterThan(0)
      expect(excess(actual[name] ?? [], values, 1e-5 * largest, 1e-4), name).toBeLessThan(1)
    }
  }

  // Splats of all sizes, more than three batches in a tile, tiles that the border cuts.
  const crowd: Problem = { scene: randomScene(createRandom(7), 900, 52, 37, 0.1), view: obliqueView(52, 37) }
  // 48 tiles each: many enough for those that 32 invocations add up.
  const curtain = { mean: [0.1, 0.2, 2], scale: [4, 3, 2], opacity: 0.01, color: [0.2, 0.4, 0.6] }
  const curtains: Problem = { scene: sceneOf(...Array.from({ length: 20 }, () => curtain)), view: frontView(128, 96) }

  const backwards = cases.filter(({ operator, size }) => size === 'small' && operator.endsWith('.backward'))

  describe.each(there)('$name', ({ options }) => {
    it.each(backwards)('$operator: $name', async (small) => {
      const create = SourceRasterizer.create
      const spy = vi.spyOn(SourceRasterizer, 'create')
      spy.mockImplementation((own, config) => create(own, config, options))
      const actual = await small.run(device)
      expect(spy).toHaveBeenCalled()
      if (!small.oracle) throw new Error('a small case has an oracle')
      expect(compare(actual, small.oracle(), small.tolerance).filter(({ passed }) => !passed)).toEqual([])
    })
  })

  it('has the same gradients in all', async () => {
    for (const problem of [crowd, curtains]) {
      const expected = await gradients(problem, variants[2].options)
      for (const { options } of there) expectAlike(await gradients(problem, options), expected)
    }
  })

  it.each(there.filter(({ options }) => !('rowBudget' in options)))('$name repeats its bytes', async ({ options }) => {
    const once = await gradients(crowd, options)
    expect(await gradients(crowd, options)).toEqual(once)
  })

  it('fills the rows that there are', async () => {
    const expected = await gradients(crowd, noRows)
    for (const rows of [1, 300, 900]) expectAlike(await gradients(crowd, { rowBudget: 40 * rows }), expected)
    const { reduction } = variants[3].options
    if (device.features.has(reduction)) {
      expectAlike(await gradients(crowd, { reduction, rowBudget: 40 * 900 }), expected)
    }
  })

  it('needs no rows where pairs do not fit', async () => {
    for (const { options } of there) {
      expectAlike(await gradients(crowd, { ...options, pairCapacity: 16 }), await gradients(crowd, options))
    }
  })

  it('says what it cannot do', async () => {
    await expect(
      WebgpuRasterizer.create(device, rasterizerConfig(), { rowBudget: -1 }),
    ).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WebgpuRasterizer.create: rowBudget must be a number of bytes, 0 for none, got -1]`,
    )
  })

  it('has no subgroups where the device has none', async () => {
    const plain = await webgpuForTests({ without: ['subgroups'] })
    if (!plain) throw new Error('there was a device before')
    using _ = plain
    await expect(
      WebgpuRasterizer.create(plain, rasterizerConfig(), { reduction: 'subgroups' }),
    ).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WebgpuRasterizer.create: reduction must be 'staged' on a device without subgroups, got subgroups]`,
    )
  })
})
