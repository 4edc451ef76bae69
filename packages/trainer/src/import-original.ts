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
import type { Config } from './config.js'
import type { TrainingCamera } from './data.js'
import { ClipStreamError } from './errors.js'
import type { Inheritance } from './initial.js'
import { decoderNames } from './operators.js'
import { preset } from './presets.js'
import { type AnchorArrays, type ClipState, type HeadArrays, noAnchors } from './state.js'
import { writeClip } from './stream/clip-files.js'
import { type ClipStreamManifest, formatVersion } from './stream/format.js'
import { refreshManifest } from './stream/manifest.js'
import type { RunFolder } from './stream/run-folder.js'

export interface ImportOptions {
  /** Frames a clip, which the original's files do not say. 10 when left out. */
  clipSize?: number
  /** Frames of the sequence; all clips full when left out. */
  frames?: number
  /** How the tiny-cuda-nn that trained it indexed its grid: `wrapping` before June 2025. */
  indexing?: Config['grid']['indexing']
  /** Cameras to store in the stream, for players. */
  cameras?: readonly TrainingCamera[]
}

const fieldWidth = 64
const fieldHidden = 128

/**
 * Turns the `history/` folder of the original into a clip stream: `point/n.ply`, `FDHash_n.pth`, `decoder/mlp_*.pth`. Only
 * tensors are read from the .pth files, nothing in them is run. The field's numbers are rounded to half precision, as the
 * original does before every use. Clips whose field is missing are left out; their numbers are in `skipped`.
 */
export async function importOriginal(
  history: Vfs,
  run: RunFolder,
  { clipSize = 10, frames, indexing = 'exact', cameras = [] }: ImportOptions = {},
): Promise<{ manifest: ClipStreamManifest; skipped: number[] }> {
  const clips = await clipNumbers(history)
  if (!clips.includes(0))
    throw new ClipStreamError('point/0.ply', `is not in ${history.label}; the reference clip is needed`)
  const anchors = await readAnchors(history, 0)
  const decoders = await Promise.all(decoderNames.map((name) => readDecoder(history, name)))
  const reference: Inheritance = { anchors: anchors.arrays, decoders, colors: null }
  const total = frames ?? clipSize * (Math.max(...clips) + 1)
  let header: Omit<ClipStreamManifest, 'clips'> | null = null
  const skipped: number[] = []
  for (const clip of clips) {
    const path = `FDHash_${clip}.pth`
    if (!(await history.exists(path))) {
      skipped.push(clip)
      continue
    }
    const { own, field, bounds, log2TableSize } = await readClipFiles(history, clip, anchors)
    const config = importedConfig({ clipSize, log2TableSize, indexing, anchors, decoders })
    header ??= {
      format: 'clipstream',
      version: formatVersion,
      config,
      data: {
        fingerprint: 'imported',
        frames: total,
        extent: 1,
        cameras: cameras.map(({ name, test, view }) => ({
          name,
          test,
          view: { ...view, worldToCamera: [...view.worldToCamera] },
        })),
      },
    }
    const state: ClipState = {
      clip,
      inherited: clip === 0 ? noAnchors : reference.anchors,
      own,
      decoders,
      inheritsDecoders: clip !== 0,
      field,
      bounds: bounds ?? boundsOf(reference.anchors.positions, own.positions),
      colors: null,
    }
    const range = { start: clip * clipSize, end: Math.min((clip + 1) * clipSize, total) }
    await writeClip(run, {
      config,
      kind: clip === 0 ? 'reference' : 'source',
      state,
      frames: range,
      colorCameras: null,
      training: { steps: 0, loss: null },
    })
  }
  if (!header)
    throw new ClipStreamError('FDHash_0.pth', `is not in ${history.label}; no clip can be imported without its field`)
  return { manifest: await refreshManifest(run, header), skipped }
}

interface ImportedAnchors {
  arrays: AnchorArrays
  perAnchor: number
  staticFeatures: number
}

function importedConfig({
  clipSize,
  log2TableSize,
  indexing,
  anchors,
  decoders,
}: {
  clipSize: number
  log2TableSize: number
  indexing: Config['grid']['indexing']
  anchors: ImportedAnchors
  decoders: readonly HeadArrays[]
}): Config {
  const config = preset('parity')
  const inputs = anchors.staticFeatures + fieldWidth
  const hidden = (i: number) => (decoders[i]?.w1.length ?? 0) / inputs
  return {
    ...config,
    grid: { ...config.grid, log2TableSize, indexing },
    field: { ...config.field, hidden: fieldHidden, features: fieldWidth },
    decoders: {
      staticFeatures: anchors.staticFeatures,
      combination: 'concatenate',
      gaussiansPerAnchor: anchors.perAnchor,
      hidden: { opacity: hidden(0), cov: hidden(1), color: hidden(2), offset: hidden(3) },
    },
    clips: { ...config.clips, size: clipSize },
  }
}

async function clipNumbers(history: Vfs): Promise<number[]> {
  const entries = (await history.exists('point')) ? await history.list('point') : []
  return entries.flatMap(({ name }) => /^(\d+)\.ply$/.exec(name)?.slice(1).map(Number) ?? []).sort((a, b) => a - b)
}

async function readClipFiles(history: Vfs, clip: number, reference: ImportedAnchors) {
  const path = `FDHash_${clip}.pth`
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
  const bounds = min && max ? { min: triple(min, path), max: triple(max, path) } : null
  return { own, field, bounds, log2TableSize }
}

/** The table size of the original's 16 levels of 4 features that has this many numbers. */
function tableSize(numbers: number, path: string): number {
  for (let log2 = 4; log2 <= 24; log2++) if (gridLayout(originalGrid(log2)).entries * 4 === numbers) return log2
  throw new ClipStreamError(path, `has ${numbers} grid parameters, which no table of the original's 16 levels has`)
}

async function readDecoder(history: Vfs, name: string): Promise<HeadArrays> {
  const path = `decoder/mlp_${name}.pth`
  const state = await readTorchState(await history.read(path), path)
  return {
    w1: floats(state, '0.weight', path),
    b1: floats(state, '0.bias', path),
    w2: floats(state, '2.weight', path),
    b2: floats(state, '2.bias', path),
  }
}

async function readAnchors(history: Vfs, clip: number): Promise<ImportedAnchors> {
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
