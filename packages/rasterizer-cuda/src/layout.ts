import type { View } from '@clipgstream/camera'
import type { Background, RasterizerConfig } from '@clipgstream/rasterizer'
import { ArgumentError } from '@clipgstream/tensor'

/** Floats of a projected Gaussian, as in kernels/layout.cuh. */
export const recordWords = 12
/** Floats of a Gaussian's gradient sums. */
export const gradientWords = 12
/** Words of the counters: pairs (64 bits), visible Gaussians, padding. */
export const counterWords = 4
/** Depths are positive floats below 1e20; culled Gaussians sort behind them. */
export const depthBits = 31
/** Floats of a checkpoint: five of each pixel of a tile. */
export const checkpointWords = 5 * 256
/** Bytes of the parameters of a view. */
export const parameterBytes = 248

const doubles = 18
const words = 26

/** Tiles of 16x16 pixels of an image, and bits of a number that says which, or that there is none. */
export function tilesOf({ width, height }: { width: number; height: number }) {
  const tilesX = Math.ceil(width / 16)
  const tilesY = Math.ceil(height / 16)
  const tiles = tilesX * tilesY
  return { tilesX, tilesY, tiles, tileBits: Math.ceil(Math.log2(tiles + 1)) }
}

/** Bits of a Gaussian's index in the lists, as in kernels/batch.cuh; the others are the quarters of a tile. */
const indexBits = 28

/** @throws ArgumentError for more Gaussians than the lists have indices for; returns their number */
export function checkGaussians(gaussians: number): number {
  if (gaussians <= 2 ** indexBits) return gaussians
  const expected = `of at most 2^${indexBits} Gaussians on CUDA`
  throw new ArgumentError('rasterizer.forward', 'means', `${gaussians} Gaussians`, expected)
}

/** Chunks of lists of `capacity` pairs, as in kernels/batch.cuh. */
export function chunksOf(capacity: number): number {
  return Math.ceil(capacity / 512)
}

/** The struct `Parameters` of kernels/layout.cuh. */
export function parametersOf(view: View, config: RasterizerConfig, background: Background): Uint8Array<ArrayBuffer> {
  const { worldToCamera: m, fx, fy, cx, cy, width, height } = view
  const bytes = new ArrayBuffer(parameterBytes)
  new Float64Array(bytes, 0, doubles).set([...m, fx, fy, cx, cy, config.near, config.alphaMin])
  const floats = [
    ...[0, 1, 2, 4, 5, 6, 8, 9, 10].map((i) => m[i] ?? Number.NaN),
    ...[fx, fy, (0.65 * width) / fx, (0.65 * height) / fy],
    ...[config.dilation, config.alphaMax, Math.log2(config.alphaMin), config.transmittanceMin],
    ...background,
  ]
  new Float32Array(bytes, 8 * doubles, words).set(floats)
  const { tilesX, tilesY } = tilesOf(view)
  const integers = [width, height, tilesX, tilesY, config.extent === 'three-sigma' ? 1 : 0]
  new Int32Array(bytes, 8 * doubles, words).set(integers, floats.length)
  return new Uint8Array(bytes)
}
