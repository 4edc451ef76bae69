import { createHashGrid, type HashGridConfig } from '@clipgstream/hashgrid'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { afterAll, describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { cases, problem } from './conformance.js'
import { oracleBackward, oracleForward } from './oracle.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`hash grid on CUDA: SKIPPED, ${error.message}`)
  return null
})

afterAll(() => device?.dispose())

const config: HashGridConfig = {
  levels: 5,
  features: 4,
  log2TableSize: 12,
  baseResolution: 4,
  growth: 2,
  indexing: 'exact',
}

describe.skipIf(!device)('hash grid on CUDA', () => {
  const gpu = device!

  it.each(cases.filter((c) => c.size === 'small'))('$operator: $name', async (one) => {
    const before = gpu.bytesInUse
    const differences = compare(await one.run(gpu), one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
    expect(gpu.bytesInUse).toBe(before)
  })

  it.each([0, 1, 77, 127, 128, 129, 300, 4_000_000_000])('uses %i rows of 300', async (count) => {
    const n = 300
    const used = Math.min(count, n)
    const { points, table, vEncoded } = problem(config, n, 6)
    using _ = gpu.scope()
    const grid = await createHashGrid(gpu, config)
    const inputs = { points: gpu.from(points, [n, 4]), count: gpu.from(new Uint32Array([count])) }
    const encoded = await grid.forward(inputs, gpu.from(table, [grid.entries, 4])).read()
    const expected = oracleForward(config, points.subarray(0, used * 4), table)
    for (let i = 0; i < expected.length; i++) expect(Math.abs(encoded[i]! - expected[i]!)).toBeLessThan(1e-6)
    expect(encoded.subarray(expected.length).every(Number.isNaN)).toBe(true)
    const gradients = vEncoded.slice().fill(Number.NaN, used * grid.width)
    const vTable = gpu.zeros([grid.entries, 4])
    grid.backward(inputs, gpu.from(gradients, [n, grid.width]), vTable)
    const expectedTable = oracleBackward(config, points.subarray(0, used * 4), vEncoded)
    const actual = await vTable.read()
    expect(actual.every((value, i) => Math.abs(value - expectedTable[i]!) < 1e-4)).toBe(true)
  })

  it('takes no points at all', async () => {
    using _ = gpu.scope()
    const grid = await createHashGrid(gpu, config)
    const points = gpu.empty([0, 4])
    const table = gpu.zeros([grid.entries, 4])
    expect(grid.forward({ points }, table).shape).toEqual([0, 20])
    grid.backward({ points }, gpu.empty([0, 20]), table)
    await gpu.synchronize()
  })

  it.each([1, 2, 4, 8])('keeps what lies outside, and its NaN gradients, out: %i features', async (features) => {
    const outside = [-(2 ** -149), 1 + 2 ** -23, Number.NaN, Infinity, -Infinity]
    const rows = outside.flatMap((value) => [0, 1, 2, 3].map((axis) => [0.5, 0.5, 0.5, 0.5].with(axis, value)))
    const inside = [
      [0, 0, 0, 0],
      [1, 1, 1, 1],
      [-0, 2 ** -149, 2 ** -126, 1 - 2 ** -24],
    ]
    const points = new Float32Array([...rows, ...inside].flat())
    const n = points.length / 4
    const wide = { ...config, features }
    using _ = gpu.scope()
    const grid = await createHashGrid(gpu, wide)
    const { table } = problem(wide, 1, 7)
    const inputs = { points: gpu.from(points, [n, 4]) }
    const encoded = await grid.forward(inputs, gpu.from(table, [grid.entries, features])).read()
    const first = rows.length * grid.width
    expect(encoded.subarray(0, first).every((value) => Object.is(value, 0))).toBe(true)
    expect(encoded.subarray(first).every((value) => value !== 0 && Number.isFinite(value))).toBe(true)
    const vTable = gpu.zeros([grid.entries, features])
    const vEncoded = new Float32Array(n * grid.width).fill(1).fill(Number.NaN, 0, first)
    grid.backward(inputs, gpu.from(vEncoded, [n, grid.width]), vTable)
    const sum = (await vTable.read()).reduce((total, value) => total + value, 0)
    expect(sum).toBeCloseTo(inside.length * grid.width, 3)
  })

  it('encodes to equal bytes every time', async () => {
    const n = 5000
    const { points, table } = problem(config, n, 5)
    using _ = gpu.scope()
    const grid = await createHashGrid(gpu, config)
    const inputs = { points: gpu.from(points, [n, 4]) }
    const entries = gpu.from(table, [grid.entries, 4])
    const [once, again] = await Promise.all([
      grid.forward(inputs, entries).read(),
      grid.forward(inputs, entries).read(),
    ])
    expect(again).toEqual(once)
  })
})
