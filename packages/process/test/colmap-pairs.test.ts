import { describe, expect, it } from 'vitest'
import { type CameraPair, choosePairs, neighbourPairs, pairList } from '../src/colmap/pairs.js'
import { foldedCameras } from '../src/colmap/solution.js'

const text = (pairs: readonly CameraPair[]) => pairs.map((pair) => pair.join(' ')).sort()

describe('pairs of cameras', () => {
  it('are neighbours around the ring', () => {
    expect(text(neighbourPairs(5, 1))).toEqual(['0 1', '0 4', '1 2', '2 3', '3 4'])
    expect(text(neighbourPairs(4, 4))).toEqual(['0 1', '0 2', '0 3', '1 2', '1 3', '2 3'])
    expect(neighbourPairs(1, 3)).toEqual([])
    expect(() => neighbourPairs(4, 0)).toThrow(/neighbours must be a whole number/)
  })

  // Cameras in another order than that of their names, as in most studios.
  const order = [7, 2, 9, 0, 5, 11, 4, 1, 8, 3, 10, 6]
  const apart = (a: number, b: number) => {
    const steps = Math.abs((order[a] ?? 0) - (order[b] ?? 0))
    return Math.min(steps, 12 - steps)
  }

  it('are those that see the same things, whatever their names are', () => {
    const matches = (a: number, b: number) => [0, 200, 150, 80, 20][apart(a, b)] ?? 16
    const chosen = choosePairs(12, matches)
    expect(chosen).toHaveLength(36)
    expect(chosen.every(([a, b]) => apart(a, b) <= 3)).toBe(true)
  })

  it('are not opposite sides that look alike', () => {
    // As many matches as neighbours have.
    const matches = (a: number, b: number) => (apart(a, b) === 6 ? 160 : ([0, 200, 150][apart(a, b)] ?? 0))
    const chosen = choosePairs(12, matches)
    expect(chosen).toHaveLength(24)
    expect(chosen.every(([a, b]) => apart(a, b) <= 2)).toBe(true)
  })

  it('hold all cameras together, by the strongest links there are', () => {
    // Two rows of six; only 2 and 8 have anything in common, and that is little.
    const row = (a: number) => (a < 6 ? 0 : 1)
    const matches = (a: number, b: number) => {
      if (row(a) !== row(b)) return a === 2 && b === 8 ? 17 : 0
      return b - a <= 2 ? 100 : 0
    }
    const chosen = text(choosePairs(12, matches))
    expect(chosen).toContain('2 8')
    expect(chosen).toHaveLength(19)
    expect(choosePairs(3, () => 0)).toEqual([])
  })

  it('are listed moment by moment, and only where both have an image', () => {
    const images = new Map([
      ['a', ['a/0', null, 'a/2']],
      ['b', ['b/0', 'b/1', 'b/2']],
    ])
    expect(pairList(images, [[0, 1]])).toBe('a/0 b/0\na/2 b/2\n')
  })
})

describe('a folded rig', () => {
  const camera = { model: 'SIMPLE_PINHOLE', width: 4, height: 3, params: [4, 2, 1.5] } as const
  /** On a circle, towards its centre. */
  const ring = (angles: readonly number[]) =>
    angles.map((degrees, i) => {
      const [s, c] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)]
      return { name: `cam${i}`, camera, worldToCamera: [-s, c, 0, 0, 0, 0, -1, 0, -c, -s, 0, 10] }
    })
  const half = [0, 30, 60, 90, 120, 150]

  it('has cameras where others are', () => {
    const pairs = foldedCameras(ring([...half, ...half.map((angle) => angle + 1)]))
    expect(pairs.map((pair) => pair.join(' '))).toEqual(half.map((_, i) => `cam${i} cam${i + 6}`))
  })

  it('is told from a ring, from one pair of cameras close together, and from cameras back to back', () => {
    expect(foldedCameras(ring([...half, ...half.map((angle) => angle + 180)]))).toEqual([])
    expect(foldedCameras(ring([...half, 1]))).toEqual([])
    const around = ring(half)
    const away = around.map(({ name, worldToCamera: m }) => ({
      ...{ name: `${name} back`, camera },
      worldToCamera: m.map((value, i) => ([0, 2].includes(Math.floor(i / 4)) ? -value : value)),
    }))
    expect(foldedCameras([...around, ...away])).toEqual([])
  })
})
