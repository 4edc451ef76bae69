import { gridLayout, type HashGridConfig, initializeTable, originalGrid } from '@clipgstream/hashgrid'
import { describe, expect, it } from 'vitest'
import { oracleLevels } from './oracle.js'

function levelsThatAre(config: HashGridConfig, indexing: string): number[] {
  return gridLayout(config).levels.flatMap((level, l) => (level.indexing === indexing ? [l] : []))
}

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

describe('layout of the original grid', () => {
  it.each([
    [15, 524288],
    [16, 1048576],
    [17, 2031616],
    [19, 7929856],
    [20, 15794176],
  ])('with log2 T %i has %i entries', (log2TableSize, entries) => {
    const layout = gridLayout(originalGrid(log2TableSize))
    expect(layout.entries).toBe(entries)
    expect(layout.width).toBe(64)
    expect(layout.levels.at(-1)).toMatchObject({ scale: 524287, resolution: 524288 })
  })

  it.each([
    [17, [0], [...range(1, 11), 14, 15], [12, 13]],
    [19, [0], range(1, 11), range(12, 15)],
    [20, [0, 1], range(2, 11), range(12, 15)],
  ])('with log2 T %i and a wrapping stride ignores z and t in some levels', (log2TableSize, dense, hashed, wrapped) => {
    const config = originalGrid(log2TableSize, 'wrapping')
    expect(levelsThatAre(config, 'dense')).toEqual(dense)
    expect(levelsThatAre(config, 'hashed')).toEqual(hashed)
    expect(levelsThatAre(config, 'wrapped')).toEqual(wrapped)
    for (const l of wrapped) expect(gridLayout(config).levels[l]?.factors.slice(2)).toEqual([0, 0])
    const exact = originalGrid(log2TableSize)
    expect(levelsThatAre(exact, 'dense')).toEqual(dense)
    expect(levelsThatAre(exact, 'hashed')).toEqual(range(dense.length, 15))
  })

  it('keeps growth that is not a power of two, and rounds entries up to a multiple of 8', () => {
    const config: HashGridConfig = { ...originalGrid(19), levels: 6, baseResolution: 3, growth: 1.5 }
    const layout = gridLayout(config)
    expect(layout.levels.map((level) => level.resolution)).toEqual([3, 5, 7, 11, 16, 23])
    expect(layout.levels.map((level) => level.entries)).toEqual([88, 632, 2408, 14648, 65536, 279848])
    expect(layout.levels.map(({ entries, offset }) => ({ entries, offset }))).toEqual(
      oracleLevels(config).map(({ entries, offset }) => ({ entries, offset })),
    )
  })

  it('gives time an axis of its own', () => {
    const layout = gridLayout({ ...originalGrid(17), levels: 3, timeBaseResolution: 4, timeGrowth: 1 })
    expect(layout.levels.map((level) => level.timeResolution)).toEqual([4, 4, 4])
    expect(layout.levels.map((level) => level.indexing)).toEqual(['dense', 'dense', 'hashed'])
    expect(layout.levels[1]).toMatchObject({ entries: 131072, factors: [1, 32, 1024, 32768] })
  })
})

describe('initial table', () => {
  it('is uniform within 1e-4 and follows the seed', () => {
    const config = { ...originalGrid(12), levels: 2 }
    const table = initializeTable(config, 1337)
    expect(table.length).toBe(2 * 4096 * 4)
    expect(table.every((value) => Math.abs(value) <= Math.fround(1e-4))).toBe(true)
    expect(table.reduce((sum, value) => sum + value ** 2, 0) / table.length).toBeCloseTo(1e-8 / 3, 10)
    expect(initializeTable(config, 1337)).toEqual(table)
    expect(initializeTable(config, 1338)).not.toEqual(table)
  })
})

describe('a config out of bounds', () => {
  const base = originalGrid(17)
  it.each<[Partial<HashGridConfig>, string]>([
    [{ levels: 0 }, 'hashgrid: levels must be an integer in [1, 32], got 0'],
    [{ features: 3 }, 'hashgrid: features must be 1, 2, 4 or 8, got 3'],
    [{ log2TableSize: 25 }, 'hashgrid: log2TableSize must be an integer in [3, 24], got 25'],
    [{ log2TableSize: 17.5 }, 'hashgrid: log2TableSize must be an integer in [3, 24], got 17.5'],
    [{ baseResolution: 0 }, 'hashgrid: baseResolution must be an integer in [1, 16777216], got 0'],
    [{ timeBaseResolution: -1 }, 'hashgrid: timeBaseResolution must be an integer in [1, 16777216], got -1'],
    [{ growth: 0.5 }, 'hashgrid: growth must be a finite number of 1 or more, got 0.5'],
    [{ growth: Number.NaN }, 'hashgrid: growth must be a finite number of 1 or more, got NaN'],
    [{ timeGrowth: Infinity }, 'hashgrid: timeGrowth must be a finite number of 1 or more, got Infinity'],
    [
      { growth: 4 },
      'hashgrid: growth must be such that level 15 has at most 16777216 vertices an axis, not 17179869184, got 4',
    ],
    [
      { levels: 20, growth: 2, features: 8, log2TableSize: 24 },
      'hashgrid: table of 303104000 entries with 8 features must be at most 4294967296 bytes: ' +
        'fewer levels or features, or a smaller log2TableSize, got 9699328000',
    ],
  ])('%j is refused', (change, message) => {
    expect(() => gridLayout({ ...base, ...change })).toThrow(message)
  })
})
