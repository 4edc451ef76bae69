// Seeded problems that every device must solve alike.
import type { View } from '@clipgstream/camera'
import { type AnchorOperators, createAnchorOperators, defaultAnchorConfig, viewRows } from '@clipgstream/gaussians'
import { createRandom, type Device, type Tensor } from '@clipgstream/tensor'
import type { ConformanceCase, Values } from '../../../tools/conformance/case.js'
import * as oracle from './oracle.js'

export const view: View = {
  width: 200,
  height: 113,
  fx: 170,
  fy: 165,
  cx: 108.5,
  cy: 51.25,
  // A turn about y by atan(3/4), then back.
  worldToCamera: [0.8, 0, -0.6, 0.1, 0, 1, 0, -0.2, 0.6, 0, 0.8, 4],
}

/** Beside it and turned, so that each sees some that the other does not. */
export const otherView: View = {
  ...view,
  width: 96,
  height: 130,
  worldToCamera: [1, 0, 0, 0.5, 0, 1, 0, 1, 0, 0, 1, 2],
}

export const bounds = { min: [-3, -2.5, -4], max: [5, 3.5, 4] } as const

/** Anchors around the view, some behind it and some large, and the list of every anchor but each third. */
export function createProblem(n: number, k: number, seed = 1) {
  const random = createRandom(seed)
  const normal = (size: number, scale = 1, shift = 0) =>
    Float32Array.from({ length: size }, () => shift + scale * random.normal())
  const indices = Uint32Array.from({ length: n }, (_, i) => i).filter((i) => i % 3 !== 1)
  const rows = indices.length
  return {
    positions: normal(3 * n, 3),
    logScaling: normal(6 * n, 1, -2.5),
    rotations: normal(4 * n),
    indices: Uint32Array.from({ length: n }, (_, i) => indices[i] ?? 0xffffffff),
    rows,
    opacity: Float32Array.from({ length: n * k }, () => random.uniform()),
    cov: normal(n * 7 * k, 2),
    color: Float32Array.from({ length: n * 3 * k }, () => random.uniform()),
    offset: normal(n * 3 * k),
    vMeans: normal(n * k * 3),
    vQuats: normal(n * k * 4),
    vScales: normal(n * k * 3),
    vOpacities: normal(n * k),
    vColors: normal(n * k * 3),
    radii: Int32Array.from({ length: n * k }, () => random.integer(4)),
    vMeans2d: normal(n * k * 2),
  }
}

export type Problem = ReturnType<typeof createProblem>

/** The problem's tensors on `device`. */
export function upload(device: Device, p: Problem, n: number, k: number) {
  return {
    anchors: {
      positions: device.from(p.positions, [n, 3], 'positions'),
      logScaling: device.from(p.logScaling, [n, 6], 'logScaling'),
    },
    rotations: device.from(p.rotations, [n, 4], 'rotations'),
    visible: { indices: device.from(p.indices, [n], 'indices'), count: device.from(new Uint32Array([p.rows])) },
    decoded: {
      opacity: device.from(p.opacity, [n, k], 'opacity'),
      cov: device.from(p.cov, [n, 7 * k], 'cov'),
      color: device.from(p.color, [n, 3 * k], 'color'),
      offset: device.from(p.offset, [n, 3 * k], 'offset'),
    },
    vGaussians: {
      means: device.from(p.vMeans, [n * k, 3], 'vMeans'),
      quats: device.from(p.vQuats, [n * k, 4], 'vQuats'),
      scales: device.from(p.vScales, [n * k, 3], 'vScales'),
      opacities: device.from(p.vOpacities, [n * k], 'vOpacities'),
      colors: device.from(p.vColors, [n * k, 3], 'vColors'),
    },
    radii: device.from(p.radii, [n * k], 'radii'),
    vMeans2d: device.from(p.vMeans2d, [n * k, 2], 'vMeans2d'),
  }
}

type Uploaded = ReturnType<typeof upload>

/** A tensor cut to the rows in use: what lies behind is undefined. */
async function used(tensor: Tensor<'f32'>, rows: number): Promise<Float32Array> {
  return (await tensor.read()).slice(0, rows * (tensor.size / (tensor.shape[0] || 1)))
}

/** 1 for every visible anchor. */
function mask(indices: ArrayLike<number>, n: number): Uint32Array {
  const result = new Uint32Array(n)
  for (let i = 0; i < indices.length; i++) result[indices[i]!] = 1
  return result
}

function define(
  operator: string,
  sizes: { small: [number, number]; full: [number, number] },
  tolerance: ConformanceCase['tolerance'],
  run: (operators: AnchorOperators, t: Uploaded, p: Problem, n: number) => Promise<Record<string, Values>>,
  solve: (p: Problem, n: number, k: number) => Record<string, Values>,
): ConformanceCase[] {
  return (['small', 'full'] as const).map((size) => {
    const [n, k] = sizes[size]
    const problem = () => createProblem(n, k)
    return {
      operator: `gaussians.${operator}`,
      name: `${n} anchors of ${k}`,
      size,
      tolerance,
      async run(device) {
        using _ = device.scope()
        const operators = await createAnchorOperators(device)
        const p = problem()
        return await run(operators, upload(device, p, n, k), p, n)
      },
      ...(size === 'small' && { oracle: () => solve(problem(), n, k) }),
    }
  })
}

const sizes = { small: [300, 3], full: [60_000, 10] } satisfies Record<string, [number, number]>
const many = { small: [3000, 1], full: [200_000, 1] } satisfies Record<string, [number, number]>
const exact = { absolute: 0, relative: 0 }
// Squares that end within a thousandth of a pixel of a tile's edge, or radii that are within that of a whole number.
const flips = { absolute: 0, relative: 0, flips: 1e-3, flipLimit: 1 }

export const cases: ConformanceCase[] = [
  ...[false, true].flatMap((rotated) =>
    define(
      rotated ? 'visible with rotations' : 'visible',
      many,
      { mask: flips },
      async (operators, t, _, n) => {
        const anchors = rotated ? { ...t.anchors, rotations: t.rotations } : t.anchors
        const { indices, count } = operators.visible(anchors, view)
        const [total = 0] = await count.read()
        return { mask: mask((await indices.read()).subarray(0, total), n) }
      },
      (p, n) => {
        const { near, dilation } = defaultAnchorConfig
        const anchors = rotated ? p : { positions: p.positions, logScaling: p.logScaling }
        return {
          mask: Uint32Array.from({ length: n }, (_, i) =>
            Number(oracle.project(anchors, i, view, near, dilation).visible),
          ),
        }
      },
    ),
  ),
  ...define(
    'visible of two views',
    many,
    { mask: flips },
    async (operators, t, _, n) => {
      const rows = t.rotations.device.from(viewRows([view, otherView]), [2, 18])
      const { indices, count } = operators.visible(t.anchors, rows)
      const [total = 0] = await count.read()
      return { mask: mask((await indices.read()).subarray(0, total), n) }
    },
    ({ positions, logScaling }, n) => {
      const { near, dilation } = defaultAnchorConfig
      const sees = (i: number, one: View) => oracle.project({ positions, logScaling }, i, one, near, dilation).visible
      return { mask: Uint32Array.from({ length: n }, (_, i) => Number(sees(i, view) || sees(i, otherView))) }
    },
  ),
  ...define(
    'fieldPoints',
    sizes,
    { points: { absolute: 1e-7, relative: 1e-6 }, again: { absolute: 1e-7, relative: 1e-6 } },
    async (operators, t, p) => {
      const time = t.rotations.device.from(Float32Array.of(0.3))
      return {
        points: await used(operators.fieldPoints(t.anchors, t.visible, bounds, 0.3), p.rows),
        again: await used(operators.fieldPoints(t.anchors, t.visible, bounds, time), p.rows),
      }
    },
    (p) => {
      const points = Float64Array.from({ length: 4 * p.rows }, (_, i) => {
        const axis = i % 4
        if (axis === 3) return Math.fround(0.3)
        const low = bounds.min[axis] ?? 0
        return (p.positions[3 * p.indices[i >> 2]! + axis]! - low) / ((bounds.max[axis] ?? 0) - low)
      })
      return { points, again: points }
    },
  ),
  ...define(
    'addGradients',
    sizes,
    { means: exact, quats: exact, scales: exact, opacities: exact, colors: exact },
    async (operators, t, p) => {
      const { device } = t.rotations
      const [n = 0, k = 0] = t.decoded.opacity.shape
      const ones = (size: number, ...shape: number[]) => device.from(new Float32Array(size).fill(1), shape)
      const g = n * k
      const sum = {
        means: ones(3 * g, g, 3),
        quats: ones(4 * g, g, 4),
        scales: ones(3 * g, g, 3),
        opacities: ones(g, g),
        colors: ones(3 * g, g, 3),
      }
      const more = { ...t.vGaussians, opacities: device.from(p.opacity, [g]) }
      operators.addGradients(sum, more, device.from(Uint32Array.of(p.rows * k)))
      return {
        means: await sum.means.read(),
        quats: await sum.quats.read(),
        scales: await sum.scales.read(),
        opacities: await sum.opacities.read(),
        colors: await sum.colors.read(),
      }
    },
    (p, n, k) => {
      const plusOne = (values: Float32Array, width: number) =>
        values.map((value, i) => (i < p.rows * k * width ? value + 1 : 1)).subarray(0, n * k * width)
      return {
        means: plusOne(p.vMeans, 3),
        quats: plusOne(p.vQuats, 4),
        scales: plusOne(p.vScales, 3),
        opacities: plusOne(p.opacity, 1),
        colors: plusOne(p.vColors, 3),
      }
    },
  ),
  ...(['concatenate', 'add'] as const).flatMap((how) =>
    define(
      `combine (${how})`,
      sizes,
      { features: exact, vDynamic: exact, vStatic: exact },
      async (operators, t, p, n) => {
        // Offsets and logits stand in for features: 3 K wide, or 7 K where widths may differ.
        const dynamic = how === 'add' ? t.decoded.color : t.decoded.cov
        const widths = { static: t.decoded.offset.shape[1] ?? 0, dynamic: dynamic.shape[1] ?? 0 }
        const features = operators.combine(t.decoded.offset, dynamic, t.visible, how)
        const vStatic = t.rotations.device.from(new Float32Array(n * widths.static).fill(1), [n, widths.static])
        const vDynamic = operators.combineBackward(features, t.visible, how, widths, vStatic)
        return {
          features: await used(features, p.rows),
          vDynamic: await used(vDynamic, p.rows),
          vStatic: await vStatic.read(),
        }
      },
      (p, n, k) => {
        const cs = 3 * k
        const dynamic = how === 'add' ? p.color : p.cov
        const cd = how === 'add' ? cs : 7 * k
        const vStatic = new Float32Array(n * cs).fill(1)
        const features: number[] = []
        const vDynamic: number[] = []
        for (let row = 0; row < p.rows; row++) {
          const from = p.indices[row]! * cs
          const a = p.offset.subarray(from, from + cs)
          const b = dynamic.subarray(row * cd, (row + 1) * cd)
          const f = how === 'add' ? a.map((value, i) => value + b[i]!) : Float32Array.of(...a, ...b)
          features.push(...f)
          vDynamic.push(...f.subarray(how === 'add' ? 0 : cs))
          for (let i = 0; i < cs; i++) vStatic[from + i]! += f[i]!
        }
        return { features: Float32Array.from(features), vDynamic: Float32Array.from(vDynamic), vStatic }
      },
    ),
  ),
  ...define(
    'assemble',
    sizes,
    {
      means: { absolute: 1e-6, relative: 1e-5 },
      quats: { absolute: 1e-6, relative: 0 },
      scales: { absolute: 1e-9, relative: 1e-5 },
      opacities: exact,
      colors: exact,
      count: exact,
    },
    async (operators, t, p, n) => {
      const { count, ...gaussians } = operators.assemble(t.anchors, t.visible, t.decoded)
      const k = gaussians.opacities.size / n
      const result: Record<string, Values> = { count: await count.read() }
      for (const [name, tensor] of Object.entries(gaussians)) result[name] = await used(tensor, p.rows * k)
      return result
    },
    (p, _, k) => {
      const { means, quats, scales } = oracle.assemble(p, [...p.indices.subarray(0, p.rows)], p, k)
      return {
        means: Float64Array.from(means),
        quats: Float64Array.from(quats),
        scales: Float64Array.from(scales),
        opacities: p.opacity.slice(0, p.rows * k),
        colors: p.color.slice(0, 3 * p.rows * k),
        count: Uint32Array.of(p.rows * k),
      }
    },
  ),
  ...define(
    'assemble backward',
    { small: [60, 3], full: sizes.full },
    {
      // The oracle's own error (central differences, h = 1e-5) is about 1e-9; sums over K Gaussians cancel.
      vLogScaling: { absolute: 1e-5, relative: 1e-5 },
      vCov: { absolute: 1e-6, relative: 1e-5 },
      vOffset: { absolute: 1e-7, relative: 1e-5 },
      vOpacity: exact,
      vColor: exact,
    },
    async (operators, t, p, n) => {
      const vLogScaling = t.rotations.device.zeros([n, 6])
      const v = operators.assembleBackward(t.anchors, t.visible, t.decoded, t.vGaussians, vLogScaling)
      return {
        vLogScaling: await vLogScaling.read(),
        vCov: await used(v.cov, p.rows),
        vOffset: await used(v.offset, p.rows),
        vOpacity: await used(v.opacity, p.rows),
        vColor: await used(v.color, p.rows),
      }
    },
    (p, _, k) => {
      const v = { means: p.vMeans, quats: p.vQuats, scales: p.vScales }
      const { vLogScaling, vCov, vOffset } = oracle.assembleBackward(
        p,
        [...p.indices.subarray(0, p.rows)],
        { cov: p.cov.subarray(0, 7 * k * p.rows), offset: p.offset.subarray(0, 3 * k * p.rows) },
        k,
        v,
      )
      return {
        vLogScaling,
        vCov,
        vOffset,
        vOpacity: p.vOpacities.slice(0, k * p.rows),
        vColor: p.vColors.slice(0, 3 * k * p.rows),
      }
    },
  ),
  ...define(
    'accumulateGrowth',
    sizes,
    {
      visits: exact,
      opacitySums: { absolute: 0, relative: 1e-6 },
      counts: exact,
      maxGradients: { absolute: 0, relative: 1e-6 },
      maxMeans: exact,
    },
    async (operators, t, p, n) => {
      const k = t.decoded.opacity.shape[1] ?? 0
      const statistics = operators.createGrowthStatistics(n, k)
      const gaussians = { means: t.vGaussians.means, opacities: t.vGaussians.opacities }
      operators.accumulateGrowth(statistics, t.visible, gaussians, t.radii, t.vMeans2d)
      // A second step, from other numbers.
      const vMeans2d = t.radii.device.from(p.vQuats.subarray(0, 2 * n * k), [n * k, 2])
      operators.accumulateGrowth(statistics, t.visible, { ...gaussians, means: t.vGaussians.colors }, t.radii, vMeans2d)
      const result: Record<string, Values> = {
        visits: await statistics.visits.read(),
        opacitySums: await statistics.opacitySums.read(),
        counts: await statistics.counts.read(),
        maxGradients: await statistics.maxGradients.read(),
        maxMeans: await statistics.maxMeans.read(),
      }
      return result
    },
    (p, n, k) => {
      const result = {
        visits: new Uint32Array(n),
        opacitySums: new Float64Array(n),
        counts: new Uint32Array(n * k),
        maxGradients: new Float64Array(n * k),
        maxMeans: new Float32Array(3 * n * k),
      }
      for (const [means, gradients] of [
        [p.vMeans, p.vMeans2d],
        [p.vColors, p.vQuats],
      ] as const) {
        for (let row = 0; row < p.rows; row++) {
          const anchor = p.indices[row]!
          result.visits[anchor]!++
          for (let j = 0; j < k; j++) {
            const g = row * k + j
            const slot = anchor * k + j
            result.opacitySums[anchor]! += Math.max(0, p.vOpacities[g]!)
            if (p.radii[g]! <= 0) continue
            result.counts[slot]!++
            const gradient = Math.hypot(gradients[2 * g]!, gradients[2 * g + 1]!)
            if (gradient <= result.maxGradients[slot]!) continue
            result.maxGradients[slot] = gradient
            result.maxMeans.set(means.subarray(3 * g, 3 * g + 3), 3 * slot)
          }
        }
      }
      return result
    },
  ),
]
