import { boundsOf } from '@clipgstream/gaussians'
import { gridLayout, originalGrid } from '@clipgstream/hashgrid'
import {
  decodeHalf,
  encodeHalf,
  type NamedArray,
  type PlyElement,
  plyColumn,
  plyElement,
  readPly,
  readTorchState,
  toFloat32,
  type Vfs,
} from '@clipgstream/io'
import { ClipStreamError } from '../errors.js'
import type { AnchorArrays, ClipState, HeadArrays } from '../state.js'

// The files of the original's `history/` folder.

export const fieldWidth = 64
export const fieldHidden = 128

export interface ImportedAnchors {
  arrays: AnchorArrays
  perAnchor: number
  staticFeatures: number
}

export interface ClipFiles {
  own: AnchorArrays
  field: ClipState['field']
  bounds: ClipState['bounds']
  log2TableSize: number
}

export function fieldPath(clip: number): string {
  return `FDHash_${clip}.pth`
}

export async function clipNumbers(history: Vfs): Promise<number[]> {
  const entries = (await history.exists('point')) ? await history.list('point') : []
  return entries.flatMap(({ name }) => /^(\d+)\.ply$/.exec(name)?.slice(1).map(Number) ?? []).sort((a, b) => a - b)
}

export async function readClipFiles(history: Vfs, clip: number, reference: ImportedAnchors): Promise<ClipFiles> {
  const path = fieldPath(clip)
  const state = await readTorchState(await history.read(path), path)
  const parameters = floats(state, 'enc_models.0.params', path)
  const rounded = decodeHalf(encodeHalf(parameters))
  const layer = fieldHidden * fieldWidth
  const log2TableSize = tableSize(rounded.length - 2 * layer, path)
  const field = {
    net: { w1: rounded.slice(0, layer), b1: null, w2: rounded.slice(layer, 2 * layer), b2: null },
    table: rounded.slice(2 * layer),
  }
  const own = clip === 0 ? reference.arrays : (await readAnchors(history, clip)).arrays
  const min = state.has('xyz_bound_min') ? floats(state, 'xyz_bound_min', path) : null
  const max = state.has('xyz_bound_max') ? floats(state, 'xyz_bound_max', path) : null
  const bounds =
    min && max
      ? { min: triple(min, path), max: triple(max, path) }
      : boundsOf(reference.arrays.positions, own.positions)
  return { own, field, bounds, log2TableSize }
}

/** The table size of the original's 16 levels of 4 features that has this many numbers. */
function tableSize(numbers: number, path: string): number {
  for (let log2 = 4; log2 <= 24; log2++) if (gridLayout(originalGrid(log2)).entries * 4 === numbers) return log2
  throw new ClipStreamError(path, `has ${numbers} grid parameters, which no table of the original's 16 levels has`)
}

export async function readDecoder(history: Vfs, name: string): Promise<HeadArrays> {
  const path = `decoder/mlp_${name}.pth`
  const state = await readTorchState(await history.read(path), path)
  return {
    w1: floats(state, '0.weight', path),
    b1: floats(state, '0.bias', path),
    w2: floats(state, '2.weight', path),
    b2: floats(state, '2.bias', path),
  }
}

export async function readAnchors(history: Vfs, clip: number): Promise<ImportedAnchors> {
  const path = `point/${clip}.ply`
  const vertex = plyElement(readPly(await history.read(path), path), 'vertex', path)
  const numbered = (prefix: string) =>
    vertex.columns.filter(({ name }) => new RegExp(`^${prefix}\\d+$`).test(name)).length
  const staticFeatures = numbered('f_anchor_feat_')
  const rows = (names: readonly string[]) => interleave(vertex, names, path)
  const count = (n: number, prefix: string) => Array.from({ length: n }, (_, i) => prefix + i)
  return {
    arrays: {
      positions: rows(['x', 'y', 'z']),
      staticFeatures: rows(count(staticFeatures, 'f_anchor_feat_')),
      logScaling: rows(count(6, 'scale_')),
    },
    perAnchor: numbered('f_offset_') / 3,
    staticFeatures,
  }
}

function interleave(vertex: PlyElement, names: readonly string[], path: string): Float32Array {
  const result = new Float32Array(vertex.count * names.length)
  for (const [c, name] of names.entries()) {
    const column = plyColumn(vertex, name)
    if (!column) throw new ClipStreamError(path, `has no property ${name}`)
    for (let i = 0; i < vertex.count; i++) result[i * names.length + c] = column.values[i]!
  }
  return result
}

function floats(state: ReadonlyMap<string, NamedArray>, name: string, path: string): Float32Array {
  const array = state.get(name)
  if (!array) throw new ClipStreamError(path, `has no ${name}; it has ${[...state.keys()].join(', ')}`)
  return toFloat32(array)
}

function triple(values: Float32Array, path: string): [number, number, number] {
  const [x, y, z] = values
  if (x === undefined || y === undefined || z === undefined)
    throw new ClipStreamError(path, 'has bounds without three axes')
  return [x, y, z]
}
