import { carryStatistics, type GrowthData, gatherRows, growAnchors, pruneAnchors } from '@clipgstream/gaussians'
import { createRandom, type Random } from '@clipgstream/tensor'
import { describe, expect, it } from 'vitest'

/** Takes every candidate. */
const always: Random = { ...createRandom(1), uniform: () => 0 }

function statistics(n: number, k: number): GrowthData {
  return {
    visits: new Uint32Array(n).fill(100),
    opacitySums: new Float32Array(n).fill(100),
    counts: new Uint32Array(n * k).fill(100),
    maxGradients: new Float32Array(n * k),
    maxMeans: new Float32Array(3 * n * k),
  }
}

const options = { gradientThreshold: 1, minCount: 40, cellSize: 0.1, random: always }

describe('growing', () => {
  it('puts anchors into free cells, once, with the maximum of the features', () => {
    const anchors = {
      positions: new Float32Array([0, 0, 0, 5, 5, 5]),
      features: new Float32Array([1, -2, -3, 4]),
    }
    const data = statistics(2, 3)
    // Coarsest depth only: all three fall into the cell around 1.6, 0, 0, one of them from the other anchor.
    for (const [row, x] of [
      [0, 1.5],
      [2, 1.7],
      [4, 2],
    ] as const) {
      data.maxGradients[row] = 1.5
      data.maxMeans[3 * row] = x
    }
    const grown = growAnchors(anchors, data, options)
    expect([...grown.positions]).toEqual([Math.fround(1.6), 0, 0])
    expect([...grown.features]).toEqual([1, 4])
    expect([...grown.logScaling]).toEqual(new Array(6).fill(Math.fround(Math.log(1.6))))
    expect([...grown.judged]).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('tries finer cells at higher gradients, beside what is there and what is new', () => {
    const anchors = { positions: new Float32Array([0, 0, 0]), features: new Float32Array([0]) }
    const data = statistics(1, 2)
    data.maxGradients.set([4, 2.5])
    data.maxMeans.set([0.3, 0, 0, 0.31, 0.5, 0])
    // 1.6: both in the occupied cell. 0.4: (1, 0, 0) and (1, 1, 0). 0.1: only row 0, in the cell (3, 0, 0).
    const grown = growAnchors(anchors, data, options)
    const expected = [0.4, 0, 0, 0.4, 0.4, 0, 0.3, 0, 0]
    expect(grown.positions.length).toBe(expected.length)
    expected.forEach((value, i) => {
      expect(grown.positions[i]).toBeCloseTo(value, 6)
    })
    expect(grown.logScaling[12]).toBeCloseTo(Math.log(0.1), 6)
  })

  it('waits for enough visits, ignores NaN and needs no anchors', () => {
    const anchors = { positions: new Float32Array(3), features: new Float32Array(4) }
    const data = statistics(1, 2)
    data.maxGradients.set([9, Number.NaN])
    data.maxMeans.fill(3)
    data.counts[0] = 40
    const grown = growAnchors(anchors, data, options)
    expect(grown.positions.length).toBe(0)
    expect([...grown.judged]).toEqual([1])
    const none = growAnchors({ positions: new Float32Array(), features: new Float32Array() }, statistics(0, 2), options)
    expect(none.features.length).toBe(0)
  })

  it('chooses by chance, repeatably, more at finer depths', () => {
    const n = 4000
    const anchors = { positions: new Float32Array(3 * n), features: new Float32Array(n) }
    const data = statistics(n, 1)
    data.maxGradients.fill(100)
    data.maxMeans.forEach((_, i) => {
      data.maxMeans[i] = i % 3 ? 0 : 100 * (i + 3)
    })
    const grow = (seed: number) => growAnchors(anchors, data, { ...options, random: createRandom(seed) })
    expect(grow(1)).toEqual(grow(1))
    expect(grow(1).positions).not.toEqual(grow(2).positions)
    const edges = grow(1).logScaling.filter((_, i) => i % 6 === 0)
    const share = (edge: number) => edges.filter((e) => Math.abs(e - Math.log(edge)) < 1e-5).length / n
    expect(share(1.6)).toBeCloseTo(0.5, 1)
    // Finer cells hold the coarse anchors at their centres only.
    expect(share(0.4)).toBeGreaterThan(0.3)
  })

  it('refuses statistics of another size', () => {
    const anchors = { positions: new Float32Array(6), features: new Float32Array(2) }
    expect(() =>
      growAnchors(anchors, { ...statistics(2, 3), maxMeans: new Float32Array(3) }, options),
    ).toThrowErrorMatchingInlineSnapshot(`[ShapeError: growAnchors: maxMeans must have shape [18], got [3]]`)
    expect(() =>
      growAnchors(anchors, statistics(2, 3), { ...options, cellSize: -1 }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: growAnchors: cellSize must be a positive finite number, got -1]`,
    )
    expect(() =>
      pruneAnchors({ visits: new Uint32Array(2), opacitySums: new Float32Array(3) }, { minOpacity: 1, minVisits: 1 }),
    ).toThrowErrorMatchingInlineSnapshot(`[ShapeError: pruneAnchors: opacitySums must have shape [2], got [3]]`)
  })
})

describe('pruning', () => {
  it('drops anchors that stay transparent, but none that is frozen or young', () => {
    const data = {
      visits: new Uint32Array([100, 100, 100, 10, 0]),
      opacitySums: new Float32Array([0.1, 0.1, 5, 0, 0]),
    }
    const limits = { minOpacity: 0.005, minVisits: 80 }
    expect([...pruneAnchors(data, limits)]).toEqual([2, 3, 4])
    expect([...pruneAnchors(data, { ...limits, firstRow: 1 })]).toEqual([0, 2, 3, 4])
  })

  it('carries statistics over', () => {
    const data = statistics(3, 2)
    data.maxGradients.set([1, 2, 3, 4, 5, 6])
    data.maxMeans.forEach((_, i) => {
      data.maxMeans[i] = i
    })
    const next = carryStatistics(data, 2, { judged: new Uint32Array([1, 4]), keep: new Uint32Array([0, 2]), added: 1 })
    expect([...next.maxGradients]).toEqual([1, 0, 0, 6, 0, 0])
    expect([...next.counts]).toEqual([100, 0, 0, 100, 0, 0])
    expect([...next.visits]).toEqual([100, 100, 0])
    expect([...next.maxMeans.subarray(6, 12)]).toEqual([12, 13, 14, 15, 16, 17])
    expect(next.maxMeans.length).toBe(18)
    expect([...gatherRows(new Float32Array([1, 2, 3, 4]), 2, [1])]).toEqual([3, 4])
  })
})
