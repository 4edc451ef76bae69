// What tells the two hash indexings apart, on histories put together here: tables in which exactly the entries are trained that
// the oracle of the hash grid touches.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gridLayout, initializeTable, originalGrid } from '@clipgstream/hashgrid'
import {
  memoryFolder,
  plyColumn,
  plyElement,
  readNpy,
  readPly,
  readTorchState,
  toFloat32,
  writePly,
} from '@clipgstream/io'
import { createRandom } from '@clipgstream/tensor'
import { createMemoryRun, importOriginal } from '@clipgstream/trainer'
import { afterAll, describe, expect, it } from 'vitest'
import { fixture } from '../../../tools/fixtures.js'
import { torchFile } from '../../eval/test/torch-file.js'
import { oracleLevels, oracleTouches } from '../../hashgrid/test/oracle.js'

// 2^16 entries: level 12 alone differs, hashed or, wrapping, of x only.
const log2TableSize = 16
const level = 12
type Indexing = 'exact' | 'wrapping'
type Files = Record<string, Uint8Array>

/** [N, 3] in the unit cube, with two corners so that the bounds are the cube. */
function anchors(count: number, seed: number): Float32Array {
  const random = createRandom(seed)
  return Float32Array.from({ length: 3 * count }, (_, i) => (i < 6 ? Math.floor(i / 3) : random.uniform()))
}

/** A table that was trained with `indexing` by these anchors at ten times. */
function trainedTable(indexing: Indexing, positions: Float32Array): Float32Array {
  const config = originalGrid(log2TableSize, indexing)
  const table = initializeTable(config, 1)
  const shape = oracleLevels(config)[level]!
  for (let n = 0; n < positions.length; n += 3) {
    for (let i = 0; i < 10; i++) {
      const point = Float32Array.of(...positions.subarray(n, n + 3), i / 10)
      for (const { entry } of oracleTouches(config, shape, point)) table.fill(0.02, 4 * entry, 4 * entry + 4)
      // z and t do not matter there.
      if (indexing === 'wrapping') break
    }
  }
  return table
}

function fieldFile(table: Float32Array): Uint8Array {
  const parameters = new Float32Array(16384 + table.length)
  parameters.set(table, 16384)
  const corner = (value: number) => ({ shape: [3], data: new Float32Array(3).fill(value) })
  return torchFile(
    new Map([
      ['enc_models.0.params', { shape: [parameters.length], data: parameters }],
      ['xyz_bound_min', corner(0)],
      ['xyz_bound_max', corner(1)],
    ]),
  )
}

function anchorFile(positions: Float32Array): Uint8Array {
  const count = positions.length / 3
  const constant = (name: string) => ({ name, type: 'float32' as const, values: new Float32Array(count) })
  const axes = ['x', 'y', 'z'].map((name, a) => ({
    name,
    type: 'float32' as const,
    values: Float32Array.from({ length: count }, (_, n) => positions[3 * n + a]!),
  }))
  const rest = [
    'f_offset_0',
    'f_offset_1',
    'f_offset_2',
    'f_anchor_feat_0',
    ...[0, 1, 2, 3, 4, 5].map((i) => `scale_${i}`),
  ]
  return writePly({ elements: [{ name: 'vertex', count, columns: [...axes, ...rest.map(constant)] }] })
}

/** A history of one Gaussian an anchor and one static feature: 65 inputs of the decoders. */
function historyOf(files: Files) {
  const decoders = { opacity: 1, cov: 7, color: 3, offset: 3 }
  const heads = Object.entries(decoders).map(([name, outputs]): [string, Uint8Array] => {
    const tensor = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) })
    const layers = {
      '0.weight': tensor(4, 65),
      '0.bias': tensor(4),
      '2.weight': tensor(outputs, 4),
      '2.bias': tensor(outputs),
    }
    return [`decoder/mlp_${name}.pth`, torchFile(new Map(Object.entries(layers)))]
  })
  return memoryFolder({ ...Object.fromEntries(heads), ...files })
}

const few = anchors(200, 1)
const many = anchors(1000, 2)
const untrained = initializeTable(originalGrid(log2TableSize), 1)
const clip0 = (positions: Float32Array, table: Float32Array): Files => ({
  'point/0.ply': anchorFile(positions),
  'FDHash_0.pth': fieldFile(table),
})
const imported = async (files: Files, options = {}) => {
  const run = createMemoryRun()
  const { manifest, indexings } = await importOriginal(historyOf(files), run, options)
  return { indexings, grids: manifest.clips.map(({ grid }) => grid.indexing) }
}

describe('the indexing of an imported grid', () => {
  it.each<[Indexing, string, Float32Array]>([
    ['exact', 'few', few],
    ['wrapping', 'few', few],
    ['exact', 'many', many],
    ['wrapping', 'many', many],
  ])('is found: %s, %s anchors', async (indexing, _, positions) => {
    const { indexings, grids } = await imported(clip0(positions, trainedTable(indexing, positions)))
    expect(indexings).toMatchObject([{ clip: 0, indexing, found: indexing }])
    expect(grids).toEqual([indexing])
  })

  it('is asked for when tables do not tell, and nothing is written', async () => {
    const run = createMemoryRun()
    await expect(importOriginal(historyOf(clip0(few, untrained)), run)).rejects.toThrow(
      /FDHash_0.pth: does not tell .*hardly trained.* 'wrapping' if .* before June 2025, 'exact' if/,
    )
    expect(await run.list('')).toEqual([])
    const { indexings, grids } = await imported(clip0(few, untrained), { indexing: 'wrapping' })
    expect(indexings).toMatchObject([{ indexing: 'wrapping', found: null }])
    expect(grids).toEqual(['wrapping'])
  })

  it.each([
    ['all is trained', trainedTable('exact', few).fill(0.02), {}],
    ['times are others', trainedTable('exact', few), { clipSize: 7 }],
  ])('is not guessed when %s', async (_, table, options) => {
    await expect(imported(clip0(few, table), options)).rejects.toThrow(/neither indexing fits/)
  })

  it('can be given against what the table shows', async () => {
    const { indexings } = await imported(clip0(few, trainedTable('exact', few)), { indexing: 'wrapping' })
    expect(indexings).toMatchObject([{ indexing: 'wrapping', found: 'exact' }])
  })

  it('comes from another clip where a clip does not tell', async () => {
    const own = anchors(200, 3)
    const union = Float32Array.of(...few, ...own)
    const { indexings, grids } = await imported({
      ...clip0(few, untrained),
      'point/1.ply': anchorFile(own),
      'FDHash_1.pth': fieldFile(trainedTable('wrapping', union)),
    })
    expect(indexings).toMatchObject([
      { clip: 0, indexing: 'wrapping', found: null },
      { clip: 1, indexing: 'wrapping', found: 'wrapping' },
    ])
    expect(grids).toEqual(['wrapping', 'wrapping'])
  })
})

const checkpoint = fixture('fixtures/reference-checkpoint')
const folder = mkdtempSync(join(tmpdir(), 'clipgstream-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe.skipIf(!checkpoint)('the indexing of a checkpoint of the original', () => {
  if (!checkpoint) return
  execFileSync(process.execPath, [`${checkpoint}/assemble.mjs`, folder], { stdio: 'ignore' })
  const files: Files = Object.fromEntries(
    [
      'point/0.ply',
      'point/1.ply',
      'FDHash_0.pth',
      ...['opacity', 'cov', 'color', 'offset'].map((d) => `decoder/mlp_${d}.pth`),
    ].map((path) => [path, new Uint8Array(readFileSync(join(folder, 'history', path)))]),
  )
  const values = (path: string) => readNpy(new Uint8Array(readFileSync(`${checkpoint}/stf/${path}.npy`)), path)
  const bounds = (clip: number) =>
    ['min', 'max'].map((name): [string, { shape: number[]; data: Float32Array }] => [
      `xyz_bound_${name}`,
      { shape: [3], data: toFloat32(values(`clip${clip}.xyz_bound_${name}`)) },
    ])
  const fieldOf = (clip: number, parameters: Float32Array) =>
    torchFile(new Map([['enc_models.0.params', { shape: [parameters.length], data: parameters }], ...bounds(clip)]))

  it('is exact, in the reference and in the source clip', async () => {
    // Of the source clip only the entries are there that 256 of its anchors touch: the others are no numbers.
    const source = new Float32Array(16384 + 4 * gridLayout(originalGrid(17)).entries).fill(Number.NaN)
    const entries = toFloat32(values('clip1.grid_entry_value.f16'))
    for (const [i, entry] of values('clip1.grid_entry_index').data.entries())
      source.set(entries.subarray(4 * i, 4 * i + 4), 16384 + 4 * Number(entry))
    const history = memoryFolder({ ...files, 'FDHash_1.pth': fieldOf(1, source) })
    const { indexings } = await importOriginal(history, createMemoryRun())
    expect(indexings).toMatchObject([
      { clip: 0, indexing: 'exact', found: 'exact' },
      { clip: 1, indexing: 'exact', found: 'exact' },
    ])
  })

  it('is wrapping when only those entries are trained in levels 12 and 13 that have the index (x + R y) mod T', async () => {
    const field = await readTorchState(files['FDHash_0.pth'] ?? new Uint8Array(), 'FDHash_0.pth')
    const parameters = toFloat32(field.get('enc_models.0.params') ?? values('clip0.mlp.f16')).slice()
    const cloud = plyElement(readPly(files['point/0.ply'] ?? new Uint8Array(), '0.ply'), 'vertex', '0.ply')
    const [low, high] = bounds(0).map(([, { data }]) => data)
    const cells = (axis: number, resolution: number) =>
      Array.from(plyColumn(cloud, 'xyz'[axis]!)?.values ?? [], (x) =>
        Math.floor(((x - low![axis]!) / (high![axis]! - low![axis]!)) * (resolution - 1) + 0.5),
      )
    for (const { resolution, offset, entries } of gridLayout(originalGrid(17)).levels.slice(12, 14)) {
      const trained = new Uint8Array(entries)
      const [xs, ys] = [cells(0, resolution), cells(1, resolution)]
      for (const [n, x] of xs.entries())
        for (const [dx, dy] of [
          [0, 0],
          [1, 0],
          [0, 1],
          [1, 1],
        ] as const)
          trained[(x + dx + resolution * (ys[n]! + dy)) % entries] = 1
      for (const [entry, is] of trained.entries())
        if (!is) parameters.fill(5e-5, 16384 + 4 * (offset + entry), 16384 + 4 * (offset + entry + 1))
    }
    const history = memoryFolder({ ...files, 'FDHash_0.pth': fieldOf(0, parameters) })
    const { indexings } = await importOriginal(history, createMemoryRun())
    expect(indexings).toMatchObject([{ clip: 0, indexing: 'wrapping', found: 'wrapping' }])
  })
})
