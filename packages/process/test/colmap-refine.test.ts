import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ColmapModel, readColmapModel, writeColmapModel } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refine } from '../src/colmap/refine.js'
import type { ColmapProgram } from '../src/colmap/run.js'
import { model, writeModel } from './scene.js'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clipgstream-refine-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** `count` points that all four images see, with errors of 1 pixel. */
function simpleModel(count: number) {
  const { images, cameras } = model('png')
  const points3D = {
    ...{ count, ids: BigInt64Array.from({ length: count }, (_, i) => BigInt(i + 1)) },
    ...{ positions: new Float64Array(3 * count).fill(1), colors: new Uint8Array(3 * count) },
    errors: new Float64Array(count).fill(1),
    trackStarts: Uint32Array.from({ length: count + 1 }, (_, i) => 4 * i),
    trackImageIds: Uint32Array.from({ length: 4 * count }, (_, i) => (i % 4) + 1),
    trackPoints2D: Uint32Array.from({ length: 4 * count }, (_, i) => Math.floor(i / 4)),
  }
  const points2D = {
    xy: Float64Array.from({ length: 2 * count }, (_, i) => i),
    pointIds: BigInt64Array.from({ length: count }, (_, i) => BigInt(i + 1)),
  }
  return {
    cameras: cameras.map((camera) => ({ ...camera, model: 'SIMPLE_RADIAL' as const, params: [60, 32, 24, -0.1] })),
    images: images.map((image) => ({ ...image, points2D })),
    points3D,
  }
}

/**
 * Adjusting halves errors until they are `floor`, which depends on the lens; filtering changes nothing unless two-view points go,
 * of which all points are when `onlyPairs`.
 */
function program(floor: (lens: string) => number, onlyPairs = false) {
  const calls: string[] = []
  const change = async (
    options: Readonly<Record<string, string | number>>,
    work: (m: ColmapModel) => Float64Array | null,
  ) => {
    const found = await readColmapModel(nodeFolder(folder), String(options['input_path']))
    const errors = work(found)
    const points3D = errors && found.points3D && { ...found.points3D, errors }
    const images = [...found.images.values()].map((image) => (points3D ? image : { ...image, points2D: null }))
    writeModel(join(folder, String(options['output_path'])), { cameras: found.cameras.values(), images, points3D })
  }
  const colmap: ColmapProgram = {
    ...{ path: 'colmap', version: '3.8', cuda: false, knows: async () => true },
    async run(command, options) {
      if (command === 'point_filtering') {
        calls.push(`filter ${Number(options['max_reproj_error']).toFixed(3)} ${options['min_track_len']}`)
        await change(options, (m) =>
          onlyPairs && options['min_track_len'] === 3 ? null : (m.points3D?.errors ?? null),
        )
      } else if (command === 'bundle_adjuster') {
        calls.push('adjust')
        await change(options, (m) => {
          const least = floor(m.cameras.get(1)?.model ?? '')
          return m.points3D?.errors.map((error) => Math.max(least, error / 2)) ?? null
        })
      } else throw new Error(`not expected: ${command}`)
    },
  }
  return { colmap, calls }
}

async function run(colmap: ColmapProgram, wider?: string) {
  mkdirSync(join(folder, 'sparse/0'), { recursive: true })
  writeModel(join(folder, 'sparse/0'), simpleModel(120))
  const lines: string[] = []
  const task = { from: 'sparse/0', to: 'refined', ...(wider !== undefined && { wider }) }
  await refine(colmap, task, { cwd: folder, onLine: (line) => lines.push(line) })
  return { lines, result: await readColmapModel(nodeFolder(folder), 'refined') }
}

describe('refinement of a model', () => {
  it('drops what is far off the mean error, again and again', async () => {
    const { colmap, calls } = program(() => 0.2)
    const { lines, result } = await run(colmap)
    expect(calls).toEqual([3, 1.5, 0.75, 0.6, 0.6].flatMap((limit) => [`filter ${limit.toFixed(3)} 3`, 'adjust']))
    expect(result.points3D?.errors[0]).toBeCloseTo(0.2)
    expect(lines.at(-1)).toBe('refined: 480 of 480 observations within 0.60 px, mean error 0.200 px')
  })

  it('keeps points that two cameras see where a camera would be left with few', async () => {
    const { colmap, calls } = program(() => 0.2, true)
    const { result } = await run(colmap)
    expect(calls.slice(0, 3)).toEqual(['filter 3.000 3', 'filter 3.000 2', 'adjust'])
    expect(result.points3D?.count).toBe(120)
  })

  it('takes a lens of more parameters where it fits clearly better, with parameters that are the same', async () => {
    const { colmap } = program((lens) => (lens === 'OPENCV' ? 0.1 : 0.6))
    const { lines, result } = await run(colmap, 'OPENCV')
    expect(lines[0]).toBe('lens: mean error 0.600 px, with OPENCV 0.300 px; OPENCV is taken')
    expect(result.cameras.get(1)).toMatchObject({ model: 'OPENCV', params: [60, 60, 32, 24, -0.1, 0, 0, 0] })
    expect(result.images.get(1)?.points2D?.xy[3]).toBe(3)
  })

  it('keeps the simple lens where more parameters only follow the noise', async () => {
    const { colmap } = program((lens) => (lens === 'OPENCV' ? 0.59 : 0.6))
    const { lines, result } = await run(colmap, 'OPENCV')
    expect(lines[0]).toBe('lens: mean error 0.600 px, with OPENCV 0.590 px; not worth more parameters')
    expect(result.cameras.get(1)).toMatchObject({ model: 'SIMPLE_RADIAL', params: [60, 32, 24, -0.1] })
  })

  it('leaves the model of the mapper as it was, and nothing else behind', async () => {
    const { colmap } = program(() => 0.2)
    await run(colmap, 'OPENCV')
    const before = writeColmapModel(simpleModel(120), 'binary')
    for (const [file, bytes] of Object.entries(before))
      expect(new Uint8Array(readFileSync(join(folder, 'sparse/0', file)))).toEqual(bytes)
    expect(await nodeFolder(folder).exists('refined.partial/cameras.bin')).toBe(false)
    expect(await nodeFolder(folder).exists('refined.filtered/cameras.bin')).toBe(false)
  })
})
