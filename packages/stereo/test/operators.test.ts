import { createStereoOperators } from '@clipgstream/stereo'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compare, type Values } from '../../../tools/conformance/case.js'
import { cases } from './conformance.js'
import { picturesOf, shots } from './inputs.js'

let device: WasmDevice

beforeEach(async () => {
  device = await createWasmDevice({ threads: 2, poison: true })
})

afterEach(() => {
  expect(device.bytesInUse).toBe(0)
  device.dispose()
})

function bytesOf(outputs: Record<string, Values>): Buffer {
  return Buffer.concat(Object.values(outputs).map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength)))
}

describe('against float64', () => {
  it.each(cases.filter((one) => one.oracle))('$operator, $name', async (one) => {
    const differences = compare(await one.run(device), one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
  })

  it('the cases have matches and mismatches, surfaces and none', async () => {
    for (const one of cases.filter(({ oracle }) => oracle)) {
      const { costs, count } = one.oracle?.() ?? {}
      const values = costs ?? count ?? new Float64Array()
      const share = values.filter((value) => (costs ? value < 0.3 : value > 0)).length / values.length
      expect(share).toBeGreaterThan(0.05)
      expect(share).toBeLessThan(0.9)
    }
  })
})

describe('equal bytes', () => {
  it.each(cases.filter((one) => one.size === 'full'))('for 1, 2 and 3 threads: $operator, $name', async (one) => {
    const expected = bytesOf(await one.run(device))
    for (const threads of [1, 3]) {
      using other = await createWasmDevice({ threads, poison: true })
      expect(bytesOf(await one.run(other)).equals(expected)).toBe(true)
    }
  })
})

describe('bad input', () => {
  it('is named, with its value and its limit', async () => {
    const operators = await createStereoOperators(device)
    using _ = device.scope()
    const captures = shots(4, 20, 16)
    const pictures = picturesOf(device, captures)
    const planes = device.zeros([4 * 320, 4])
    const chosen = device.zeros([16, 20], 'u32')
    const match = { reference: 1, sources: [0, 2] }
    const work = { pictures, match, patch: {}, search: { best: 2, nearest: 1, farthest: 0.1 }, planes, chosen }
    expect(() =>
      operators.matchCosts(pictures, { reference: 4, sources: [0] }, planes, {}),
    ).toThrowErrorMatchingInlineSnapshot(`[ArgumentError: matchCosts: reference must be an index below 4, got 4]`)
    expect(() =>
      operators.matchCosts(pictures, { reference: 1, sources: [1] }, planes, {}),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: matchCosts: source must be an index below 4 other than the reference, got 1]`,
    )
    expect(() =>
      operators.matchCosts(pictures, { reference: 1, sources: [] }, planes, {}),
    ).toThrowErrorMatchingInlineSnapshot(`[ArgumentError: matchCosts: sources must be 1 to 32, got 0 of them]`)
    expect(() =>
      operators.matchCosts(pictures, match, device.zeros([16, 20, 3]), {}),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: matchCosts: planes (at least 320 rows) must have shape [*, 4], got [16, 20, 3]]`,
    )
    expect(() => operators.matchCosts(pictures, match, planes, { samples: 4 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: patch: samples must be 3, 5 or 7, got 4]`,
    )
    expect(() =>
      operators.matchCosts(pictures, match, planes, { greyDeviation: 0 }),
    ).toThrowErrorMatchingInlineSnapshot(`[ArgumentError: patch: greyDeviation must be above 0, got 0]`)
    expect(() =>
      operators.seedPlanes({ ...work, search: { best: 5, nearest: 1, farthest: 0.1 } }, 1, 4),
    ).toThrowErrorMatchingInlineSnapshot(`[ArgumentError: seedPlanes: best must be an integer from 1 to 4, got 5]`)
    expect(() =>
      operators.seedPlanes({ ...work, search: { best: 2, nearest: 0.1, farthest: 1 } }, 1, 4),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: seedPlanes: inverse depths must be positive and in order, got 1 to 0.1]`,
    )
    expect(() => operators.seedPlanes(work, 1, 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: seedPlanes: tries must be a positive integer, got 0]`,
    )
    expect(() => operators.seedPlanes({ ...work, base: 4 * 320 }, 1, 1)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: seedPlanes: planes (at least 1600 rows) must have shape [*, 4], got [1280, 4]]`,
    )
    expect(() =>
      operators.liftPlanes(work, { planes, place: pictures.places[0]! }, 2),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: liftPlanes: the size of coarse must be 10 x 8, half of the reference, got 20 x 16]`,
    )
    expect(() =>
      operators.checkConsistency(pictures.places, match, device.zeros([9, 4]), {
        agree: 1,
        maxCost: 1,
        maxPixels: 1,
        maxDepth: 1,
        maxNormalAngle: 60,
      }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: checkConsistency: planes (at least 1280 rows) must have shape [*, 4], got [9, 4]]`,
    )
  })

  it('planes of NaN, infinity and zero cost 2 and are no surface', async () => {
    const operators = await createStereoOperators(device)
    using _ = device.scope()
    const captures = shots(4, 20, 16)
    const pictures = picturesOf(device, captures)
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1]) {
      const planes = device.from(new Float32Array(4 * 4 * 320).fill(value), [4 * 320, 4])
      const costs = await operators.matchCosts(pictures, { reference: 1, sources: [0, 2] }, planes, {}).read()
      expect(costs.every((cost) => cost === 2)).toBe(true)
      const settings = { agree: 1, maxCost: 2, maxPixels: 1, maxDepth: 1, maxNormalAngle: 60 }
      const fused = await operators
        .checkConsistency(pictures.places, { reference: 1, sources: [0, 2] }, planes, settings)
        .read()
      expect(fused.every((count, i) => i % 4 !== 3 || count === 0)).toBe(true)
    }
  })

  it('pixels that are left out stay without a surface', async () => {
    const operators = await createStereoOperators(device)
    using _ = device.scope()
    const pictures = picturesOf(device, shots(4, 20, 16))
    const planes = device.empty([4 * 320, 4])
    const chosen = device.from(
      Uint32Array.from({ length: 320 }, (_, i) => (i % 20 < 10 ? 0 : 3)),
      [16, 20],
    )
    const match = { reference: 1, sources: [0, 2] }
    const work = { pictures, match, patch: {}, search: { best: 1, nearest: 1, farthest: 0.1 }, planes, chosen }
    operators.seedPlanes(work, 1, 2)
    operators.sweepPlanes(work, { seed: 1, far: 2, depthScale: 0.1, slantScale: 0.1, randoms: 1 })
    const found = await device.read(planes, 4 * 320, 4 * 320)
    for (let i = 0; i < 320; i++) expect(found[4 * i + 3] === 3).toBe(i % 20 < 10)
  })
})
