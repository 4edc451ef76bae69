import { readFile } from 'node:fs/promises'
import {
  checkLpipsWeights,
  createLpips,
  expectedTensors,
  type LpipsNet,
  type LpipsWeights,
  readLpipsWeights,
  smallestSide,
  writeLpipsWeights,
} from '@clipgstream/eval'
import { convertLpipsWeights } from '@clipgstream/eval/node'
import { createNodeDecoder } from '@clipgstream/io/node'
import { createRandom, type Device } from '@clipgstream/tensor'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { floats, picture } from './images.js'
import * as oracle from './oracle.js'

let device: WasmDevice
beforeAll(async () => {
  device = await createWasmDevice({ threads: 1, poison: true })
})
afterAll(() => device.dispose())

/** Weights of a size that keeps features alive; heads are positive, as those of LPIPS. */
function randomWeights(net: LpipsNet, seed = 1): LpipsWeights {
  const random = createRandom(seed)
  const tensors = new Map(
    [...expectedTensors(net)].map(([name, shape]) => {
      const size = shape.reduce((product, extent) => product * extent, 1)
      const spread = Math.sqrt(2 / (size / (shape[0] ?? 1)))
      const value = name.startsWith('lin')
        ? () => random.uniform()
        : name.endsWith('bias')
          ? () => 0.1 * random.normal()
          : () => spread * random.normal()
      return [name, { shape, data: Float32Array.from({ length: size }, value) }]
    }),
  )
  return checkLpipsWeights(net, tensors)
}

describe.each([
  ['alex', 67, 39],
  ['squeeze', 23, 19],
  ['vgg', 17, 16],
] as const)('%s', (net, width, height) => {
  const weights = randomWeights(net)

  test('as the formula, in both ranges', async () => {
    const before = device.bytesInUse
    const [a, b] = [picture(width, height, 1), picture(width, height, 2, 90)]
    // The plain version of VGG-16 takes seconds.
    for (const range of net === 'vgg' ? (['calibrated'] as const) : (['calibrated', 'original'] as const)) {
      using lpips = await createLpips(device, weights, { range })
      expect(lpips.name).toBe(range === 'original' ? `lpips-${net}-01` : `lpips-${net}`)
      const value = Number(await lpips.measure(a, b))
      const expected = oracle.lpips(weights, a, b, range === 'original' ? [0, 1] : [-1, 1])
      expect(Math.abs(value - expected)).toBeLessThan(1e-5 * expected)
      expect(await lpips.measure(a, a)).toBe(0)
      expect(Math.abs(Number(await lpips.measure(floats(a), floats(b))) - value)).toBeLessThan(1e-5 * value)
    }
    expect(device.bytesInUse).toBe(before)
  })

  test('equal bytes for 1, 2 and 3 threads', async () => {
    const [a, b] = [picture(width + 20, height, 3), picture(width + 20, height, 4)]
    const values: unknown[] = []
    for (const threads of [1, 2, 3]) {
      const own = await createWasmDevice({ threads, poison: true })
      const lpips = await createLpips(own, weights)
      values.push(await lpips.measure(a, b))
      own.dispose()
    }
    expect(new Set(values).size).toBe(1)
    expect(values[0]).toBeGreaterThan(0)
  })

  test('the smallest image has one pixel at the last layer', async () => {
    using lpips = await createLpips(device, weights)
    const side = smallestSide(net)
    expect(await lpips.measure(picture(side, side, 5), picture(side, side, 6))).toBeGreaterThan(0)
    const small = picture(side - 1, 200, 5)
    expect(await lpips.measure(small, small)).toEqual({
      notAvailable: `lpips-${net} needs ${side} pixels a side, the images have ${side - 1} x 200`,
    })
  })

  test('weights survive their file', () => {
    const bytes = writeLpipsWeights(weights)
    expect(Buffer.compare(writeLpipsWeights(readLpipsWeights(bytes)), bytes)).toBe(0)
  })
})

test('every size agrees with the formula where tiles and pools end', async () => {
  const weights = randomWeights('squeeze', 7)
  using lpips = await createLpips(device, weights)
  const smallest = smallestSide('squeeze')
  for (let width = smallest; width < smallest + 9; width++) {
    const [a, b] = [picture(width, smallest + (width % 3), 8), picture(width, smallest + (width % 3), 9)]
    const expected = oracle.lpips(weights, a, b)
    expect(Math.abs(Number(await lpips.measure(a, b)) - expected)).toBeLessThan(1e-5 * expected)
  }
})

const folder = fixture('fixtures/lpips')
describe.skipIf(!folder)('published weights and values', () => {
  const load = async (name: string) => {
    const file = `${folder}/images/${name}.png`
    return createNodeDecoder().decode(await readFile(file), file)
  }

  test.each([
    ['alex', 0.72188, 0.13757],
    ['squeeze', 0.71105, 0.1479],
  ] as const)('%s on the example images', async (net, far, near) => {
    const weights = await convertLpipsWeights(net, [`${folder}/weights/${net}.json`])
    using lpips = await createLpips(device, weights)
    const [reference, first, second] = await Promise.all(['ex_ref', 'ex_p0', 'ex_p1'].map(load))
    expect(Number(await lpips.measure(reference!, first!))).toBeCloseTo(far, 5)
    expect(Number(await lpips.measure(reference!, second!))).toBeCloseTo(near, 5)
  })

  test('squeeze on random batches of PyTorch', async () => {
    const weights = await convertLpipsWeights('squeeze', [`${folder}/weights/squeeze.json`])
    using lpips = await createLpips(device, weights)
    const uniform = mersenneTwister(123)
    const batch = () => Array.from({ length: 10 }, () => Float32Array.from({ length: 3 * 100 * 100 }, uniform))
    const [first, second] = [batch(), batch()]
    const image = (planes: Float32Array) => {
      const data = new Float32Array(planes.length)
      for (let i = 0; i < planes.length; i++) data[(i % 10000) * 3 + Math.floor(i / 10000)] = planes[i]!
      return { width: 100, height: 100, data }
    }
    let sum = 0
    for (let i = 0; i < 10; i++) sum += Number(await lpips.measure(image(first[i]!), image(second[i]!)))
    expect(sum / 10).toBeCloseTo(0.1008, 4)
  })
})

/** PyTorch's uniform floats: the low 24 bits of MT19937 (Matsumoto and Nishimura 1998). */
function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(624)
  state[0] = seed
  for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i
  let at = 624
  return () => {
    if (at === 624) {
      for (let i = 0; i < 624; i++) {
        const mixed = (state[i]! & 0x80000000) | (state[(i + 1) % 624]! & 0x7fffffff)
        state[i] = state[(i + 397) % 624]! ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0)
      }
      at = 0
    }
    let y = state[at++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    y ^= y >>> 18
    return (y & 0xffffff) / 2 ** 24
  }
}

test('wrong weights', async () => {
  const { tensors } = randomWeights('squeeze')
  const changed = (name: string, tensor: { shape: number[]; data: Float32Array } | null) => {
    const copy = new Map(tensors)
    copy.delete(name)
    if (tensor) copy.set(name, tensor)
    return () => checkLpipsWeights('squeeze', copy, 'w.safetensors')
  }
  const bias = 'features.0.bias'
  expect(changed(bias, null)).toThrowErrorMatchingInlineSnapshot(
    `[LpipsWeightsError: w.safetensors: lpips-squeeze needs the tensor features.0.bias, which is not there]`,
  )
  expect(changed(bias, { shape: [8], data: new Float32Array(8) })).toThrowErrorMatchingInlineSnapshot(
    `[LpipsWeightsError: w.safetensors: features.0.bias must have shape [64] for lpips-squeeze, got [8]]`,
  )
  expect(changed(bias, { shape: [64], data: new Float32Array(8) })).toThrowErrorMatchingInlineSnapshot(
    `[LpipsWeightsError: w.safetensors: features.0.bias must have 64 values, got 8]`,
  )
  expect(
    changed(bias, { shape: [64], data: new Float32Array(64).fill(Number.NaN) }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[LpipsWeightsError: w.safetensors: features.0.bias has values that are not finite]`,
  )
  expect(() => readLpipsWeights(new Uint8Array(4), 'w.safetensors')).toThrow(/w.safetensors/)
  const other: Device = Object.assign(Object.create(null), { kind: 'webgpu' })
  await expect(createLpips(other, randomWeights('squeeze'))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[DeviceUnavailableError: device webgpu is not available: it has no kernels for LPIPS. Create a wasm device for the evaluation]`,
  )
})
