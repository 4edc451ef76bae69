import { readFile } from 'node:fs/promises'
import { defaultRasterizerConfig } from '@clipgstream/rasterizer'
import { expect, it } from 'vitest'
import { checkGaussians, chunksOf, parameterBytes, parametersOf, tilesOf } from '../src/layout.js'

it('counts tiles, and bits for one tile more', () => {
  expect(tilesOf({ width: 1, height: 1 })).toEqual({ tilesX: 1, tilesY: 1, tiles: 1, tileBits: 1 })
  expect(tilesOf({ width: 1920, height: 1080 })).toEqual({ tilesX: 120, tilesY: 68, tiles: 8160, tileBits: 13 })
  expect(tilesOf({ width: 1024, height: 2048 })).toEqual({ tilesX: 64, tilesY: 128, tiles: 8192, tileBits: 14 })
  expect(tilesOf({ width: 32768, height: 32768 }).tileBits).toBe(23)
})

it('writes the parameters that the kernels read', () => {
  const worldToCamera = Array.from({ length: 12 }, (_, i) => i + 0.1)
  const view = { width: 33, height: 20, fx: 40, fy: 50, cx: 16, cy: 10, worldToCamera }
  const bytes = parametersOf(view, { ...defaultRasterizerConfig, extent: 'three-sigma' }, [0.25, 0.5, 0.75])
  expect(bytes).toHaveLength(parameterBytes)
  const doubles = new Float64Array(bytes.buffer, 0, 18)
  expect([...doubles]).toEqual([...worldToCamera, 40, 50, 16, 10, 0.2, 1 / 255])
  const floats = new Float32Array(bytes.buffer, 144, 20)
  const rotation = [0, 1, 2, 4, 5, 6, 8, 9, 10].map((i) => Math.fround(i + 0.1))
  expect([...floats.subarray(0, 9)]).toEqual(rotation)
  const others = [40, 50, (0.65 * 33) / 40, (0.65 * 20) / 50, 0.3, 0.99, Math.log2(1 / 255), 1e-4, 0.25, 0.5, 0.75]
  expect([...floats.subarray(9)]).toEqual(others.map(Math.fround))
  expect([...new Int32Array(bytes.buffer, 224, 6)]).toEqual([33, 20, 3, 2, 1, 0])
})

it('has no more Gaussians than an index of the kernels can tell apart', async () => {
  const header = await readFile(new URL('../kernels/batch.cuh', import.meta.url), 'utf8')
  const [, bits] = /INDEX_BITS = (\d+);/.exec(header) ?? []
  const most = 2 ** Number(bits)
  expect(checkGaussians(most)).toBe(most)
  expect(() => checkGaussians(most + 1)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: rasterizer.forward: means must be of at most 2^28 Gaussians on CUDA, got 268435457 Gaussians]`,
  )
})

it('has the chunks of the kernels', async () => {
  const header = await readFile(new URL('../kernels/batch.cuh', import.meta.url), 'utf8')
  const [, chunk] = /CHUNK = (\d+);/.exec(header) ?? []
  expect([1, 512, 513, 1024].map(chunksOf)).toEqual([1, 1, 2, 2])
  expect(chunksOf(100 * Number(chunk))).toBe(100)
})
