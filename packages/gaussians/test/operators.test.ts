import {
  type AnchorOperators,
  anchorsFromCloud,
  boundsOf,
  createAnchorOperators,
  defaultAnchorConfig,
  viewRows,
} from '@clipgstream/gaussians'
import type { Device, Tensor } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { testedDevices } from '../../../tools/devices.js'
import { bounds, cases, createProblem, otherView, upload, view } from './conformance.js'
import * as oracle from './oracle.js'

const small = cases.filter((entry) => entry.size === 'small')

/** Indices of the visible anchors. */
async function list(visible: { indices: Tensor<'u32'>; count: Tensor<'u32'> }): Promise<Uint32Array> {
  const [count = 0] = await visible.count.read()
  return (await visible.indices.read()).subarray(0, count)
}

/** Every operator once, on n anchors of which `count` are visible. */
function runAll(device: Device, operators: AnchorOperators, n: number, count: number): void {
  using _ = device.scope()
  const k = 3
  const t = upload(device, createProblem(n, k), n, k)
  operators.visible(t.anchors, view)
  const visible = { indices: t.visible.indices, count: device.from(new Uint32Array([count])) }
  operators.fieldPoints(t.anchors, visible, bounds, 0)
  for (const how of ['concatenate', 'add'] as const) {
    const features = operators.combine(t.decoded.offset, t.decoded.color, visible, how)
    operators.combineBackward(features, visible, how, { static: 9, dynamic: 9 }, t.decoded.offset)
  }
  const gaussians = operators.assemble(t.anchors, visible, t.decoded)
  operators.assembleBackward(t.anchors, visible, t.decoded, t.vGaussians, device.zeros([n, 6]))
  operators.accumulateGrowth(operators.createGrowthStatistics(n, k), visible, gaussians, t.radii, t.vMeans2d)
}

const devices = await testedDevices('anchors')

afterAll(() => {
  for (const { device } of devices) device.dispose()
})

describe('on wasm', () => {
  it('gives equal bytes for 1, 2 and 3 threads', async () => {
    const results = await Promise.all(
      [1, 2, 3].map(async (threads) => {
        using device = await createWasmDevice({ threads, poison: true })
        const outputs = []
        for (const entry of small) outputs.push(await entry.run(device))
        return outputs
      }),
    )
    expect(results[1]).toEqual(results[0])
    expect(results[2]).toEqual(results[0])
  })
})

describe.each(devices)('anchors on $kind', ({ kind, device }) => {
  let before = 0
  beforeEach(() => {
    before = device.bytesInUse
  })
  afterEach(() => expect(device.bytesInUse).toBe(before))

  it.each(small.map((entry) => [entry.operator, entry] as const))('%s equals the oracle', async (_, entry) => {
    const differences = compare(await entry.run(device), entry.oracle?.() ?? {}, entry.tolerance)
    expect(differences.filter(({ passed }) => !passed)).toEqual([])
  })

  describe('visible', () => {
    it('differs from the oracle only within 1e-3 px of an edge, in ascending order', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const n = 5000
      const p = createProblem(n, 1, 7)
      const { anchors, rotations } = upload(device, p, n, 1)
      const found = await list(operators.visible({ ...anchors, rotations }, view))
      expect(found).toEqual(found.slice().sort())
      const visible = new Set(found)
      const { near, dilation } = defaultAnchorConfig
      let count = 0
      for (let i = 0; i < n; i++) {
        const expected = oracle.project(p, i, view, near, dilation)
        if (expected.visible) count++
        if (expected.margin > 1e-3) expect(visible.has(i)).toBe(expected.visible)
      }
      expect(count).toBeGreaterThan(n / 10)
      expect(count).toBeLessThan(n / 2)
    })

    it('takes the principal point, near plane and dilation into account', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const straight = { ...view, worldToCamera: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] }
      const at = async (x: number, y: number, z: number, moved: Partial<typeof view> = {}, o = operators) => {
        const positions = device.from(new Float32Array([x, y, z]), [1, 3])
        const logScaling = device.from(new Float32Array(6).fill(-20), [1, 6])
        return (await list(o.visible({ positions, logScaling }, { ...straight, ...moved }))).length
      }
      expect(await at(0, 0, 1)).toBe(1)
      expect(await at(0, 0, 0.2)).toBe(0)
      expect(await at(0, 0, 0.2001)).toBe(1)
      expect(await at(0, 0, -1)).toBe(0)
      expect(await at(0, 0, 1, {}, await createAnchorOperators(device, { near: 1 }))).toBe(0)
      expect(await at(0, 0, 1, { cx: -1 })).toBe(1)
      expect(await at(0, 0, 1, { cx: -3 })).toBe(0)
      // radius = ceil(3 sqrt(0.3 + sqrt(0.1))) = 3: the last tile ends at 208 = 205 + 3.
      expect(await at(0, 0, 1, { cx: 205.4 + 0.5 + 2.5 })).toBe(1)
      expect(await at(0, 0, 1, { cx: 211.6 })).toBe(0)
      expect(await at(0, 0, 1, { cx: 230 }, await createAnchorOperators(device, { dilation: 100 }))).toBe(1)
    })

    it('leaves out what is not finite and bears huge and tiny scales', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.4e38, -3.4e38, 1e-45]
      const positions = Float32Array.from([0, 0, 0, ...odd.flatMap((value) => [value, 0, 0, 0, 0, value]), 0, 0, 0])
      const n = positions.length / 3
      const logScaling = new Float32Array(6 * n).fill(-2)
      const run = async () =>
        list(
          operators.visible(
            { positions: device.from(positions, [n, 3]), logScaling: device.from(logScaling, [n, 6]) },
            view,
          ),
        )
      expect([...(await run())]).toEqual([0, 11, 12, 13])
      positions.fill(0)
      for (const [i, value] of [Number.NaN, 20, 88, -1e30, Number.NEGATIVE_INFINITY].entries())
        logScaling[6 * i] = value
      const found = await run()
      expect(found.includes(0)).toBe(false)
      expect([1, 3, 4].every((i) => found.includes(i))).toBe(true)
    })
  })

  describe('the way back', () => {
    it('leaves frozen parameters alone and adds to others', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const n = 40
      const k = 2
      const t = upload(device, createProblem(n, k), n, k)
      const once = device.zeros([n, 6])
      const twice = device.zeros([n, 6])
      const v = operators.assembleBackward(t.anchors, t.visible, t.decoded, t.vGaussians, once)
      for (let i = 0; i < 2; i++) operators.assembleBackward(t.anchors, t.visible, t.decoded, t.vGaussians, twice)
      expect(await twice.read()).toEqual((await once.read()).map((value) => 2 * value))
      const frozen = operators.assembleBackward(t.anchors, t.visible, t.decoded, t.vGaussians, null)
      expect(await frozen.cov.read()).toEqual(await v.cov.read())
      const features = device.zeros([n, 12])
      const rows = createProblem(n, k).rows
      const vDynamic = operators.combineBackward(features, t.visible, 'concatenate', { static: 4, dynamic: 8 }, null)
      expect((await vDynamic.read()).subarray(0, 8 * rows)).toEqual(new Float32Array(8 * rows))
      // Rows of invisible anchors.
      expect([...(await once.read()).subarray(6, 12)]).toEqual([0, 0, 0, 0, 0, 0])
    })

    it('knows a zero quaternion and saturated logits', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const anchors = { positions: device.zeros([1, 3]), logScaling: device.zeros([1, 6]) }
      const visible = { indices: device.zeros([1], 'u32'), count: device.from(new Uint32Array([1])) }
      const decoded = {
        opacity: device.zeros([1, 2]),
        cov: device.from(new Float32Array([-200, 200, 0, 0, 0, 0, 0, -87, 1e-40, 0, 1e-14, 0, 0, 0]), [1, 14]),
        color: device.zeros([1, 6]),
        offset: device.zeros([1, 6]),
      }
      const { quats, scales } = operators.assemble(anchors, visible, decoded)
      const [a = 0, b = 0, c = 0] = await scales.read()
      expect(a).toBeLessThan(1e-37)
      expect([b, c]).toEqual([1, 0.5])
      expect([...(await quats.read()).subarray(0, 4)]).toEqual([0, 0, 0, 0])
      expect((await quats.read())[4]).toBeCloseTo(0.01, 6)
      const ones = (shape: number[]) => device.from(new Float32Array(shape[0]! * (shape[1] ?? 1)).fill(1), shape)
      const vLogScaling = device.zeros([1, 6])
      const v = operators.assembleBackward(
        anchors,
        visible,
        decoded,
        { means: ones([2, 3]), quats: ones([2, 4]), scales: ones([2, 3]), opacities: ones([2]), colors: ones([2, 3]) },
        vLogScaling,
      )
      const vCov = await v.cov.read()
      expect(vCov[0]).toBeLessThan(1e-37)
      expect([...vCov.subarray(1, 7)]).toEqual([0, 0.25, 1e12, 1e12, 1e12, 1e12].map(Math.fround))
      expect([...(await vLogScaling.read())].every(Number.isFinite)).toBe(true)
    })

    it('keeps what is not finite to its own anchor', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const n = 30
      const k = 2
      const p = createProblem(n, k)
      p.cov.fill(Number.NaN, 7 * k, 14 * k)
      p.vMeans.fill(Number.POSITIVE_INFINITY, 3 * k, 6 * k)
      const t = upload(device, p, n, k)
      const vLogScaling = device.zeros([n, 6])
      operators.assembleBackward(t.anchors, t.visible, t.decoded, t.vGaussians, vLogScaling)
      const bad = p.indices[1]!
      ;(await vLogScaling.read()).forEach((value, i) => {
        expect(Number.isFinite(value)).toBe(Math.floor(i / 6) !== bad)
      })
      const statistics = operators.createGrowthStatistics(n, k)
      p.vMeans2d.fill(Number.NaN)
      p.vMeans2d.set([3, 4, Number.POSITIVE_INFINITY, 0])
      device.write(t.vMeans2d, p.vMeans2d)
      device.fill(t.radii, 1)
      operators.accumulateGrowth(statistics, t.visible, t.vGaussians, t.radii, t.vMeans2d)
      expect([...(await statistics.maxGradients.read()).subarray(0, 4)]).toEqual([5, 0, 0, 0])
    })
  })

  describe('several views', () => {
    it('see together what they see one by one, and without one nothing', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const n = 3000
      const { anchors } = upload(device, createProblem(n, 1, 3), n, 1)
      const of = (...views: (typeof view)[]) =>
        list(operators.visible(anchors, device.from(viewRows(views), [views.length, 18])))
      const [first, second] = [await of(view), await of(otherView)]
      expect(first).toEqual(await list(operators.visible(anchors, view)))
      const union = [...new Set([...first, ...second])].sort((a, b) => a - b)
      expect(union.length).toBeGreaterThan(Math.max(first.length, second.length))
      expect([...(await of(view, otherView))]).toEqual(union)
      expect([...(await of(otherView, view, view))]).toEqual(union)
      expect(await of()).toHaveLength(0)
    })
  })

  describe('fieldPoints', () => {
    it('span the unit cube, and a flat axis is 0', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const { positions, logScaling } = anchorsFromCloud(new Float32Array([0.1, 7, -3, 0.7, 7, 5, 0.3, 7, 1]))
      const anchors = { positions: device.from(positions, [3, 3]), logScaling: device.from(logScaling, [3, 6]) }
      const visible = { indices: device.from(new Uint32Array([0, 1, 2])), count: device.from(new Uint32Array([3])) }
      const points = await operators.fieldPoints(anchors, visible, boundsOf(positions), 0.5).read()
      expect([...points.subarray(0, 8)]).toEqual([0, 0, 0, 0.5, 1, 0, 1, 0.5])
      expect(points[10]).toBe(0.5)
    })
  })

  describe('sizes', () => {
    it.each([
      [0, 0],
      [1, 0],
      [300, 0],
      [300, 1],
      [300, 200],
    ])('%i anchors, %i of them visible', async (n, count) => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      runAll(device, operators, n, count)
      await device.synchronize()
    })

    it('touches no row behind the count, and on a GPU takes the capacity for a count above it', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const n = 10
      const t = upload(device, createProblem(n, 1), n, 1)
      const visible = { indices: t.visible.indices, count: device.from(new Uint32Array([2])) }
      const { means, count } = operators.assemble(t.anchors, visible, t.decoded)
      const values = await means.read()
      expect(values.subarray(0, 6).every(Number.isFinite)).toBe(true)
      expect(values.subarray(6).every(Number.isNaN)).toBe(true)
      expect((await count.read())[0]).toBe(2)
      if (kind === 'wasm') return
      const everyAnchor = device.from(Uint32Array.from({ length: n }, (_, i) => i))
      const beyond = { indices: everyAnchor, count: device.from(new Uint32Array([4_000_000_000])) }
      expect((await operators.assemble(t.anchors, beyond, t.decoded).count.read())[0]).toBe(n)
    })
  })

  describe('bad input', () => {
    it('is refused by name', async () => {
      using _ = device.scope()
      using other = await createWasmDevice({ threads: 1 })
      const operators = await createAnchorOperators(device)
      const n = 10
      const t = upload(device, createProblem(n, 2), n, 2)
      const few = { ...t.anchors, logScaling: device.zeros([n, 3]) }
      expect(() => operators.visible(few, view)).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: visible: logScaling must have shape [10, 6], got [10, 3]]`,
      )
      expect(() => operators.visible(t.anchors, { ...view, fx: 0 })).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: visible: view.fx must be a positive finite focal length, got 0]`,
      )
      expect(() => operators.visible(t.anchors, { ...view, width: 2.5 })).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: visible: view.width must be a positive number of whole pixels, got 2.5]`,
      )
      expect(() => operators.visible(t.anchors, { ...view, cx: Number.NaN })).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: visible: view.cx must be finite, got NaN]`,
      )
      expect(() => operators.visible(t.anchors, { ...view, worldToCamera: [1] })).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: visible: view.worldToCamera must be 12 finite numbers, got [1]]`,
      )
      expect(() => operators.visible(t.anchors, device.zeros([2, 20]))).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: visible: views must have shape [*, 18], got [2, 20]]`,
      )
      expect(() => viewRows([view, { ...view, fy: -1 }])).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: viewRows: view.fy must be a positive finite focal length, got -1]`,
      )
      expect(() =>
        operators.addGradients(t.vGaussians, { ...t.vGaussians, quats: t.vGaussians.means }, t.visible.count),
      ).toThrowErrorMatchingInlineSnapshot(`[ShapeError: addGradients: vQuats must have shape [20, 4], got [20, 3]]`)
      expect(() =>
        operators.fieldPoints(t.anchors, t.visible, bounds, device.zeros([2])),
      ).toThrowErrorMatchingInlineSnapshot(`[ShapeError: fieldPoints: time must have shape [1], got [2]]`)
      expect(() => operators.fieldPoints(t.anchors, t.visible, bounds, Number.NaN)).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: fieldPoints: time must be a finite number, got NaN]`,
      )
      const inverted = { min: bounds.max, max: bounds.min }
      expect(() => operators.fieldPoints(t.anchors, t.visible, inverted, 0)).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: fieldPoints: bounds.min[0] must be at most -3, got 5]`,
      )
      const narrow = { ...t.decoded, cov: device.zeros([n, 7]) }
      expect(() => operators.assemble(t.anchors, t.visible, narrow)).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: assemble: cov must have shape [10, 14], got [10, 7]]`,
      )
      expect(() =>
        operators.combine(t.decoded.cov, t.decoded.color, t.visible, 'add'),
      ).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: combine: dynamicFeatures must have shape [10, 14], got [10, 6]]`,
      )
      const elsewhere = { ...t.anchors, positions: other.zeros([n, 3]) }
      expect(() => operators.visible(elsewhere, view)).toThrow(
        `positions lives on ${other.label}, but the operator runs on ${device.label}`,
      )
      t.decoded.opacity.dispose()
      expect(() => operators.assemble(t.anchors, t.visible, t.decoded)).toThrowErrorMatchingInlineSnapshot(
        `[DisposedError: assemble: opacity has been disposed; keep it alive until its last use]`,
      )
      await expect(createAnchorOperators(device, { near: -1 })).rejects.toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: createAnchorOperators: near must be a number of at least 0, got -1]`,
      )
    })

    it.skipIf(kind !== 'wasm')('is refused where the device knows what a list holds', async () => {
      using _ = device.scope()
      const operators = await createAnchorOperators(device)
      const n = 10
      const t = upload(device, createProblem(n, 2), n, 2)
      const tooMany = { ...t.visible, count: device.from(new Uint32Array([n + 1])) }
      expect(() => operators.assemble(t.anchors, tooMany, t.decoded)).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: assemble: visible.count must be at most the 10 rows of indices, got 11]`,
      )
      const foreign = { ...t.visible, indices: device.from(new Uint32Array(n).fill(n)) }
      expect(() => operators.assemble(t.anchors, foreign, t.decoded)).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: assemble: visible.indices must be below the number of anchors, 10, got 10]`,
      )
      const beyond = device.from(Uint32Array.of(2 * n + 1))
      expect(() => operators.addGradients(t.vGaussians, t.vGaussians, beyond)).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: addGradients: count must be at most the 20 rows, got 21]`,
      )
    })
  })
})
