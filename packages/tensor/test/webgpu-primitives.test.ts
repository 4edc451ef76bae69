import { ArgumentError, createRandom, ShapeError } from '@clipgstream/tensor'
import {
  createWebgpuPrimitives,
  type Ranking,
  type WebgpuDevice,
  type WebgpuPrimitives,
} from '@clipgstream/tensor/webgpu'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { webgpuForTests } from './webgpu-device.js'

const device = await webgpuForTests()
const subgroups = device?.features.has('subgroups') ?? false

function here() {
  if (!device) throw new Error('these tests need an adapter')
  return device
}

function words(length: number, seed: number): Uint32Array<ArrayBuffer> {
  const random = createRandom(seed)
  return Uint32Array.from({ length }, () => random.integer(2 ** 32))
}

/** Indices in the order of `key`, equal ones in their own. */
function order(length: number, key: (i: number) => bigint | number): number[] {
  return Array.from({ length }, (_, i) => i).sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a - b))
}

const rankings: Ranking[] = subgroups ? ['masks', 'subgroups'] : ['masks']

describe.skipIf(!device).each(rankings)('the radix sort, ranking by %s', (ranking) => {
  let primitives: WebgpuPrimitives
  beforeAll(async () => {
    primitives = await createWebgpuPrimitives(here(), { ranking })
  })
  afterEach(() => expect(here().bytesInUse).toBe(0))

  it.each([1, 31, 4096, 4097, 9001])('sorts %i pairs', async (n) => {
    const gpu = here()
    using _ = gpu.scope()
    const data = words(n, n)
    const sorted = primitives.sortPairs(gpu.from(data), gpu.from(Uint32Array.from(data.keys())))
    const expected = order(n, (i) => data[i]!)
    expect([...(await sorted.values.read())]).toEqual(expected)
    expect([...(await sorted.keys.read())]).toEqual(expected.map((i) => data[i]))
  })

  it('deals several tiles to a workgroup', async () => {
    const gpu = here()
    using _ = gpu.scope()
    const n = 4 * 4096 + 77
    const data = words(n, 5)
    const { sortPairs } = await createWebgpuPrimitives(gpu, { ranking, workgroups: 2 })
    const sorted = sortPairs(gpu.from(data), gpu.from(Uint32Array.from(data.keys())), 10)
    expect([...(await sorted.values.read())]).toEqual(order(n, (i) => data[i]! & 1023))
  })

  it('is stable where nearly all keys are equal, also the largest', async () => {
    const gpu = here()
    using _ = gpu.scope()
    for (const common of [0, 0xffffffff]) {
      const data = new Uint32Array(5000).fill(common)
      for (let i = 0; i < 5000; i += 700) data[i] = 5
      const sorted = primitives.sortPairs(gpu.from(data), gpu.from(Uint32Array.from(data.keys())))
      expect([...(await sorted.values.read())]).toEqual(order(5000, (i) => data[i]!))
    }
  })

  it.each([
    [0, 64],
    [0, 40],
    [7, 45],
    [33, 50],
    [12, 12],
  ])('sorts two-word keys by bits %i to %i', async (firstBit, endBit) => {
    const gpu = here()
    using _ = gpu.scope()
    const n = 4500
    const data = words(2 * n, endBit)
    // Many equal high words.
    for (let i = 0; i < n; i++) data[2 * i + 1]! %= 7
    const from = { keys: gpu.from(data, [n, 2]), values: gpu.from(Uint32Array.from({ length: n }, (_, i) => i)) }
    const to = { keys: gpu.empty([n, 2], 'u32'), values: gpu.empty([n], 'u32') }
    primitives.sortPairsInto(from, to, { firstBit, endBit })
    const key = (i: number) =>
      (((BigInt(data[2 * i + 1]!) << 32n) | BigInt(data[2 * i]!)) >> BigInt(firstBit)) &
      ((1n << BigInt(endBit - firstBit)) - 1n)
    const expected = order(n, key)
    expect([...(await to.values.read())]).toEqual(expected)
    expect([...(await to.keys.read())]).toEqual(expected.flatMap((i) => [data[2 * i], data[2 * i + 1]]))
  })

  it('sorts as many as the host or the device says, and leaves the others alone', async () => {
    const gpu = here()
    using _ = gpu.scope()
    const n = 4500
    const data = words(n, 3)
    const from = { keys: gpu.from(data), values: gpu.from(Uint32Array.from(data.keys())) }
    for (const count of [0, 1, 4100, gpu.from(Uint32Array.of(4097)), gpu.from(Uint32Array.of(0))] as const) {
      const used = typeof count === 'number' ? count : (await count.read())[0]!
      const to = { keys: gpu.zeros([n], 'u32'), values: gpu.zeros([n], 'u32') }
      gpu.fill(to.values, 77)
      primitives.sortPairsInto(from, to, { count, firstBit: 3, endBit: 20 })
      const expected = order(used, (i) => (data[i]! >>> 3) & 0x1ffff)
      expect([...(await to.values.read())]).toEqual([...expected, ...new Array<number>(n - used).fill(77)])
      expect([...(await gpu.read(to.keys, used))].every((key) => key === 0)).toBe(true)
    }
    const to = { keys: gpu.zeros([n], 'u32'), values: gpu.zeros([n], 'u32') }
    // More than there are: all of them.
    primitives.sortPairsInto(from, to, { count: gpu.from(Uint32Array.of(2 ** 32 - 1)) })
    expect([...(await to.values.read())]).toEqual(order(n, (i) => data[i]!))
  })
})

describe.skipIf(!device).each(subgroups ? ([[[]], [['subgroups']]] as const) : ([[[]]] as const))(
  'scans and selections without %j',
  (without) => {
    let gpu: WebgpuDevice
    beforeAll(async () => {
      const opened = await webgpuForTests({ without: [...without] })
      if (!opened) throw new Error('these tests need an adapter')
      gpu = opened
    })
    afterAll(() => gpu.dispose())

    it.each([0, 1, 17, 4096, 14_001])('select from %i', async (n) => {
      const { selectIndices, selectFlagged, exclusiveScan, countNonFinite, sum } = await createWebgpuPrimitives(gpu, {
        workgroups: 2,
      })
      const random = createRandom(n)
      const flags = Uint8Array.from({ length: n }, () => (random.integer(3) === 0 ? random.integer(256) : 0))
      const data = words(n, 1)
      {
        using _ = gpu.scope()
        const expected = [...flags.keys()].filter((i) => flags[i] !== 0)
        const { indices, count } = selectIndices(gpu.from(flags))
        expect([...(await count.read())]).toEqual([expected.length])
        expect([...(await gpu.read(indices, 0, expected.length))]).toEqual(expected)
        const selected = selectFlagged(gpu.from(data), gpu.from(flags))
        expect([...(await selected.count.read())]).toEqual([expected.length])
        expect([...(await gpu.read(selected.values, 0, expected.length))]).toEqual(expected.map((i) => data[i]))
        const offsets = await exclusiveScan(gpu.from(data)).read()
        let before = 0
        for (let i = 0; i < n; i++) {
          if (offsets[i] !== before) expect.fail(`offset ${i} is ${offsets[i]}, not ${before}`)
          before = (before + data[i]!) >>> 0
        }
        expect(offsets[n]).toBe(before)
        const bad = gpu.from(Float32Array.from({ length: n }, (_, i) => (i % 5 === 2 ? Number.NaN : i)))
        expect((await sum(gpu.from(Float32Array.from({ length: n }, (_, i) => i))).read())[0]).toBe(
          Math.fround((n * Math.max(0, n - 1)) / 2),
        )
        expect((await countNonFinite([bad, bad]).read())[0]).toBe(2 * Math.floor((n + 2) / 5))
      }
      expect(gpu.bytesInUse).toBe(0)
    })
  },
)

describe.skipIf(!device)('primitives', () => {
  afterEach(() => expect(here().bytesInUse).toBe(0))
  afterAll(() => here().dispose())

  it('scans a part into a longer tensor', async () => {
    const gpu = here()
    const { exclusiveScanInto } = await createWebgpuPrimitives(gpu)
    using input = gpu.from(Uint32Array.of(1, 2, 3, 4, 5))
    using output = gpu.zeros([8], 'u32')
    gpu.fill(output, 9)
    exclusiveScanInto(input, output, 3)
    expect([...(await output.read())]).toEqual([0, 1, 3, 6, 9, 9, 9, 9])
    exclusiveScanInto(input, output, 0)
    expect([...(await output.read())]).toEqual([0, 1, 3, 6, 9, 9, 9, 9])
    expect(() => exclusiveScanInto(input, output, 6)).toThrow(ArgumentError)
  })

  it('sums to the precision of an f32 what would be lost one by one, and infinities to infinity', async () => {
    const gpu = here()
    using _ = gpu.scope()
    const { sum } = await createWebgpuPrimitives(gpu)
    const values = Float32Array.from({ length: 5000 }, (_, i) => (i % 2 ? 1e7 + i : -1e7) + 0.5)
    const expected = values.reduce((total, value) => total + value, 0)
    expect((await sum(gpu.from(values)).read())[0]).toBe(Math.fround(expected))
    expect((await sum(gpu.from(Float32Array.of(1, Number.POSITIVE_INFINITY, 2))).read())[0]).toBe(
      Number.POSITIVE_INFINITY,
    )
  })

  it('refuses what does not fit', async () => {
    const gpu = here()
    using _ = gpu.scope()
    const { sortPairsInto, sortWidePairs } = await createWebgpuPrimitives(gpu)
    const keys = gpu.zeros([4], 'u32', 'keys')
    const values = gpu.zeros([4], 'u32', 'values')
    const to = { keys: gpu.zeros([4], 'u32'), values: gpu.zeros([3], 'u32') }
    expect(() => sortPairsInto({ keys, values }, to)).toThrow(ShapeError)
    expect(() => sortPairsInto({ keys, values }, { keys, values })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: sortPairsInto: to must be other tensors than the input, got the input]`,
    )
    expect(() => sortPairsInto({ keys, values }, { keys, values }, { count: 5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: sortPairsInto: count must be an integer in [0, 4], got 5]`,
    )
    expect(() => sortPairsInto({ keys, values }, { keys, values }, { firstBit: 9, endBit: 8 })).toThrow(ArgumentError)
    expect(() => sortWidePairs(keys, values)).toThrow(ShapeError)
    await gpu.synchronize()
  })
})
