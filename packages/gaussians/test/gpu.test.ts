// GPUs beside wasm, at sizes that cut work in other ways.
import { createAnchorOperators } from '@clipgstream/gaussians'
import { createRandom, type Device } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, describe, expect, it } from 'vitest'
import { compare, type Values } from '../../../tools/conformance/case.js'
import { testedDevices } from '../../../tools/devices.js'
import { bounds, createProblem, upload, view } from './conformance.js'

const devices = await testedDevices('anchors')

afterAll(() => {
  for (const { device } of devices) device.dispose()
})

describe.each(devices)('anchors on $kind beside wasm', ({ kind, device, bearsMuch }) => {
  const test = it.skipIf(kind === 'wasm')

  test.each([
    [0, 0, 3],
    [1, 0, 3],
    [300, 0, 3],
    [300, 1, 3],
    [513, 400, 1],
    [1100, 1025, 10],
    [50, 50, 70],
    [9, 7, 300],
    [5, 4, 700],
  ])('%i anchors, %i of them visible, %i Gaussians each: the same as wasm', async (n, count, k) => {
    using wasm = await createWasmDevice({ threads: 1, poison: true })
    const expected = await solve(wasm, n, count, k)
    // Sums over the Gaussians of an anchor cancel.
    const tolerance = { absolute: 1e-5 * Math.sqrt(k), relative: 1e-5 }
    const tolerances = Object.fromEntries(Object.keys(expected).map((name) => [name, tolerance]))
    const differences = compare(await solve(device, n, count, k), expected, tolerances)
    expect(differences.filter(({ passed }) => !passed)).toEqual([])
  })

  test('sees the anchors that wasm sees, whatever they hold', async () => {
    using wasm = await createWasmDevice({ threads: 2, poison: true })
    const n = bearsMuch ? 50_000 : 4000
    const random = createRandom(5)
    const normal = (size: number, scale: number, shift = 0) =>
      Float32Array.from({ length: size }, () => shift + scale * random.normal())
    const host = { positions: normal(3 * n, 3), logScaling: normal(6 * n, 2, -2.5), rotations: normal(4 * n, 1) }
    const infinity = Number.POSITIVE_INFINITY
    const odd = [Number.NaN, infinity, -infinity, 3e38, -3e38, 1e-42, 89, -90, 88.5, 44.5, -0]
    for (let i = 0; i < n / 25; i++) {
      for (const values of Object.values(host)) values[random.integer(values.length)] = odd[i % odd.length]!
    }
    for (let trial = 0; trial < (bearsMuch ? 6 : 2); trial++) {
      const moved = { ...view, cx: 100 + 3 * trial, fx: 150 + 7.3 * trial }
      const seen = await Promise.all(
        [device, wasm].map(async (device) => {
          using _ = device.scope()
          const operators = await createAnchorOperators(device)
          const anchors = {
            positions: device.from(host.positions, [n, 3]),
            logScaling: device.from(host.logScaling, [n, 6]),
            ...(trial % 2 ? { rotations: device.from(host.rotations, [n, 4]) } : {}),
          }
          const { indices, count } = operators.visible(anchors, moved)
          const [total = 0] = await count.read()
          return (await indices.read()).slice(0, total)
        }),
      )
      const [actual = new Uint32Array(), expected = new Uint32Array()] = seen
      expect(actual.length).toBeGreaterThan(n / 50)
      if (kind === 'cuda') expect(actual).toEqual(expected)
      // WGSL may fuse operations, which moves an anchor at the edge of a tile over it.
      const all = new Set(expected)
      const both = actual.filter((anchor) => all.has(anchor)).length
      expect(actual.length + expected.length - 2 * both).toBeLessThanOrEqual(n / 1000)
    }
  })
})

/** What every operator makes of n anchors of which the first `count` are visible. */
async function solve(device: Device, n: number, count: number, k: number): Promise<Record<string, Values>> {
  using _ = device.scope()
  const operators = await createAnchorOperators(device)
  const t = upload(device, createProblem(n, k), n, k)
  const list = Uint32Array.from({ length: n }, (_, i) => i)
  const visible = { indices: device.from(list), count: device.from(new Uint32Array([count])) }
  const used = async (tensor: (typeof t.decoded)['cov']) =>
    (await tensor.read()).slice(0, count * (tensor.size / Math.max(1, n)))
  const result: Record<string, Values> = {}

  const seen = operators.visible(t.anchors, view)
  const [total = 0] = await seen.count.read()
  result['visible'] = (await seen.indices.read()).slice(0, total)
  result['points'] = await used(operators.fieldPoints(t.anchors, visible, bounds, 0.25))
  for (const how of ['add', 'concatenate'] as const) {
    const features = operators.combine(t.decoded.offset, t.decoded.color, visible, how)
    const vStatic = device.zeros([n, 3 * k])
    const widths = { static: 3 * k, dynamic: 3 * k }
    const vDynamic = operators.combineBackward(features, visible, how, widths, vStatic)
    operators.combineBackward(features, visible, how, widths, null)
    result[`${how}.features`] = await used(features)
    result[`${how}.vDynamic`] = await used(vDynamic)
    result[`${how}.vStatic`] = await vStatic.read()
  }
  const { count: gaussians, means, quats, scales, opacities } = operators.assemble(t.anchors, visible, t.decoded)
  result['count'] = await gaussians.read()
  result['means'] = await used(means)
  result['quats'] = await used(quats)
  result['scales'] = await used(scales)
  const vLogScaling = device.zeros([n, 6])
  const v = operators.assembleBackward(t.anchors, visible, t.decoded, t.vGaussians, vLogScaling)
  operators.assembleBackward(t.anchors, visible, t.decoded, t.vGaussians, null)
  result['vLogScaling'] = await vLogScaling.read()
  result['vCov'] = await used(v.cov)
  result['vOffset'] = await used(v.offset)
  const statistics = operators.createGrowthStatistics(n, k)
  for (let step = 0; step < 2; step++)
    operators.accumulateGrowth(statistics, visible, { means, opacities }, t.radii, t.vMeans2d)
  for (const [name, tensor] of Object.entries(statistics)) result[name] = await tensor.read()
  return result
}
