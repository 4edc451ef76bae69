import { defaultRasterizerConfig } from '@clipgstream/rasterizer'
import { expect, it } from 'vitest'
import { settingsOf, sumsOf, tilesOf } from '../src/layout.js'

it('counts tiles and the bits of their numbers', () => {
  expect(tilesOf({ width: 1, height: 1 })).toEqual({ tilesX: 1, tilesY: 1, tiles: 1, tileBits: 0 })
  expect(tilesOf({ width: 1920, height: 1080 })).toEqual({ tilesX: 120, tilesY: 68, tiles: 8160, tileBits: 13 })
  expect(tilesOf({ width: 1024, height: 2048 })).toEqual({ tilesX: 64, tilesY: 128, tiles: 8192, tileBits: 13 })
  expect(tilesOf({ width: 32768, height: 32768 }).tileBits).toBe(22)
})

it('keeps what f32 rounds off of the camera', () => {
  const worldToCamera = Array.from({ length: 12 }, (_, i) => i + 0.1)
  const view = { width: 33, height: 20, fx: 40.3, fy: 50, cx: 16.6, cy: 10, worldToCamera }
  const settings = settingsOf(view, defaultRasterizerConfig, [0.25, 0.5, 0.75], 7, 100)
  const sum = (high: number[], low: number[]) => high.map((value, i) => Math.fround(value) + Math.fround(low[i] ?? 0))
  const sums = [sum(settings.row0, settings.low0), sum(settings.row1, settings.low1), sum(settings.row2, settings.low2)]
  expect(settings.row1).toEqual([4.1, 5.1, 6.1, 7.1].map(Math.fround))
  for (const [i, value] of sums.flat().entries()) expect(value).toBeCloseTo(worldToCamera[i] ?? Number.NaN, 13)
  const [focal = 0, focalLow = 0, centre = 0, centreLow = 0] = settings.pixelX
  expect(focal + focalLow).toBe(40.3)
  expect(centre + centreLow).toBe(16.1)
  expect([settings.tilesX, settings.tiles, settings.gaussians, settings.capacity]).toEqual([3, 6, 7, 100])
})

it('takes the first opacity that reaches alphaMin', () => {
  const view = { width: 1, height: 1, fx: 1, fy: 1, cx: 0, cy: 0, worldToCamera: Array.from({ length: 12 }, () => 0) }
  for (const alphaMin of [1 / 255, 0.1, 0.25, 1e-6]) {
    const { alphaMin: limit } = settingsOf(view, { ...defaultRasterizerConfig, alphaMin }, [0, 0, 0], 1, 1)
    expect(limit).toBe(Math.fround(limit))
    expect(limit).toBeGreaterThanOrEqual(alphaMin)
    expect(Math.fround(limit * (1 - 2 ** -24))).toBeLessThan(alphaMin)
  }
})

it('has rows as far as pairs, the budget and the limit go', () => {
  const pass = { gaussians: 1000, capacity: 5002, tileBits: 13 }
  const cleared = 12 * 1000 + 4 + 5004
  expect(sumsOf(pass, 2 ** 28, 2 ** 31)).toEqual({ words: cleared + 50_020, cleared, rows: 5002 })
  expect(sumsOf(pass, 4000, 2 ** 31)).toEqual({ words: cleared + 1000, cleared, rows: 100 })
  expect(sumsOf(pass, 2 ** 28, 4 * cleared + 439)).toEqual({ words: cleared + 100, cleared, rows: 10 })
  const none = { words: 12_000, cleared: 12_000, rows: 0 }
  expect(sumsOf(pass, 39, 2 ** 31)).toEqual(none)
  expect(sumsOf(pass, 2 ** 28, 100)).toEqual(none)
  // Images of more than 65,536 tiles.
  expect(sumsOf({ ...pass, tileBits: 17 }, 2 ** 28, 2 ** 31)).toEqual(none)
})
