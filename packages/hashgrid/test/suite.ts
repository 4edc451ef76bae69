// What every device must do, beside the conformance cases.
import { createHashGrid, gridLayout, type HashGridConfig, type HashGridOptions } from '@clipgstream/hashgrid'
import { type Device, fromF16 } from '@clipgstream/tensor'
import { afterAll, describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { cases, problem } from './conformance.js'
import { oracleBackward, oracleForward, oracleLevels, oracleTouches } from './oracle.js'

const config: HashGridConfig = {
  levels: 5,
  features: 4,
  log2TableSize: 12,
  baseResolution: 4,
  growth: 2,
  indexing: 'exact',
}

export interface Traits {
  /** Ways to add up gradients. */
  options?: readonly HashGridOptions[]
  /** Whether `backward` gives equal bytes every time, by option. */
  repeats: readonly boolean[]
}

/** Skips all where there is no device; disposes it in the end. */
export function hashGridSuite(name: string, device: Device | null, { options = [{}], repeats }: Traits): void {
  afterAll(() => device?.dispose())

  describe.skipIf(!device)(`hash grid on ${name}`, () => {
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
      const inputs = { points: gpu.from(points, [n, 4]), count: gpu.from(new Uint32Array([count])) }
      const grid = await createHashGrid(gpu, config)
      const encoded = await grid.forward(inputs, gpu.from(table, [grid.entries, 4])).read()
      const expected = oracleForward(config, points.subarray(0, used * 4), table)
      for (let i = 0; i < expected.length; i++) expect(Math.abs(encoded[i]! - expected[i]!)).toBeLessThan(1e-6)
      expect(encoded.subarray(expected.length).every(Number.isNaN)).toBe(true)
      const gradients = vEncoded.slice().fill(Number.NaN, used * grid.width)
      const expectedTable = oracleBackward(config, points.subarray(0, used * 4), vEncoded)
      for (const option of options) {
        const vTable = gpu.zeros([grid.entries, 4])
        const other = await createHashGrid(gpu, config, option)
        other.backward(inputs, gpu.from(gradients, [n, grid.width]), vTable)
        const actual = await vTable.read()
        expect(actual.every((value, i) => Math.abs(value - expectedTable[i]!) < 1e-4)).toBe(true)
      }
    })

    it.each([1, 2, 4, 8])('reads halves as the numbers that they hold: %i features', async (features) => {
      const n = 200
      const wide = { ...config, features }
      const { points } = problem(wide, n, 9)
      using _ = gpu.scope()
      const grid = await createHashGrid(gpu, wide)
      const shape = [grid.entries, features]
      // All that are finite, one after the other.
      const halves = Uint16Array.from({ length: grid.entries * features }, (_, i) => {
        const bits = (i * 40503) & 0xffff
        return (bits & 0x7c00) === 0x7c00 ? bits & 0x83ff : bits
      })
      const inputs = { points: gpu.from(points, [n, 4]) }
      const encoded = await grid.forward(inputs, gpu.from(halves, shape)).read()
      const widened = gpu.from(Float32Array.from(halves, fromF16), shape)
      expect(encoded).toEqual(await grid.forward(inputs, widened).read())
      halves.fill(0x7c00)
      const infinite = await grid.forward(inputs, gpu.from(halves, shape)).read()
      const isInside = (i: number) => points.subarray(4 * i, 4 * i + 4).every((x) => x >= 0 && x <= 1)
      for (const [i, value] of infinite.entries())
        expect(Number.isFinite(value)).toBe(!isInside(Math.floor(i / grid.width)))
    })

    it('takes no points at all', async () => {
      using _ = gpu.scope()
      const grid = await createHashGrid(gpu, config)
      const points = gpu.empty([0, 4])
      const table = gpu.zeros([grid.entries, 4])
      expect(grid.forward({ points }, table).shape).toEqual([0, 20])
      grid.backward({ points }, gpu.empty([0, 20]), table)
      expect((await table.read()).every((value) => value === 0)).toBe(true)
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
      const vEncoded = gpu.from(new Float32Array(n * grid.width).fill(1).fill(Number.NaN, 0, first), [n, grid.width])
      for (const option of options) {
        const vTable = gpu.zeros([grid.entries, features])
        const other = await createHashGrid(gpu, wide, option)
        other.backward(inputs, vEncoded, vTable)
        const sum = (await vTable.read()).reduce((total, value) => total + value, 0)
        expect(sum).toBeCloseTo(inside.length * grid.width, 3)
      }
    })

    it('lets a NaN or an infinity reach only what touches it', async () => {
      const n = 40
      const { points, table, vEncoded } = problem(config, n, 8)
      const finite = Float32Array.from(points, (value) => (value >= 0 && value <= 1 ? value : 0.25))
      const level = oracleLevels(config)[3]!
      const poisoned = oracleTouches(config, level, finite)[0]!.entry
      table[poisoned * 4 + 1] = Number.NaN
      vEncoded[2] = Number.NaN
      vEncoded[3] = Infinity
      using _ = gpu.scope()
      const grid = await createHashGrid(gpu, config)
      const inputs = { points: gpu.from(finite, [n, 4]) }
      const encoded = await grid.forward(inputs, gpu.from(table, [grid.entries, 4])).read()
      const touching = Array.from({ length: n }, (_, i) =>
        oracleTouches(config, level, finite.subarray(4 * i)).some(({ entry }) => entry === poisoned),
      )
      for (const [i, value] of encoded.entries()) {
        const column = i % grid.width
        expect(Number.isNaN(value)).toBe(column === 13 && touching[Math.floor(i / grid.width)] === true)
      }
      const own = oracleTouches(config, oracleLevels(config)[0]!, finite).map(({ entry }) => entry)
      for (const option of options) {
        const vTable = gpu.zeros([grid.entries, 4])
        const other = await createHashGrid(gpu, config, option)
        other.backward(inputs, gpu.from(vEncoded, [n, grid.width]), vTable)
        const bad = [...(await vTable.read())].flatMap((value, i) => (Number.isFinite(value) ? [] : [i]))
        expect(bad.length).toBeGreaterThan(0)
        expect(bad.every((i) => own.includes(Math.floor(i / 4)) && i % 4 >= 2)).toBe(true)
      }
    })

    it('encodes to equal bytes every time, and adds to the gradient that is there', async () => {
      const n = 1000
      const { points, table, vEncoded } = problem(config, n, 5)
      using _ = gpu.scope()
      const inputs = { points: gpu.from(points, [n, 4]) }
      const v = gpu.from(vEncoded, [n, gridLayout(config).width])
      for (const [i, option] of options.entries()) {
        const grid = await createHashGrid(gpu, config, option)
        const entries = gpu.from(table, [grid.entries, 4])
        const once = await grid.forward(inputs, entries).read()
        expect(await grid.forward(inputs, entries).read()).toEqual(once)
        const gradients = [gpu.zeros([grid.entries, 4]), gpu.zeros([grid.entries, 4]), gpu.zeros([grid.entries, 4])]
        for (const gradient of gradients) grid.backward(inputs, v, gradient)
        grid.backward(inputs, v, gradients[2]!)
        const [first, again, twice] = await Promise.all(gradients.map((gradient) => gradient.read()))
        if (repeats[i]) expect(again).toEqual(first)
        expect(twice!.every((value, k) => Math.abs(value - 2 * first![k]!) < 1e-4)).toBe(true)
      }
    })

    it('adds up what meets in one cell, with signs that cancel and magnitudes far apart', async () => {
      const n = 3000
      const width = gridLayout(config).width
      const points = new Float32Array(4 * n).fill(0.3)
      const vEncoded = Float32Array.from({ length: n * width }, (_, i) => {
        const [row, feature] = [Math.floor(i / width), i % 4]
        if (feature === 0) return 1
        if (feature === 1) return row % 2 ? -1 : 1 + 2 ** -10
        if (feature === 2) return -0.75
        return row === 7 ? 1e-6 : 0
      })
      const expected = oracleBackward(config, points, vEncoded)
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      using _ = gpu.scope()
      for (const option of options) {
        const grid = await createHashGrid(gpu, config, option)
        const vTable = gpu.zeros([grid.entries, 4])
        grid.backward({ points: gpu.from(points, [n, 4]) }, gpu.from(vEncoded, [n, width]), vTable)
        const tolerance = { vTable: { absolute: 1e-5 * largest, relative: 1e-5 } }
        const differences = compare({ vTable: await vTable.read() }, { vTable: expected }, tolerance)
        expect(differences).toMatchObject([{ passed: true }])
      }
    })
  })
}
