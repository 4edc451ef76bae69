// Clouds made by other programs, with their own deduplication.
import { createCoverage, nearestNeighbours, residualCloud } from '@clipgstream/gaussians'
import { describe, expect, it } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { readPly } from './files.js'
import { sphereDistances, squaredDistance } from './oracle.js'

const court = fixture('datasets/court-mini')
const basketball = fixture('datasets/panoptic-basketball')

describe.skipIf(!court)('the court', () => {
  it('keeps what lies outside the union of spheres of mean neighbour distance', () => {
    const reference = readPly(`${court}/plys/0.ply`)
    const { squaredDistances } = nearestNeighbours(reference, 3)
    const radii = Float64Array.from({ length: reference.length / 3 }, (_, i) =>
      squaredDistances.subarray(3 * i, 3 * i + 3).reduce((sum, d) => sum + Math.sqrt(d) / 3, 0),
    )
    const candidates = readPly(`${court}/plys_candidates/1.ply`)
    const residual = residualCloud(createCoverage(reference, radii), candidates, { threshold: Number.MIN_VALUE })
    expect(residual.kept.length).toBe(1746)
    expect(residual.positions).toEqual(readPly(`${court}/plys/1.ply`))
  })
})

describe.skipIf(!basketball)('basketball', () => {
  const reference = basketball ? readPly(`${basketball}/plys/0.ply`) : new Float32Array()
  const coverage = createCoverage(reference)

  // The selection was made before coordinates were rounded to float32. For one point of each clip two centres are then
  // equally near, and only one of their spheres covers it.
  it.each([
    { clip: 1, candidates: 56519, selected: 8219, union: 7761 },
    { clip: 2, candidates: 60335, selected: 19117, union: 18916 },
  ])('clip $clip keeps what the nearest centre does not cover', ({ clip, candidates: n, selected, union }) => {
    const candidates = readPly(`${basketball}/plys_candidates/${clip}.ply`)
    const expected = readPly(`${basketball}/plys/${clip}.ply`)
    expect(candidates.length).toBe(3 * n)
    expect(expected.length).toBe(3 * selected)
    const residual = residualCloud(coverage, candidates, { rule: 'nearest' })

    const ties: number[] = []
    let at = 0
    for (const i of residual.kept) {
      if (squaredDistance(candidates, i, expected, at) === 0) at++
      else ties.push(i)
    }
    expect(at).toBe(selected)
    expect(ties.length).toBe(1)
    for (const i of ties) {
      const distances = Array.from(coverage.radii, (radius, j) => ({
        squared: squaredDistance(candidates, i, reference, j),
        radius,
      })).sort((a, b) => a.squared - b.squared)
      const [first, second] = distances
      expect(first?.squared).toBe(second?.squared)
      const covered = [first, second].map((d) => Math.sqrt(d?.squared ?? 0) - (d?.radius ?? 0) < 0.005)
      expect(covered.sort()).toEqual([false, true])
    }

    const stricter = residualCloud(coverage, candidates, { rule: 'union' })
    expect(stricter.kept.length).toBe(union)
    const kept = new Set(residual.kept)
    expect(stricter.kept.every((i) => kept.has(i))).toBe(true)
    for (let i = 0; i < n; i += 2000) {
      const [x = 0, y = 0, z = 0] = candidates.subarray(3 * i)
      expect(coverage.signedDistance(x, y, z)).toBe(sphereDistances(candidates, i, reference, coverage.radii).union)
    }
  })
})
