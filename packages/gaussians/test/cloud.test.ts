import {
  anchorsFromCloud,
  averageVoxels,
  boundsOf,
  cloudExtent,
  coverageRadii,
  createCoverage,
  meanSquaredNeighbourDistances,
  mergeClip,
  mergeFirstCome,
  nearestNeighbours,
  parityOutlierDistance,
  pointsOutside,
  residualAnchors,
  residualCloud,
} from '@clipgstream/gaussians'
import { createRandom } from '@clipgstream/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { neighbourDistances, sphereDistances, squaredDistance } from './oracle.js'

const grid = fc.integer({ min: -2, max: 2 })
const anywhere = fc.float({ min: -100, max: 100, noNaN: true })

/** Clouds with many coincident and equidistant points (small integers) beside ordinary ones. */
const cloud = (maxLength = 60) =>
  fc
    .array(fc.oneof(fc.tuple(grid, grid, grid), fc.tuple(anywhere, anywhere, anywhere)), { maxLength })
    .map((points) => Float32Array.from(points.flat()))

function randomCloud(n: number, seed: number, size = 1): Float32Array {
  const random = createRandom(seed)
  return Float32Array.from({ length: 3 * n }, () => size * random.normal())
}

describe('nearest neighbours', () => {
  it('equal brute force', () => {
    fc.assert(
      fc.property(cloud(), fc.integer({ min: 1, max: 5 }), (positions, k) => {
        const { squaredDistances, indices } = nearestNeighbours(positions, k)
        for (let i = 0; i < positions.length / 3; i++) {
          const expected = neighbourDistances(positions, i, k)
          const found = [...squaredDistances.subarray(i * k, i * k + k)]
          expect(found.slice(0, expected.length)).toEqual(expected)
          expect(found.slice(expected.length)).toEqual(found.slice(expected.length).fill(Number.POSITIVE_INFINITY))
          const who = [...indices.subarray(i * k, i * k + expected.length)]
          expect(new Set([...who, i]).size).toBe(expected.length + 1)
          expect(who.map((j) => squaredDistance(positions, i, positions, j))).toEqual(expected)
        }
      }),
      { seed: 1, numRuns: 150 },
    )
  })

  it('equal brute force on a surface of more points', () => {
    const positions = randomCloud(3000, 2)
    for (let i = 0; i < positions.length; i += 3) {
      const norm = Math.hypot(positions[i]!, positions[i + 1]!, positions[i + 2]!)
      for (let axis = 0; axis < 3; axis++) positions[i + axis]! /= norm
    }
    const means = meanSquaredNeighbourDistances(positions)
    for (let i = 0; i < 3000; i += 7) {
      const expected = neighbourDistances(positions, i, 3).reduce((sum, d) => sum + d / 3, 0)
      expect(means[i]).toBeCloseTo(Math.max(expected, 1e-7), 14)
    }
  })

  it('count coincident points as neighbours and make do with fewer than four', () => {
    expect([...meanSquaredNeighbourDistances(new Float32Array())]).toEqual([])
    expect([...meanSquaredNeighbourDistances(new Float32Array([1, 2, 3]))]).toEqual([1e-7])
    expect([...meanSquaredNeighbourDistances(new Float32Array([0, 0, 0, 3, 0, 4]))]).toEqual([25, 25])
    expect([...meanSquaredNeighbourDistances(new Float32Array([0, 0, 0, 0, 0, 0, 2, 0, 0]))]).toEqual([2, 2, 4])
    expect([...meanSquaredNeighbourDistances(new Float32Array(3 * 50))]).toEqual(new Array(50).fill(1e-7))
  })

  it('do not slow down where points coincide', () => {
    const start = performance.now()
    meanSquaredNeighbourDistances(new Float32Array(3 * 50_000))
    const point = Float32Array.from({ length: 3000 }, () => 1)
    residualCloud(new Float32Array(3 * 50_000), point, { rule: 'nearest' })
    expect(performance.now() - start).toBeLessThan(3000)
  })

  it('refuse what is no cloud', () => {
    expect(() => nearestNeighbours(new Float32Array(4), 3)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: nearestNeighbours: positions must have shape [*, 3], got [4]]`,
    )
    expect(() =>
      anchorsFromCloud(new Float32Array([0, 0, 0, 1, Number.NaN, 1, Number.POSITIVE_INFINITY, 0, 0])),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: anchorsFromCloud: positions, point 1 must be finite; remove these points first, got NaN (2 such coordinates)]`,
    )
    expect(() => nearestNeighbours(new Float32Array(3), 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: nearestNeighbours: k must be a positive integer, got 0]`,
    )
    expect(() => averageVoxels(new Float32Array([1e6, 0, 0]), 1e-6)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: averageVoxels: voxel must be above 0.00046566128730773926, since coordinates reach 1000000, got 0.000001]`,
    )
    expect(() => averageVoxels(new Float32Array(3), 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: averageVoxels: voxel must be a positive finite number, got 0]`,
    )
    expect(() =>
      residualCloud(new Float32Array(3), new Float32Array(3), { threshold: Number.NaN }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: residualCloud: threshold must be a positive finite number, got NaN]`,
    )
    expect(() => anchorsFromCloud(new Float32Array(3), { ratio: 0.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: anchorsFromCloud: ratio must be a positive integer, got 0.5]`,
    )
  })
})

describe('voxels', () => {
  it('average to one point each', () => {
    const { positions, voxels } = averageVoxels(new Float32Array([0.5, 0.5, 0.5, -0.5, 0, 0, 0.7, 0.1, 0.9]), 1)
    expect([...voxels]).toEqual([0, 1, 0])
    expect(positions[0]).toBeCloseTo(0.6, 6)
    expect([...positions.subarray(3)]).toEqual([-0.5, 0, 0])
  })

  it('hold every point, near its average', () => {
    fc.assert(
      fc.property(cloud(), fc.double({ min: 0.01, max: 10, noNaN: true }), (points, voxel) => {
        const { positions, voxels } = averageVoxels(points, voxel)
        const cell = (i: number) => [0, 1, 2].map((axis) => Math.floor(points[3 * i + axis]! / voxel)).join()
        const cells = [...voxels.keys()].map(cell)
        expect(positions.length / 3).toBe(new Set(cells).size)
        voxels.forEach((at, i) => {
          expect(cells.indexOf(cells[i]!)).toBe(voxels.indexOf(at))
          expect(Math.sqrt(squaredDistance(points, i, positions, at))).toBeLessThan(1.8 * voxel)
        })
      }),
      { seed: 1, numRuns: 100 },
    )
  })

  it('go to whoever comes first', () => {
    const first = new Float32Array([0.1, 0, 0, 0.2, 0, 0])
    const second = new Float32Array([0.3, 0, 0, 1.5, 0, 0, 1.6, 0, 0])
    const merged = mergeFirstCome([first, second, second], 1)
    expect([...merged.clouds]).toEqual([0, 0, 1])
    expect([...merged.points]).toEqual([0, 1, 1])
    expect(mergeFirstCome([], 1).positions.length).toBe(0)
    const clip = mergeClip([first, second], 1)
    expect(clip[0]).toBeCloseTo(0.15, 6)
    expect(clip[3]).toBeCloseTo(1.55, 6)
    expect(clip.length).toBe(6)
  })

  it('tell which points lie outside of others', () => {
    const occupied = new Float32Array([0.1, 0.1, 0.1, -0.1, 0.1, 0.1])
    const points = new Float32Array([0.9, 0.9, 0.9, 1, 0.5, 0.5, -0.9, 0.5, 0.5, -1.1, 0.5, 0.5, 0.5, -0.1, 0.5])
    expect(pointsOutside(occupied, points, 1)).toEqual(Uint32Array.of(1, 3, 4))
    expect(pointsOutside(occupied, points, 2)).toEqual(Uint32Array.of(4))
    expect(pointsOutside(new Float32Array(), points, 1)).toEqual(Uint32Array.of(0, 1, 2, 3, 4))
    expect(pointsOutside(occupied, new Float32Array(), 1)).toEqual(new Uint32Array())
    expect(() => pointsOutside(occupied, points, 1e-10)).toThrow(/^pointsOutside: voxel must be above/)
    expect(() => pointsOutside(occupied, points, 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: pointsOutside: voxel must be a positive finite number, got 0]`,
    )
    expect(() => pointsOutside(Float32Array.of(0, 0, Number.NaN), points, 1)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: pointsOutside: occupied, point 0 must be finite; remove these points first, got NaN (1 such coordinate)]`,
    )
  })

  it('of many points stay apart', () => {
    const points = randomCloud(20_000, 3, 10)
    const { positions, voxels } = averageVoxels(points, 0.05)
    expect(new Set(voxels).size).toBe(positions.length / 3)
    const again = mergeClip([points, points, points], 0.05)
    expect(again).toEqual(positions)
  })
})

describe('coverage', () => {
  it('is the signed distance to the union of spheres', () => {
    fc.assert(
      fc.property(cloud(40), cloud(20), fc.double({ min: 1e-3, max: 5, noNaN: true }), (centres, points, threshold) => {
        const radii = coverageRadii(centres)
        const coverage = createCoverage(centres)
        const kept = { union: [] as number[], nearest: [] as number[] }
        for (let i = 0; i < points.length / 3; i++) {
          const [x = 0, y = 0, z = 0] = points.subarray(3 * i)
          const expected = sphereDistances(points, i, centres, radii)
          if (centres.length > 0) {
            expect(coverage.signedDistance(x, y, z)).toBe(expected.union)
            expect(coverage.nearestCentreDistance(x, y, z)).toBe(expected.nearest)
          }
          if (centres.length === 0 || expected.union >= threshold) kept.union.push(i)
          if (centres.length === 0 || expected.nearest >= threshold) kept.nearest.push(i)
        }
        for (const rule of ['union', 'nearest'] as const) {
          const result = residualCloud(centres, points, { rule, threshold })
          expect([...result.kept]).toEqual(kept[rule])
          expect(result.positions.length).toBe(3 * kept[rule].length)
        }
      }),
      { seed: 1, numRuns: 150 },
    )
  })

  it('sees a larger sphere behind the nearest centre', () => {
    const centres = new Float32Array([0, 0, 0, 1, 0, 0])
    const coverage = createCoverage(centres, [2, 0.1])
    expect(coverage.nearestCentreDistance(1.5, 0, 0)).toBeCloseTo(0.4, 12)
    expect(coverage.signedDistance(1.5, 0, 0)).toBeCloseTo(-0.5, 12)
    const point = new Float32Array([1.5, 0, 0])
    expect(residualCloud(coverage, point, { rule: 'union' }).kept.length).toBe(0)
    expect(residualCloud(coverage, point, { rule: 'nearest' }).kept.length).toBe(1)
  })

  it('of nothing keeps everything', () => {
    const points = randomCloud(5, 4)
    expect(residualCloud(new Float32Array(), points).positions).toEqual(points)
    expect(residualCloud(points, new Float32Array()).kept.length).toBe(0)
  })
})

describe('anchors', () => {
  it('are sized by their three nearest neighbours', () => {
    const corners = new Float32Array([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2])
    const { positions, logScaling, kept, outliers } = anchorsFromCloud(corners, { outlierDistance: 10 })
    expect(positions).toEqual(corners)
    expect([...kept]).toEqual([0, 1, 2, 3])
    expect(outliers.length).toBe(0)
    expect(logScaling[0]).toBeCloseTo(Math.log(Math.sqrt((1 + 4 + 4) / 3)), 6)
    expect(new Set(logScaling.subarray(0, 6)).size).toBe(1)
    expect([...anchorsFromCloud(corners, { ratio: 3, outlierDistance: 10 }).kept]).toEqual([0, 3])
  })

  it('leave out outliers: at 10 squared units as the original, by the cloud by default', () => {
    // Spacings 1 and far away.
    const line = Float32Array.from({ length: 3 * 41 }, (_, i) => (i % 3 ? 0 : i === 120 ? 1e5 : i / 3))
    expect([...anchorsFromCloud(line).outliers]).toEqual([40])
    const small = line.map((x) => x / 1000)
    expect([...anchorsFromCloud(small, { outlierDistance: parityOutlierDistance }).outliers]).toEqual([40])
    expect(anchorsFromCloud(small.slice(0, 120)).outliers.length).toBe(0)
    const large = line.slice(0, 120).map((x) => 10 * x)
    expect(anchorsFromCloud(large).outliers.length).toBe(0)
    expect(anchorsFromCloud(large, { outlierDistance: parityOutlierDistance }).kept.length).toBe(0)
    // Exactly at the limit: two points sqrt(10) apart are dropped.
    const pair = new Float32Array([0, 0, 0, 1, 3, 0])
    expect(anchorsFromCloud(pair, { outlierDistance: parityOutlierDistance }).outliers.length).toBe(2)
    expect(anchorsFromCloud(new Float32Array(3 * 9)).kept.length).toBe(9)
    expect(anchorsFromCloud(new Float32Array()).positions.length).toBe(0)
  })

  it('of a residual are sized in the union, or by the first distances of the union as the original', () => {
    const reference = randomCloud(50, 5)
    const residual = randomCloud(8, 6)
    const union = new Float32Array([...reference, ...residual])
    const distances = meanSquaredNeighbourDistances(union)
    const limits = { outlierDistance: Number.POSITIVE_INFINITY }
    const corrected = residualAnchors(reference, residual, limits)
    const parity = residualAnchors(reference, residual, { ...limits, parity: true })
    for (let i = 0; i < 8; i++) {
      expect(corrected.logScaling[6 * i + 5]).toBe(Math.fround(Math.log(Math.sqrt(distances[50 + i]!))))
      expect(parity.logScaling[6 * i + 5]).toBe(Math.fround(Math.log(Math.sqrt(distances[i]!))))
    }
    expect(corrected.positions).toEqual(residual)
    // The original also takes the wrong distances to tell outliers.
    const far = new Float32Array([...residual.subarray(0, 21), 1e3, 1e3, 1e3])
    expect([...residualAnchors(reference, far).outliers]).toEqual([7])
    expect(residualAnchors(reference, far, { parity: true }).outliers.length).toBe(0)
    // More residual anchors than reference anchors.
    expect(residualAnchors(residual, reference, { ...limits, parity: true }).kept.length).toBe(50)
    const none = residualAnchors(reference, new Float32Array())
    expect(none.positions.length + none.logScaling.length + none.kept.length + none.outliers.length).toBe(0)
    expect(residualAnchors(new Float32Array(), residual, limits).kept.length).toBe(8)
  })

  it('are bounded', () => {
    const bounds = boundsOf(new Float32Array([1, 2, 3]), new Float32Array(), new Float32Array([-1, 5, 3]))
    expect(bounds).toEqual({ min: [-1, 2, 3], max: [1, 5, 3] })
    expect(boundsOf()).toEqual({ min: [0, 0, 0], max: [0, 0, 0] })
    expect(cloudExtent(new Float32Array())).toBe(0)
    expect(cloudExtent(new Float32Array([0, 0, 0, 2, 0, 0]))).toBe(2)
  })
})
