// On whatever adapter there is, by default a software one; without any, everything here is skipped.
import { rasterizerConfig } from '@clipgstream/rasterizer'
import { createRasterizer, WebgpuRasterizer } from '@clipgstream/rasterizer-webgpu'
import { createRandom, type Device } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { excess } from '../../rasterizer-wasm-reference/test/close.js'
import { cases } from '../../rasterizer-wasm-reference/test/conformance.js'
import { backward, forward, randomVOutputs } from '../../rasterizer-wasm-reference/test/run.js'
import {
  frontView,
  obliqueView,
  pick,
  randomScene,
  sceneOf,
  upload,
} from '../../rasterizer-wasm-reference/test/scene.js'
import { webgpuForTests } from '../../tensor/test/webgpu-device.js'
import { testBadValues } from './bad-values.js'

const found = await webgpuForTests()

type Config = Parameters<typeof rasterizerConfig>[0]

describe.skipIf(!found)('webgpu', () => {
  if (!found) return
  // One for all tests: its pipelines take seconds to compile in software.
  const device = found

  afterEach(async () => {
    await device.synchronize()
    expect(device.bytesInUse).toBe(0)
  })

  afterAll(() => device.dispose())

  it.each(cases.filter(({ size }) => size === 'small'))('$operator: $name', async (small) => {
    const actual = await small.run(device)
    if (!small.oracle) throw new Error('a small case has an oracle')
    const failed = compare(actual, small.oracle(), small.tolerance).filter(({ passed }) => !passed)
    expect(failed).toEqual([])
  })

  it('projects with more than f32 where pixels have large coordinates', async () => {
    const view = { ...frontView(3000, 16), fx: 2999.7, cx: 1501.3 }
    const scene = randomScene(createRandom(8), 300, 3000, 16, 0.0005)
    using wasm = await createWasmDevice({ threads: 1 })
    const expected = await forward(wasm, { scene, view })
    const actual = await forward(device, { scene, view }, createRasterizer)
    // An error of one spacing of f32 at 3000, 2e-4 of a pixel, would be 1e-4 in alpha.
    expect(excess(actual.alpha, expected.alpha, 2e-6, 2e-6)).toBeLessThan(1)
    expect(excess(actual.image, expected.image, 2e-6, 2e-6)).toBeLessThan(1)
  })

  const gradients = async (problem: Parameters<typeof backward>[1], create: typeof createRasterizer) =>
    backward(device, problem, randomVOutputs(createRandom(4), problem.view), create)

  const expectAlike = (actual: Record<string, Float32Array>, expected: Record<string, Float32Array>) => {
    for (const [name, values] of Object.entries(expected)) {
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      expect(excess(actual[name] ?? [], values, 1e-5 * largest, 1e-4), name).toBeLessThan(1)
    }
  }

  const variant = (options: Parameters<typeof WebgpuRasterizer.create>[2]) => (_: Device, config?: Config) =>
    WebgpuRasterizer.create(device, rasterizerConfig(config), options)

  it.each(['exact', 'three-sigma'] as const)('draws the same when pairs do not fit, extent %s', async (extent) => {
    const view = obliqueView(70, 45)
    const scene = randomScene(createRandom(3), 400, 70, 45, 0.08)
    const problem = { scene, view, config: { extent }, background: [0.2, 0.4, 0.6] } as const
    const withoutLists = variant({ pairCapacity: 16 })
    // Without atomics in the forward pass, and with the same order of splats, the bytes are the same.
    expect(await forward(device, problem, withoutLists)).toEqual(await forward(device, problem, createRasterizer))
    expectAlike(await gradients(problem, withoutLists), await gradients(problem, createRasterizer))
  })

  it('draws what is in use only', async () => {
    const view = obliqueView(50, 40)
    const scene = randomScene(createRandom(9), 400, 50, 40, 0.1)
    const first = pick(
      scene,
      Array.from({ length: 150 }, (_, i) => i),
    )
    const expected = await forward(device, { scene: first, view }, createRasterizer)
    const actual = await forward(device, { scene, view, count: 150 }, createRasterizer)
    expect(actual.image).toEqual(expected.image)
    expect(actual.radii).toEqual(Int32Array.from({ length: 400 }, (_, i) => expected.radii[i] ?? 0))
    const { vMeans, vColors } = await gradients({ scene, view, count: 150 }, createRasterizer)
    expect(vMeans.subarray(450)).toEqual(new Float32Array(750))
    expect(vColors.subarray(0, 450).some((value) => value !== 0)).toBe(true)
    expect(vColors.subarray(450)).toEqual(new Float32Array(750))
  })

  it('learns how many pairs there are', async () => {
    using _ = device.scope()
    const rasterizer = await WebgpuRasterizer.create(device, rasterizerConfig())
    const view = frontView(320, 240)
    // 300 tiles each, in all more than the least that lists hold; the first few hide the others.
    const gaussian = { mean: [0, 0, 2], scale: [5, 5, 5], opacity: 1 }
    const inputs = upload(device, sceneOf(...Array.from({ length: 56 }, () => gaussian)))
    const first = rasterizer.forward(inputs, view)
    expect(await rasterizer.observe(first)).toBe(16_800)
    expect(rasterizer.overflows).toBeGreaterThan(0)
    const second = rasterizer.forward(inputs, view)
    expect(second.saved[3]?.size).toBe(32_768)
    expect(await second.image.read()).toEqual(await first.image.read())
  })

  it('gives the same bytes every time, forward', async () => {
    const problem = { scene: randomScene(createRandom(5), 2000, 80, 45), view: frontView(80, 45) }
    const first = await forward(device, problem, createRasterizer)
    expect(await forward(device, problem, createRasterizer)).toEqual(first)
  })

  it('says what backward needs', async () => {
    using _ = device.scope()
    const rasterizer = await createRasterizer(device)
    const view = frontView(8, 8)
    const inputs = upload(device, sceneOf({}))
    const result = rasterizer.forward(inputs, view)
    const vImage = device.zeros([8, 8, 3])
    const bytes = device.bytesInUse
    const saved = result.saved.slice(0, 3)
    expect(() =>
      rasterizer.backward(inputs, view, { ...result, saved }, { vImage }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: rasterizer.backward: result.saved must be the 7 tensors of forward, got 3]`,
    )
    expect(() =>
      rasterizer.backward(inputs, view, { ...result, saved: [...saved, ...saved] }, { vImage }),
    ).toThrowErrorMatchingInlineSnapshot(`[DTypeError: rasterizer.backward: result.saved[4] must be u32, got f32]`)
    expect(device.bytesInUse).toBe(bytes)
  })

  testBadValues(device)
})
