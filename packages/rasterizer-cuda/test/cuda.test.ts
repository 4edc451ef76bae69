// On a real GPU; without one everything here is skipped.
import { rasterizerConfig } from '@clipgstream/rasterizer'
import { CudaRasterizer, createRasterizer } from '@clipgstream/rasterizer-cuda'
import { createRandom, type Device } from '@clipgstream/tensor'
import { type CudaDevice, createCudaDevice } from '@clipgstream/tensor/cuda'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { excess } from '../../rasterizer-wasm-reference/test/close.js'
import { cases } from '../../rasterizer-wasm-reference/test/conformance.js'
import type { Scene } from '../../rasterizer-wasm-reference/test/oracle.js'
import { backward, forward, type Problem, randomVOutputs } from '../../rasterizer-wasm-reference/test/run.js'
import {
  frontView,
  obliqueView,
  pick,
  randomScene,
  sceneOf,
  upload,
} from '../../rasterizer-wasm-reference/test/scene.js'
import { whyNoGpu } from './gpu.js'

const missing = await whyNoGpu()
if (missing) console.warn(`test/cuda.test.ts is skipped: ${missing}`)

type Config = Parameters<typeof rasterizerConfig>[0]

describe.skipIf(missing)('cuda', () => {
  let device: CudaDevice

  beforeEach(async () => {
    device = await createCudaDevice({ poison: true })
  })

  afterEach(async () => {
    await device.synchronize()
    expect(device.bytesInUse).toBe(0)
    device.dispose()
  })

  it.each(cases.filter(({ size }) => size === 'small'))('$operator: $name', async (small) => {
    const actual = await small.run(device)
    if (!small.oracle) throw new Error('a small case has an oracle')
    const failed = compare(actual, small.oracle(), small.tolerance).filter(({ passed }) => !passed)
    expect(failed).toEqual([])
  })

  /** A rasterizer whose lists hold 16 pairs, so that it draws without lists. */
  const withoutLists = (config?: Config) =>
    CudaRasterizer.create(device, rasterizerConfig(config), { pairCapacity: 16 })
  const createWithoutLists = (_: Device, config?: Config) => withoutLists(config)

  it.each(['exact', 'three-sigma'] as const)('draws the same when pairs do not fit, extent %s', async (extent) => {
    const view = obliqueView(150, 90)
    const scene = randomScene(createRandom(3), 3000, 150, 90, 0.08)
    const problem = { scene, view, config: { extent }, background: [0.2, 0.4, 0.6] } as const
    const vOutputs = randomVOutputs(createRandom(4), view)
    // Without atomics in the forward pass, and with the same order of splats, the bytes are the same.
    expect(await forward(device, problem, createWithoutLists)).toEqual(await forward(device, problem, createRasterizer))
    const expected = await backward(device, problem, vOutputs, createRasterizer)
    const actual = await backward(device, problem, vOutputs, createWithoutLists)
    for (const name of Object.keys(expected) as (keyof typeof expected)[]) {
      const largest = expected[name].reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      expect(excess(actual[name], expected[name], 1e-5 * largest, 1e-4), name).toBeLessThan(1)
    }
  })

  it('learns how many pairs there are', async () => {
    using _ = device.scope()
    const rasterizer = await CudaRasterizer.create(device, rasterizerConfig())
    const view = frontView(640, 480)
    // 1200 tiles each: more than the first guess of 8 pairs a Gaussian.
    const gaussian = { mean: [0, 0, 2], scale: [5, 5, 5], opacity: 0.01 }
    const inputs = upload(device, sceneOf(...Array.from({ length: 40 }, () => gaussian)))
    const first = rasterizer.forward(inputs, view)
    expect(await rasterizer.observe(first)).toBe(48_000)
    expect(rasterizer.overflows).toBeGreaterThan(0)
    const second = rasterizer.forward(inputs, view)
    expect(second.saved[6]?.size).toBe(65_536)
    expect(await second.image.read()).toEqual(await first.image.read())
  })

  it('gives the same bytes every time, forward', async () => {
    const view = frontView(160, 90)
    const problem = { scene: randomScene(createRandom(5), 20_000, 160, 90), view }
    const first = await forward(device, problem, createRasterizer)
    expect(await forward(device, problem, createRasterizer)).toEqual(first)
  })

  it('is captured in a graph, which draws whatever its view is set to', async () => {
    using _ = device.scope()
    const rasterizer = await CudaRasterizer.create(device, rasterizerConfig())
    const inputs = upload(device, randomScene(createRandom(6), 500, 64, 48, 0.1))
    const other = { ...frontView(64, 48), cx: 20 }
    const expected = await rasterizer.forward(inputs, other, [0, 1, 0]).image.read()
    const view = rasterizer.createView(frontView(64, 48))
    const vImage = device.from(Float32Array.from(expected, Math.sin), [48, 64, 3])
    const vColors = device.zeros([500, 3])
    const image = device.zeros([48, 64, 3])
    const step = () => {
      using _ = device.scope()
      const result = rasterizer.forward(inputs, view)
      device.copy(result.image, image)
      device.copy(rasterizer.backward(inputs, view, result, { vImage }).vColors, vColors)
    }
    step()
    await device.synchronize()
    using graph = device.capture(step)
    graph.launch()
    const before = await image.read()
    view.set(other, [0, 1, 0])
    graph.launch()
    expect(await image.read()).toEqual(expected)
    expect(before).not.toEqual(expected)
    expect(() => view.set(frontView(65, 48), [0, 0, 0])).toThrow('64x48')
    expect(() => rasterizer.forward(inputs, view, [0, 0, 0])).toThrow('set in the CudaView')
  })

  describe.each(['exact', 'three-sigma'] as const)('a canvas, extent %s', (extent) => {
    const background = [0.2, 0.4, 0.6] as const
    const views = [frontView(150, 90), obliqueView(150, 90), { ...frontView(150, 90), cx: 20 }]

    /** Lets counts come back. */
    const settle = async () => {
      await device.synchronize()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }

    it('draws what forward draws, before and after it is captured', async () => {
      using _ = device.scope()
      const rasterizer = await CudaRasterizer.create(device, rasterizerConfig({ extent }))
      const inputs = upload(device, randomScene(createRandom(8), 3000, 150, 90, 0.08))
      const expected: Float32Array[] = []
      for (const view of views) expected.push(await rasterizer.forward(inputs, view, background).image.read())
      using canvas = rasterizer.createCanvas(inputs, { width: 150, height: 90 }, background)
      for (let round = 0; round < 3; round++) {
        for (const [i, view] of views.entries()) {
          canvas.draw(view)
          expect(await canvas.image.read(), `view ${i} in round ${round}`).toEqual(expected[i])
        }
        await settle()
      }
      expect(() => canvas.draw(frontView(151, 90))).toThrow('150x90')
    })

    it('is captured again when a view needs longer lists', async () => {
      using _ = device.scope()
      const rasterizer = await CudaRasterizer.create(device, rasterizerConfig({ extent }))
      // From afar each Gaussian meets few of the 1200 tiles, from near nearly all.
      const near = frontView(640, 480)
      const far = { ...near, fx: near.fx / 50, fy: near.fy / 50 }
      const inputs = upload(device, randomScene(createRandom(9), 2000, 640, 480, 0.5))
      const expected = await rasterizer.forward(inputs, near).image.read()
      using canvas = rasterizer.createCanvas(inputs, { width: 640, height: 480 })
      canvas.draw(far)
      await settle()
      for (let i = 0; i < 3; i++) {
        canvas.draw(near)
        expect(await canvas.image.read()).toEqual(expected)
        await settle()
      }
      expect(canvas.overflows).toBe(1)
    })

    it('draws nothing of no Gaussians', async () => {
      using _ = device.scope()
      const rasterizer = await CudaRasterizer.create(device, rasterizerConfig({ extent }))
      const inputs = upload(device, sceneOf())
      using canvas = rasterizer.createCanvas(inputs, { width: 20, height: 20 }, [1, 0.5, 0])
      for (let i = 0; i < 3; i++) {
        canvas.draw(frontView(20, 20))
        expect((await canvas.image.read()).slice(0, 3)).toEqual(Float32Array.of(1, 0.5, 0))
        await settle()
      }
    })
  })

  describe.each(['exact', 'three-sigma'] as const)('bad values, extent %s', (extent) => {
    const config = { extent }
    const view = frontView(40, 24)
    const healthy = randomScene(createRandom(41), 30, 40, 24, 0.2)
    const others = Array.from({ length: 30 }, (_, i) => i).filter((i) => i !== 15)
    const vOutputs = randomVOutputs(createRandom(42), view)
    const fields = ['means', 'quats', 'scales', 'opacities', 'colors'] as const

    const poisoned = (field: keyof Scene, component: number, value: number): Scene => {
      const scene = pick(
        healthy,
        Array.from({ length: 30 }, (_, i) => i),
      )
      scene[field][(15 * scene[field].length) / 30 + component] = value
      return scene
    }

    it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('culls %f', async (value) => {
      const problem: Problem = { scene: pick(healthy, others), view, config }
      const without = await forward(device, problem, createRasterizer)
      for (const field of fields) {
        const bad = { ...problem, scene: poisoned(field, 0, value) }
        const actual = await forward(device, bad, createRasterizer)
        expect(actual.radii[15]).toBe(0)
        expect(actual.image).toEqual(without.image)
        const gradients = await backward(device, bad, vOutputs, createRasterizer)
        for (const values of Object.values(gradients)) {
          const width = values.length / 30
          expect(values.every(Number.isFinite)).toBe(true)
          expect(values.subarray(15 * width, 16 * width)).toEqual(new Float32Array(width))
        }
      }
    })

    const expectFinite = async (scene: Scene, options: Config = config) => {
      const problem = { scene, view, config: options }
      const { image, alpha, depth } = await forward(device, problem, createRasterizer)
      for (const values of [image, alpha, depth]) expect(values.every(Number.isFinite)).toBe(true)
      for (const values of Object.values(await backward(device, problem, vOutputs, createRasterizer))) {
        const width = values.length / 30
        const rest = [...values.subarray(0, 15 * width), ...values.subarray(16 * width)]
        expect(rest.every(Number.isFinite)).toBe(true)
      }
    }

    it.each([3.4e38, -3.4e38, 1e20, -1e20, 1e-45, -1e-45, 0, -0])('bounds %f', async (value) => {
      for (const field of fields) {
        if (field !== 'colors' || Math.abs(value) <= 1e20) await expectFinite(poisoned(field, 0, value))
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
        const scene = poisoned('means', 0, 0)
        const bad = sceneOf(gaussian)
        for (const field of fields) scene[field].set(bad[field], (15 * scene[field].length) / 30)
        await expectFinite(scene)
      }
    })

    it('bears singular covariances when nothing dilates them', async () => {
      const scene = poisoned('means', 0, 0)
      for (const scales of [
        [0, 0, 0],
        [1e-30, 1e-30, 1e-30],
        [0, 1, 1],
      ]) {
        scene.means.set([0, 0, 3], 45)
        scene.quats.set([1, 0, 0, 0], 60)
        scene.scales.set(scales, 45)
        await expectFinite(scene, { ...config, dilation: 0 })
      }
    })
  })
})
