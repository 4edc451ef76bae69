import { gridLayout } from '@clipgstream/hashgrid'
import { readPointCloud, type Vfs, writePointCloud } from '@clipgstream/io'
import type { Config } from '../config.js'
import { ClipStreamError } from '../errors.js'
import type { Inheritance } from '../initial.js'
import { decoderShape, fieldShape, gridShape } from '../operators.js'
import { type AnchorArrays, type ClipState, noAnchors } from '../state.js'
import {
  type ClipEntry,
  type ClipRecord,
  type ClipStreamManifest,
  clipFolder,
  encodeJson,
  entryPath,
  type FileEntry,
  referenceFolder,
} from './format.js'
import type { RunFolder } from './run-folder.js'
import { encodeTensors, headEntries, TensorFile } from './tensors.js'

const points = 'anchors.ply'
const features = 'anchors.safetensors'
const decoders = 'decoders.safetensors'
const field = 'field.safetensors'
const colors = 'colors.safetensors'

/** The files of a finished clip, by path. A reference clip keeps what others inherit in a folder of its own. */
function encodeClip(config: Config, kind: ClipEntry['kind'], state: ClipState): Map<string, Uint8Array> {
  const folder = clipFolder(state.clip)
  const shared = kind === 'reference' ? referenceFolder : folder
  const files = new Map<string, Uint8Array>()
  const { positions, staticFeatures, logScaling } = state.own
  const count = positions.length / 3
  if (count > 0) {
    files.set(`${shared}/${points}`, writePointCloud({ positions }))
    files.set(
      `${shared}/${features}`,
      encodeTensors(
        new Map([
          ['static_features', { shape: [count, config.decoders.staticFeatures], data: staticFeatures }],
          ['log_scaling', { shape: [count, 6], data: logScaling }],
        ]),
      ),
    )
  }
  if (!state.inheritsDecoders)
    files.set(`${shared}/${decoders}`, encodeTensors(headEntries(decoderShape(config), state.decoders)))
  const net = headEntries(fieldShape(config), [state.field.net])
  const { entries } = gridLayout(gridShape(config.grid))
  net.set('table', { shape: [entries, config.grid.features], data: state.field.table })
  files.set(`${folder}/${field}`, encodeTensors(net))
  if (state.colors) {
    const shape = [state.colors.length / 12, 3, 4]
    files.set(`${folder}/${colors}`, encodeTensors(new Map([['colors', { shape, data: state.colors }]])))
  }
  return files
}

export interface FinishedClip {
  config: Config
  kind: ClipEntry['kind']
  state: ClipState
  frames: { start: number; end: number }
  colorCameras: string[] | null
  training: ClipEntry['training']
}

/** Puts a clip into the run: its files first, then its record, which makes it exist. Gives the bytes of the files. */
export async function writeClip(run: RunFolder, clip: FinishedClip): Promise<number> {
  const { config, kind, state, frames, colorCameras, training } = clip
  const files: FileEntry[] = []
  for (const [path, bytes] of encodeClip(config, kind, state)) {
    await run.write(path, bytes)
    files.push(await describeFile(path, bytes))
  }
  const record: ClipRecord = {
    index: state.clip,
    ...frames,
    kind,
    anchors: { inherited: state.inherited.positions.length / 3, own: state.own.positions.length / 3 },
    inheritsDecoders: state.inheritsDecoders,
    bounds: { min: [...state.bounds.min], max: [...state.bounds.max] },
    grid: config.grid,
    field: config.field,
    colorCameras,
    training,
    files,
    config,
  }
  await run.write(entryPath(state.clip), encodeJson(record))
  return files.reduce((sum, file) => sum + file.bytes, 0)
}

/** What source clips take over from the reference clip. */
export async function readReference(
  vfs: Vfs,
  manifest: Pick<ClipStreamManifest, 'config'>,
  entry: ClipEntry,
): Promise<Inheritance> {
  return {
    anchors: await readAnchors(vfs, manifest.config, entry, referenceFolder),
    decoders: (await readTensors(vfs, entry, `${referenceFolder}/${decoders}`)).heads(decoderShape(manifest.config)),
    colors: entry.colorCameras && {
      cameras: entry.colorCameras,
      maps: await readColors(vfs, entry, entry.colorCameras),
    },
  }
}

function colorFile(entry: ClipEntry): string {
  return `${clipFolder(entry.index)}/${colors}`
}

async function readColors(vfs: Vfs, entry: ClipEntry, cameras: readonly string[]): Promise<Float32Array> {
  const path = colorFile(entry)
  return (await readTensors(vfs, entry, path)).floats('colors', [cameras.length, 3, 4])
}

/** A clip of the stream; `reference` is needed for the parts that it inherits. */
export async function readClip(
  vfs: Vfs,
  manifest: Pick<ClipStreamManifest, 'config'>,
  entry: ClipEntry,
  reference: Inheritance,
): Promise<ClipState> {
  const config = { ...manifest.config, grid: entry.grid, field: entry.field }
  const folder = clipFolder(entry.index)
  const isReference = entry.kind === 'reference'
  const own = isReference
    ? reference.anchors
    : entry.anchors.own > 0
      ? await readAnchors(vfs, config, entry, folder)
      : noAnchors
  const ownDecoders = !isReference && !entry.inheritsDecoders
  const fieldFile = await readTensors(vfs, entry, `${folder}/${field}`)
  const [net] = fieldFile.heads(fieldShape(config))
  if (!net) throw new ClipStreamError(`${folder}/${field}`, 'has no network')
  return {
    clip: entry.index,
    inherited: entry.anchors.inherited > 0 ? reference.anchors : noAnchors,
    own,
    decoders: ownDecoders
      ? (await readTensors(vfs, entry, `${folder}/${decoders}`)).heads(decoderShape(config))
      : reference.decoders,
    inheritsDecoders: entry.inheritsDecoders,
    field: { net, table: fieldFile.floats('table', [gridLayout(gridShape(entry.grid)).entries, entry.grid.features]) },
    bounds: entry.bounds,
    colors: entry.colorCameras && (await readColors(vfs, entry, entry.colorCameras)),
  }
}

async function readAnchors(vfs: Vfs, config: Config, entry: ClipEntry, folder: string): Promise<AnchorArrays> {
  const { own } = entry.anchors
  const cloud = readPointCloud(await readVerified(vfs, entry, `${folder}/${points}`), `${folder}/${points}`)
  if (cloud.count !== own) throw new ClipStreamError(`${folder}/${points}`, `has ${cloud.count} points, not ${own}`)
  const file = await readTensors(vfs, entry, `${folder}/${features}`)
  return {
    positions: cloud.positions,
    staticFeatures: file.floats('static_features', [own, config.decoders.staticFeatures]),
    logScaling: file.floats('log_scaling', [own, 6]),
  }
}

async function readTensors(vfs: Vfs, entry: ClipEntry, path: string): Promise<TensorFile> {
  return TensorFile.parse(path, await readVerified(vfs, entry, path))
}

/** A file of the clip table; its size and checksum must be those that the table gives. */
async function readVerified(vfs: Vfs, entry: ClipEntry, path: string): Promise<Uint8Array> {
  const expected = entry.files.find((file) => file.path === path)
  if (!expected) throw new ClipStreamError(path, `is not among the files of clip ${entry.index}`)
  const bytes = await vfs.read(path)
  const actual = await describeFile(path, bytes)
  if (actual.bytes !== expected.bytes)
    throw new ClipStreamError(
      path,
      `has ${actual.bytes} bytes, not ${expected.bytes}; copy the stream again or train the clip anew`,
    )
  if (actual.sha256 !== expected.sha256)
    throw new ClipStreamError(
      path,
      'does not have the checksum of the clip table; copy the stream again or train the clip anew',
    )
  return bytes
}

export async function describeFile(path: string, bytes: Uint8Array): Promise<FileEntry> {
  return { path, bytes: bytes.length, sha256: await sha256(bytes) }
}

export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
