import { createHashGrid, gridLayout, type HashGridConfig } from '@clipgstream/hashgrid'
import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { cases, problem } from './conformance.js'
import { oracleForward, oracleLevels, oracleTouches } from './oracle.js'

const config: HashGridConfig = {
  levels: 4,
  features: 4,
  log2TableSize: 12,
  baseResolution: 4,
  growth: 2,
  indexing: 'exact',
}

describe('hash grid on wasm, against double precision', () => {
  it.each(cases.filter((c) => c.size === 'small'))('$operator: $name', async (one) => {
    using device = await createWasmDevice({ threads: 2, poison: true })
    const differences = compare(await one.run(device), one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
    expect(device.bytesInUse).toBe(0)
  })

  it('has the gradient of finite differences', async () => {
    const tiny: HashGridConfig = { ...config, levels: 2, features: 2, log2TableSize: 6, baseResolution: 2 }
    const n = 20
    const { points, table, vEncoded } = problem(tiny, n, 3)
    using device = await createWasmDevice({ threads: 1, poison: true })
    const grid = await createHashGrid(device, tiny)
    const vTable = device.zeros([grid.entries, 2])
    grid.backward({ points: device.from(points, [n, 4]) }, device.from(vEncoded, [n, grid.width]), vTable)
    const gradients = await vTable.read()
    const values = Float64Array.from(table)
    const loss = () => oracleForward(tiny, points, values).reduce((sum, value, i) => sum + value * vEncoded[i]!, 0)
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!
      values[i] = value + 0.5
      const above = loss()
      values[i] = value - 0.5
      expect(gradients[i]).toBeCloseTo(above - loss(), 5)
      values[i] = value
    }
  })

  it('puts x = 1 at 15.5 of level 0, between the last vertex and one past it, which wraps', async () => {
    const one: HashGridConfig = { ...config, levels: 1, features: 1, log2TableSize: 17, baseResolution: 16 }
    using device = await createWasmDevice({ threads: 1, poison: true })
    const grid = await createHashGrid(device, one)
    const table = Float32Array.from({ length: grid.entries }, (_, i) => i)
    const encoded = grid.forward(
      { points: device.from(new Float32Array([1, 1, 1, 1]), [1, 4]) },
      device.from(table, [grid.entries, 1]),
    )
    let expected = 0
    for (let c = 0; c < 16; c++) {
      const [x, y, z, t] = [0, 1, 2, 3].map((axis) => 15 + ((c >> axis) & 1)) as [number, number, number, number]
      expected += ((x + 16 * y + 256 * z + 4096 * t) % 65536) / 16
    }
    expect((await encoded.read())[0]).toBeCloseTo(expected, 1)
    expect(oracleTouches(one, oracleLevels(one)[0]!, [1, 1, 1, 1]).every(({ weight }) => weight === 1 / 16)).toBe(true)
  })

  it('ignores z and t in wrapped levels only', async () => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const points = device.from(new Float32Array([0.3, 0.7, 0.1, 0.2, 0.3, 0.7, 0.9, 0.6]), [2, 4])
    const encode = async (indexing: HashGridConfig['indexing']) => {
      const fine: HashGridConfig = { ...config, levels: 3, log2TableSize: 17, baseResolution: 2 ** 16, indexing }
      const grid = await createHashGrid(device, fine)
      const { table } = problem(fine, 1, 1)
      const encoded = await grid.forward({ points }, device.from(table, [grid.entries, 4])).read()
      return [0, 1, 2].map((l) => {
        const of = (row: number) => [...encoded.subarray(row * 12 + l * 4, row * 12 + l * 4 + 4)]
        return of(0).every((value, f) => Math.abs(value - of(1)[f]!) < 1e-6)
      })
    }
    expect(await encode('wrapping')).toEqual([true, true, false])
    expect(await encode('exact')).toEqual([false, false, false])
  })
})

describe('hash grid on wasm', () => {
  it('gives equal bytes for 1, 2 and 3 threads', async () => {
    const n = 4500
    const { points, table, vEncoded } = problem(config, n, 5)
    const results: { encoded: Float32Array; vTable: Float32Array }[] = []
    for (const threads of [1, 2, 3]) {
      using device = await createWasmDevice({ threads, poison: true })
      const grid = await createHashGrid(device, config)
      const inputs = { points: device.from(points, [n, 4]) }
      const vTable = device.zeros([grid.entries, 4])
      grid.backward(inputs, device.from(vEncoded, [n, grid.width]), vTable)
      const encoded = await grid.forward(inputs, device.from(table, [grid.entries, 4])).read()
      results.push({ encoded, vTable: await vTable.read() })
    }
    expect(results[1]).toEqual(results[0])
    expect(results[2]).toEqual(results[0])
  })

  it.each([0, 1, 77, 150, 4_000_000_000])('uses %i rows of 150', async (count) => {
    const n = 150
    const used = Math.min(count, n)
    const { points, table, vEncoded } = problem(config, n, 6)
    using device = await createWasmDevice({ threads: 2, poison: true })
    const grid = await createHashGrid(device, config)
    const inputs = { points: device.from(points, [n, 4]), count: device.from(new Uint32Array([count])) }
    const encoded = await grid.forward(inputs, device.from(table, [grid.entries, 4])).read()
    const expected = oracleForward(config, points.subarray(0, used * 4), table)
    for (let i = 0; i < expected.length; i++) expect(Math.abs(encoded[i]! - expected[i]!)).toBeLessThan(1e-6)
    expect(encoded.subarray(expected.length).every(Number.isNaN)).toBe(true)
    vEncoded.fill(Number.NaN, used * grid.width)
    const vTable = device.zeros([grid.entries, 4])
    grid.backward(inputs, device.from(vEncoded, [n, grid.width]), vTable)
    expect((await vTable.read()).every(Number.isFinite)).toBe(true)
  })

  it('takes no points at all', async () => {
    using device = await createWasmDevice({ threads: 2, poison: true })
    const grid = await createHashGrid(device, config)
    const points = device.empty([0, 4])
    const table = device.zeros([grid.entries, 4])
    expect(grid.forward({ points }, table).shape).toEqual([0, 16])
    grid.backward({ points }, device.empty([0, 16]), table)
  })

  it.each([1, 2, 4, 8])(
    'encodes rows outside to zeros and keeps their NaN gradients out, %i features',
    async (features) => {
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
      using device = await createWasmDevice({ threads: 1, poison: true })
      const grid = await createHashGrid(device, wide)
      const { table } = problem(wide, 1, 7)
      const inputs = { points: device.from(points, [n, 4]) }
      const encoded = await grid.forward(inputs, device.from(table, [grid.entries, features])).read()
      const first = rows.length * grid.width
      expect(encoded.subarray(0, first).every((value) => Object.is(value, 0))).toBe(true)
      expect(encoded.subarray(first).every((value) => value !== 0 && Number.isFinite(value))).toBe(true)
      const vTable = device.zeros([grid.entries, features])
      const vEncoded = new Float32Array(n * grid.width).fill(1).fill(Number.NaN, 0, first)
      grid.backward(inputs, device.from(vEncoded, [n, grid.width]), vTable)
      const sum = (await vTable.read()).reduce((total, value) => total + value, 0)
      expect(sum).toBeCloseTo(inside.length * grid.width, 3)
    },
  )

  it('lets a NaN or an infinity reach only what touches it', async () => {
    const n = 40
    const { points, table, vEncoded } = problem(config, n, 8)
    const finite = Float32Array.from(points, (value) => (value >= 0 && value <= 1 ? value : 0.25))
    const level = oracleLevels(config)[3]!
    const poisoned = oracleTouches(config, level, finite)[0]!.entry
    table[poisoned * 4 + 1] = Number.NaN
    vEncoded[2] = Number.NaN
    vEncoded[3] = Infinity
    using device = await createWasmDevice({ threads: 1 })
    const grid = await createHashGrid(device, config)
    const inputs = { points: device.from(finite, [n, 4]) }
    const encoded = await grid.forward(inputs, device.from(table, [grid.entries, 4])).read()
    const touching = Array.from({ length: n }, (_, i) =>
      oracleTouches(config, level, finite.subarray(4 * i)).some(({ entry }) => entry === poisoned),
    )
    for (const [i, value] of encoded.entries()) {
      const column = i % grid.width
      expect(Number.isNaN(value)).toBe(column === 13 && touching[Math.floor(i / grid.width)] === true)
    }
    const vTable = device.zeros([grid.entries, 4])
    grid.backward(inputs, device.from(vEncoded, [n, grid.width]), vTable)
    const bad = [...(await vTable.read())].flatMap((value, i) => (Number.isFinite(value) ? [] : [i]))
    const own = oracleTouches(config, oracleLevels(config)[0]!, finite).map(({ entry }) => entry)
    expect(bad.length).toBeGreaterThan(0)
    expect(bad.every((i) => own.includes(Math.floor(i / 4)) && i % 4 >= 2)).toBe(true)
  })

  it('adds to the gradient that is there', async () => {
    const { points, vEncoded } = problem(config, 10, 9)
    using device = await createWasmDevice({ threads: 1 })
    const grid = await createHashGrid(device, config)
    const inputs = { points: device.from(points, [10, 4]) }
    const v = device.from(vEncoded, [10, grid.width])
    const once = device.zeros([grid.entries, 4])
    const twice = device.zeros([grid.entries, 4])
    grid.backward(inputs, v, once)
    grid.backward(inputs, v, twice)
    grid.backward(inputs, v, twice)
    const doubled = (await once.read()).map((value) => 2 * value)
    const actual = await twice.read()
    expect(actual.every((value, i) => Math.abs(value - doubled[i]!) < 1e-5)).toBe(true)
  })

  it('names what is wrong with its arguments', async () => {
    using device = await createWasmDevice({ threads: 1 })
    using other = await createWasmDevice({ threads: 1 })
    const grid = await createHashGrid(device, config)
    const points = device.zeros([3, 4])
    const table = device.zeros([grid.entries, 4])
    const errorOf = (run: () => unknown) => {
      try {
        run()
      } catch (error) {
        return error instanceof Error ? `${error.name}: ${error.message}` : error
      }
      return 'none'
    }
    expect([
      errorOf(() => grid.forward({ points: device.zeros([3, 3]) }, table)),
      errorOf(() => grid.forward({ points }, device.zeros([8, 4]))),
      errorOf(() => grid.forward({ points: other.zeros([3, 4]) }, table)),
      errorOf(() => grid.forward({ points, count: device.zeros([2], 'u32') }, table)),
      errorOf(() => grid.backward({ points }, device.zeros([2, 16]), table)),
      errorOf(() => {
        table.dispose()
        grid.forward({ points }, table)
      }),
    ]).toMatchInlineSnapshot(`
      [
        "ShapeError: hashgrid.forward: points must have shape [*, 4], got [3, 3]",
        "ShapeError: hashgrid.forward: table must have shape [12544, 4], got [8, 4]",
        "WrongDeviceError: hashgrid.forward: points lives on wasm (1 thread), but the operator runs on wasm (1 thread); copy it with device.from(await tensor.read(), shape)",
        "ShapeError: hashgrid.forward: count must have shape [1], got [2]",
        "ShapeError: hashgrid.backward: vEncoded must have shape [3, 16], got [2, 16]",
        "DisposedError: hashgrid.forward: table has been disposed; keep it alive until its last use",
      ]
    `)
    await expect(createHashGrid(device, { ...config, features: 5 })).rejects.toThrow('features must be 1, 2, 4 or 8')
  })

  it('frees what it takes', async () => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const grid = await createHashGrid(device, config)
    const random = createRandom(1)
    {
      using _scope = device.scope()
      const points = device.from(
        Float32Array.from({ length: 400 }, () => random.uniform()),
        [100, 4],
      )
      const table = device.zeros([grid.entries, 4])
      grid.backward({ points }, grid.forward({ points }, table), table)
    }
    expect(device.bytesInUse).toBe(0)
    expect(grid.entries).toBe(gridLayout(config).entries)
  })
})
