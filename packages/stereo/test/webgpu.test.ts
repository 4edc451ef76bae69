import {
  createPictures,
  createStereoOperators,
  estimateCloud,
  greyOf,
  halve,
  halveView,
  type PatchSettings,
} from '@clipgstream/stereo'
import type { Device } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, describe, expect, it } from 'vitest'
import { compare, type Values } from '../../../tools/conformance/case.js'
import { webgpuForTests } from '../../tensor/test/webgpu-device.js'
import { cases } from './conformance.js'
import { picturesOf, planesNear, shots } from './inputs.js'
import { distanceToScene, sceneRadius } from './scene.js'

const device = await webgpuForTests()

afterAll(() => device?.dispose())

const bytesOf = (outputs: Record<string, Values>) =>
  Buffer.concat(Object.values(outputs).map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength)))

const share = (values: readonly boolean[]) => values.filter(Boolean).length / values.length

describe.skipIf(!device)('stereo on WebGPU', () => {
  const gpu = device!

  it.each(cases.filter((one) => one.oracle))('$operator, $name, against float64', async (one) => {
    const before = gpu.bytesInUse
    const outputs = await one.run(gpu)
    const differences = compare(outputs, one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
    expect(bytesOf(await one.run(gpu)).equals(bytesOf(outputs))).toBe(true)
    expect(gpu.bytesInUse).toBe(before)
  })

  it.skipIf(gpu?.software).each(cases.filter((one) => one.size === 'full'))(
    '$operator, $name: as wasm, equal bytes every time',
    async (one) => {
      using wasm = await createWasmDevice({ threads: 1 })
      const once = await one.run(gpu)
      const differences = compare(once, await one.run(wasm), one.tolerance)
      expect(differences.filter((difference) => !difference.passed)).toEqual([])
      expect(bytesOf(await one.run(gpu)).equals(bytesOf(once))).toBe(true)
    },
  )

  it('tries the very planes that wasm tries: one random plane a pixel', async () => {
    // Without a second plane no cost decides, so that what is left is where the random numbers put it.
    using wasm = await createWasmDevice({ threads: 1, poison: true })
    const [ours, theirs] = [await seeded(gpu, 1), await seeded(wasm, 1)]
    const tried = [...theirs.keys()].filter((i) => i % 4 === 3 && theirs[i]! < 2)
    expect(tried.length).toBeGreaterThan(20)
    const near = (i: number) => Math.abs(ours[i]! - theirs[i]!) <= 1e-5 * Math.abs(theirs[i]!) + 1e-7
    expect(share(tried.map((i) => near(i - 3) && near(i - 2) && near(i - 1)))).toBeGreaterThan(0.98)
  })

  it.each([
    { width: 37, height: 19, sources: 5, best: 2, patch: { samples: 5, spacing: 1 } },
    { width: 18, height: 33, sources: 5, best: 1, patch: { samples: 3, spacing: 2 } },
    { width: 24, height: 16, sources: 5, best: 4, patch: { samples: 7, spacing: 1 } },
    { width: 18, height: 16, sources: 32, best: 3, patch: { samples: 3, spacing: 1 } },
  ])('$width x $height, best $best of $sources: two levels, as wasm but where a rounding decides', async (problem) => {
    using wasm = await createWasmDevice({ threads: 1, poison: true })
    const { width, height } = problem
    const search = (device: Device) => searched(device, problem)
    const before = gpu.bytesInUse
    const [ours, theirs] = [await search(gpu), await search(wasm)]
    expect(gpu.bytesInUse).toBe(before)
    expect(bytesOf(await search(gpu)).equals(bytesOf(ours))).toBe(true)
    const pixels = Array.from({ length: width * height }, (_, i) => i)
    // Left out, or nothing to match, on both.
    const cost = (planes: Float32Array, i: number) => planes[4 * i + 3]!
    expect(pixels.filter((i) => cost(ours.planes, i) === 3)).toEqual(pixels.filter((i) => i % width < 3))
    expect(share(pixels.map((i) => (cost(ours.planes, i) === 2) === (cost(theirs.planes, i) === 2)))).toBeGreaterThan(
      0.98,
    )
    expect(share(pixels.map((i) => Math.abs(cost(ours.planes, i) - cost(theirs.planes, i)) < 1e-3))).toBeGreaterThan(
      0.9,
    )
    expect(share(pixels.map((i) => ours.chosen[i] === theirs.chosen[i]))).toBeGreaterThan(0.9)
    const means = [ours, theirs].map(
      ({ planes }) => pixels.reduce((sum, i) => sum + cost(planes, i), 0) / pixels.length,
    )
    expect(Math.abs(means[0]! - means[1]!)).toBeLessThan(0.02)
  })

  it('planes of NaN, infinity, huge ones and negative ones cost 2 and are no surface', async () => {
    const operators = await createStereoOperators(gpu)
    using _ = gpu.scope()
    const captures = shots(4, 20, 16)
    const pictures = picturesOf(gpu, captures)
    const match = { reference: 1, sources: [0, 2] }
    const settings = { agree: 1, maxCost: 2, maxPixels: 1, maxDepth: 1, maxNormalAngle: 60 }
    const infinity = Number.POSITIVE_INFINITY
    for (const value of [Number.NaN, infinity, -infinity, -1, 3e38, -3e38]) {
      const planes = gpu.from(new Float32Array(4 * 4 * 320).fill(value), [4 * 320, 4])
      const costs = await operators.matchCosts(pictures, match, planes, {}).read()
      expect(costs.every((cost) => cost === 2)).toBe(true)
      const fused = await operators.checkConsistency(pictures.places, match, planes, settings).read()
      expect(fused.every((count, i) => i % 4 !== 3 || count === 0)).toBe(true)
    }
  })

  it('one number of a plane that is NaN or infinite is enough, and leaves the others alone', async () => {
    const operators = await createStereoOperators(gpu)
    using _ = gpu.scope()
    const captures = shots(4, 20, 16)
    const pictures = picturesOf(gpu, captures)
    const match = { reference: 1, sources: [0, 2] }
    const good = planesNear(captures[1]!, 1, 0.01)
    const bad = good.map((value, i) => {
      const pixel = i >> 2
      return pixel % 3 === 0 && i % 4 === (pixel / 3) % 3 ? (pixel & 1 ? Number.NaN : Number.POSITIVE_INFINITY) : value
    })
    const costs = async (planes: Float32Array<ArrayBuffer>) =>
      operators.matchCosts(pictures, match, gpu.from(planes, [16, 20, 4]), {}).read()
    const [before, after] = [await costs(good), await costs(bad)]
    expect(share([...before].map((cost) => cost < 2))).toBeGreaterThan(0.5)
    expect(after).toEqual(before.map((cost, i) => ((i % 320) % 3 === 0 ? 2 : cost)))
  })

  it('lifts past coarse planes of NaN', async () => {
    const operators = await createStereoOperators(gpu)
    using _ = gpu.scope()
    const pictures = picturesOf(gpu, shots(4, 20, 16))
    const planes = gpu.empty([4 * 320, 4])
    const chosen = gpu.from(new Uint32Array(320).fill(3), [16, 20])
    const match = { reference: 1, sources: [0, 2] }
    const work = { pictures, match, patch: {}, search: { best: 1, nearest: 1, farthest: 0.1 }, planes, chosen }
    const view = halveView(pictures.places[1]!.view)
    // The cost is fine, the plane is not; or the other way round.
    for (const plane of [
      [Number.NaN, 0, 0, 0.1],
      [0.3, Number.POSITIVE_INFINITY, 0, 0.1],
      [0.3, 0, 0, Number.NaN],
    ]) {
      const coarse = gpu.from(
        Float32Array.from({ length: 4 * 80 }, (_, i) => plane[i % 4]!),
        [80, 4],
      )
      operators.liftPlanes(work, { planes: coarse, place: { view, first: 0 } }, 1)
      const found = await gpu.read(planes, 4 * 320, 4 * 320)
      expect(found.every((value, i) => i % 4 !== 3 || value === 2)).toBe(true)
      expect(await chosen.read()).toEqual(new Uint32Array(320).fill(3))
    }
  })

  // A million pixels are much for a software adapter: seconds.
  it.skipIf(gpu?.software)('takes a picture of more tiles than a dimension of workgroups has', async () => {
    const operators = await createStereoOperators(gpu)
    using _ = gpu.scope()
    const [one, other] = shots(2, 20, 16)
    const width = 16 * 65535 + 3
    const places = [
      { view: { ...one!.view, width, height: 1 }, first: 0 },
      { view: other!.view, first: width },
    ]
    // No surface (the cost is too high), so that every pixel keeps what it has: its number.
    const planes = Float32Array.from({ length: 4 * (width + 320) }, (_, i) => (i % 4 === 0 ? i / 4 + 1 : 3))
    const settings = { agree: 1, maxCost: 1, maxPixels: 1, maxDepth: 1, maxNormalAngle: 60 }
    const given = gpu.from(planes, [width + 320, 4])
    const fused = await operators.checkConsistency(places, { reference: 0, sources: [1] }, given, settings).read()
    let right = 0
    for (let i = 0; i < width; i++) if (Math.abs(fused[4 * i]! - i - 1) < 0.5 && fused[4 * i + 3] === 0) right++
    expect(right).toBe(width)
  })

  it('finds the scene as well as wasm does', async () => {
    const captures = gpu.software ? shots(4, 32, 24) : shots(7, 96, 72)
    const options = gpu.software ? { coarsest: 16, patch: { samples: 3 } } : { coarsest: 48 }
    const before = gpu.bytesInUse
    using wasm = await createWasmDevice({ threads: 1 })
    const clouds = [await estimateCloud(gpu, captures, options), await estimateCloud(wasm, captures, options)]
    expect(gpu.bytesInUse).toBe(before)
    const [ours, theirs] = clouds.map(({ count, positions }) => {
      const errors = Array.from({ length: count }, (_, i) =>
        distanceToScene(positions[3 * i]!, positions[3 * i + 1]!, positions[3 * i + 2]!),
      ).sort((a, b) => a - b)
      return { count, median: errors[count >> 1]! }
    })
    expect(ours!.median).toBeLessThan((gpu.software ? 0.02 : 0.004) * sceneRadius)
    expect(Math.abs(ours!.count / theirs!.count - 1)).toBeLessThan(0.05)
  })
})

/** Planes // [20 x 30, 4] after `tries` random ones. */
async function seeded(device: Device, tries: number): Promise<Float32Array> {
  const operators = await createStereoOperators(device)
  using _ = device.scope()
  const pictures = picturesOf(device, shots(3, 30, 20))
  const planes = device.empty([3 * 600, 4], 'f32')
  const chosen = device.from(new Uint32Array(600).fill(3), [20, 30])
  const match = { reference: 1, sources: [0, 2] }
  const search = { best: 1, nearest: 1, farthest: 0.1 }
  operators.seedPlanes({ pictures, match, patch: { spacing: 1 }, search, planes, chosen }, 7, tries)
  return device.read(planes, 4 * 600, 4 * 600)
}

interface Problem {
  readonly width: number
  readonly height: number
  readonly sources: number
  readonly best: number
  readonly patch: PatchSettings
}

/** Seeds and sweeps of a coarse level, lift and sweeps of the fine one; the first three columns are left out. */
async function searched(device: Device, { width, height, sources, best, patch }: Problem) {
  const operators = await createStereoOperators(device)
  using _ = device.scope()
  const captures = shots(6, width, height)
  const views = captures.map(({ view }) => view)
  const greys = captures.map(({ image }) => greyOf(image))
  // Some more than once, where there are more sources than views.
  const match = { reference: 2, sources: Array.from({ length: sources }, (_, i) => [0, 1, 3, 4, 5][i % 5]!) }
  const every = 2 ** sources - 1
  const common = { match, patch, search: { best, nearest: 1, farthest: 0.1 } }
  const half = createPictures(device, views.map(halveView), greys.map(halve))
  const place = half.places[2]!
  const [w, h] = [width >> 1, height >> 1]
  const coarse = {
    ...{ ...common, pictures: half, base: 5, planes: device.empty([w * h + 5, 4], 'f32') },
    chosen: device.from(new Uint32Array(w * h).fill(every), [h, w]),
  }
  operators.seedPlanes(coarse, 5, 6)
  const sweep = { seed: 1, far: 2, depthScale: 0.05, slantScale: 0.5, randoms: 1 }
  operators.sweepPlanes(coarse, sweep)
  const planes = device.empty([6 * width * height, 4], 'f32')
  const all = Uint32Array.from({ length: width * height }, (_, i) => (i % width < 3 ? 0 : every))
  const chosen = device.from(all, [height, width])
  const fine = { ...common, pictures: createPictures(device, views, greys), planes, chosen }
  operators.liftPlanes(fine, { planes: coarse.planes, place: { ...place, first: 5 } }, best + 1)
  operators.sweepPlanes(fine, { ...sweep, seed: 2, far: 0, depthScale: 0.01, randoms: 0 })
  const first = 2 * 4 * width * height
  return { planes: await device.read(planes, first, 4 * width * height), chosen: await chosen.read() }
}
