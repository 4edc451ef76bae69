import type { View } from '@clipgstream/camera'
import type { Background, RasterizerConfig } from '@clipgstream/rasterizer'

/** Floats of a projected Gaussian, as in kernels/layout.wgsl. */
export const recordWords = 12
/** Words of a Gaussian's gradient sums. */
export const gradientWords = 12
/** Words of the sums of a pair. */
export const rowWords = 10
/** Words of the counters: pairs (64 bits), visible Gaussians, padding. */
export const counterWords = 4
/** Depths are positive floats below 1e20; culled Gaussians sort behind them. */
export const depthBits = 31

/** Pairs are numbered in 29 bits, see kernels/layout.wgsl. */
export const pairLimit = 2 ** 29

/** Tiles of 16x16 pixels of an image, and bits of a number that says which. */
export function tilesOf({ width, height }: { width: number; height: number }) {
  const tilesX = Math.ceil(width / 16)
  const tilesY = Math.ceil(height / 16)
  const tiles = tilesX * tilesY
  return { tilesX, tilesY, tiles, tileBits: Math.ceil(Math.log2(tiles)) }
}

export type Settings = ReturnType<typeof settingsOf>

/** The struct `Settings` of kernels/layout.wgsl, of one pass. The kernels differ in the flags that they look at. */
export function settingsOf(
  view: View,
  config: RasterizerConfig,
  background: Background,
  gaussians: number,
  capacity: number,
) {
  const { worldToCamera, fx, fy, cx, cy, width, height } = view
  const rows = [0, 4, 8].map((at) => split(worldToCamera.slice(at, at + 4)))
  const row = (k: number, part: 'high' | 'low') => rows.map((one) => one[part])[k] ?? []
  const { tilesX, tiles, tileBits } = tilesOf(view)
  return {
    row0: row(0, 'high'),
    row1: row(1, 'high'),
    row2: row(2, 'high'),
    low0: row(0, 'low'),
    low1: row(1, 'low'),
    low2: row(2, 'low'),
    pixelX: both(fx, cx - 0.5),
    pixelY: both(fy, cy - 0.5),
    background,
    dilation: config.dilation,
    near: both(config.near),
    limit: [(0.65 * width) / fx, (0.65 * height) / fy],
    alphaMin: roundUp(config.alphaMin),
    levelMin: Math.log2(config.alphaMin),
    alphaMax: config.alphaMax,
    transmittanceMin: config.transmittanceMin,
    width,
    height,
    tilesX,
    tiles,
    threeSigma: config.extent === 'three-sigma' ? 1 : 0,
    gaussians,
    capacity,
    rows: 0,
    tileBits,
    zero: 0,
    hasCount: 0,
    hasAlpha: 0,
    hasDepth: 0,
    listing: 0,
  }
}

/**
 * Words of the gradient sums as kernels/layout.wgsl lays them out, and the rows among them: at most `budget` bytes of them,
 * and what fits in `limit` bytes in all. None where a key has no room for the number of a pair beside that of its tile.
 */
export function sumsOf(
  { gaussians, capacity, tileBits }: Pick<Settings, 'gaussians' | 'capacity' | 'tileBits'>,
  budget: number,
  limit: number,
): { words: number; cleared: number; rows: number } {
  const cleared = gradientWords * gaussians + 4 + 4 * Math.ceil(capacity / 4)
  const room = Math.min(budget / 4, limit / 4 - cleared)
  const rows = 2 * tileBits > 32 ? 0 : Math.max(0, Math.min(capacity, Math.floor(room / rowWords)))
  // Without rows nobody asks for the row of a pair.
  if (rows === 0) return { words: gradientWords * gaussians, cleared: gradientWords * gaussians, rows }
  return { words: cleared + rowWords * rows, cleared, rows }
}

/** Numbers rounded to f32, and what that lacks. */
function split(values: readonly number[]): { high: number[]; low: number[] } {
  const high = values.map(Math.fround)
  return { high, low: values.map((value, i) => value - (high[i] ?? 0)) }
}

/** Each number rounded to f32, followed by what that lacks. */
function both(...values: number[]): number[] {
  return values.flatMap((value) => [Math.fround(value), value - Math.fround(value)])
}

/** The smallest f32 that is not below a positive number. */
function roundUp(value: number): number {
  const rounded = Float32Array.of(value)
  if ((rounded[0] ?? 0) < value) new Uint32Array(rounded.buffer)[0]! += 1
  return rounded[0] ?? value
}
