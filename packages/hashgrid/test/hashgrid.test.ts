import { createHashGrid, gridLayout, type HashGridConfig } from '@clipgstream/hashgrid'
import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'
import { problem } from './conformance.js'
import { oracleForward, oracleLevels, oracleTouches } from './oracle.js'
import { hashGridSuite } from './suite.js'

hashGridSuite('wasm', await createWasmDevice({ threads: 2, poison: true }), { repeats: [true] })

const config: HashGridConfig = {
  levels: 4,
  features: 4,
  log2TableSize: 12,
  baseResolution: 4,
  growth: 2,
  indexing: 'exact',
}

describe('hash grid on wasm, against double precision', () => {
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
      errorOf(() => grid.forward({ points }, device.zeros([8, 4], 'f16'))),
      errorOf(() => Reflect.apply(grid.forward, grid, [{ points }, device.zeros([grid.entries, 4], 'u32')])),
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
        "ShapeError: hashgrid.forward: table must have shape [12544, 4], got [8, 4]",
        "DTypeError: hashgrid.forward: table must be f32, got u32",
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
