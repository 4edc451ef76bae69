import type { Vfs } from '@clipgstream/io'
import type { Config } from '../config.js'
import type { TrainingCamera } from '../data.js'
import { ClipStreamError } from '../errors.js'
import type { Inheritance } from '../initial.js'
import { decoderNames } from '../operators.js'
import { preset } from '../presets.js'
import { type HeadArrays, noAnchors } from '../state.js'
import { writeClip } from '../stream/clip-files.js'
import { type ClipStreamManifest, formatVersion } from '../stream/format.js'
import { refreshManifest } from '../stream/manifest.js'
import type { RunFolder } from '../stream/run-folder.js'
import {
  type ClipFiles,
  clipNumbers,
  fieldHidden,
  fieldPath,
  fieldWidth,
  type ImportedAnchors,
  readAnchors,
  readClipFiles,
  readDecoder,
} from './files.js'
import { type IndexingEvidence, indexingOf } from './indexing.js'

export interface ImportOptions {
  /** Frames a clip, which the original's files do not say. 10 when left out. */
  clipSize?: number
  /** Frames of the sequence; all clips full when left out. */
  frames?: number
  /** How the tiny-cuda-nn that trained it indexed its grid: `wrapping` before June 2025. Read off the tables when left out. */
  indexing?: Indexing
  /** Cameras to store in the stream, for players. */
  cameras?: readonly TrainingCamera[]
}

type Indexing = Config['grid']['indexing']

/** How the grid of an imported clip is indexed, and what its table says of that. */
export interface ImportedIndexing {
  clip: number
  /** What the stream has. */
  indexing: Indexing
  /** What the clip's table shows; null where it does not tell. */
  found: Indexing | null
  /** What was counted in the table. */
  reason: string
}

export interface ImportedStream {
  manifest: ClipStreamManifest
  /** Clips without a field. */
  skipped: number[]
  indexings: ImportedIndexing[]
}

/** What a stream has in place of a dataset's fingerprint when it was imported. */
export const importedFingerprint = 'imported'

/**
 * Turns the `history/` folder of the original into a clip stream: `point/n.ply`, `FDHash_n.pth`, `decoder/mlp_*.pth`. Only
 * tensors are read from the .pth files, nothing in them is run. The field's numbers are rounded to half precision, as the
 * original does before every use. Clips whose field is missing are left out; their numbers are in `skipped`. A clip whose
 * table does not tell its indexing takes that of the first that does. Throws, and writes nothing, when none tells.
 */
export async function importOriginal(
  history: Vfs,
  run: RunFolder,
  { clipSize = 10, frames, indexing, cameras = [] }: ImportOptions = {},
): Promise<ImportedStream> {
  const numbers = await clipNumbers(history)
  if (!numbers.includes(0))
    throw new ClipStreamError('point/0.ply', `is not in ${history.label}; the reference clip is needed`)
  const anchors = await readAnchors(history, 0)
  const decoders = await Promise.all(decoderNames.map((name) => readDecoder(history, name)))
  const reference: Inheritance = { anchors: anchors.arrays, decoders, colors: null }
  const total = frames ?? clipSize * (Math.max(...numbers) + 1)
  const present = await Promise.all(numbers.map((clip) => history.exists(fieldPath(clip))))
  const clips = numbers.filter((_, i) => present[i])
  const [first, ...others] = clips
  if (first === undefined)
    throw new ClipStreamError(fieldPath(0), `is not in ${history.label}; no clip can be imported without its field`)
  const read = async (clip: number): Promise<ClipFiles & { frames: Frames; evidence: IndexingEvidence }> => {
    const files = await readClipFiles(history, clip, anchors)
    const frames = { start: clip * clipSize, end: Math.min((clip + 1) * clipSize, total) }
    return { ...files, frames, evidence: evidenceOf(clip, files, anchors, frames) }
  }
  const common = indexing ?? (await firstFound(clips, async (clip) => (await read(clip)).evidence))
  const indexings: ImportedIndexing[] = []
  const write = async (clip: number): Promise<Config> => {
    const { own, field, bounds, log2TableSize, frames, evidence } = await read(clip)
    const used = indexing ?? evidence.indexing ?? common
    indexings.push({ clip, indexing: used, found: evidence.indexing, reason: evidence.reason })
    const config = importedConfig({ clipSize, log2TableSize, indexing: used, anchors, decoders })
    await writeClip(run, {
      config,
      kind: clip === 0 ? 'reference' : 'source',
      state: {
        clip,
        inherited: clip === 0 ? noAnchors : reference.anchors,
        own,
        decoders,
        inheritsDecoders: clip !== 0,
        field,
        bounds,
        colors: null,
      },
      frames,
      colorCameras: null,
      training: { steps: 0, loss: null },
    })
    return config
  }
  const config = await write(first)
  for (const clip of others) await write(clip)
  const manifest = await refreshManifest(run, {
    format: 'clipstream',
    version: formatVersion,
    config,
    data: {
      fingerprint: importedFingerprint,
      frames: total,
      extent: 1,
      cameras: cameras.map(({ name, test, view }) => ({
        name,
        test,
        view: { ...view, worldToCamera: [...view.worldToCamera] },
      })),
    },
  })
  return { manifest, skipped: numbers.filter((_, i) => !present[i]), indexings }
}

interface Frames {
  start: number
  end: number
}

/** The original trains frame i of a clip of F frames at the time i / F, also where the clip is the last and shorter. */
function evidenceOf(clip: number, files: ClipFiles, reference: ImportedAnchors, frames: Frames): IndexingEvidence {
  const count = frames.end - frames.start
  return indexingOf({
    positions: clip === 0 ? [files.own.positions] : [reference.arrays.positions, files.own.positions],
    bounds: files.bounds,
    times: Array.from({ length: count }, (_, i) => i / count),
    table: files.field.table,
    log2TableSize: files.log2TableSize,
  })
}

async function firstFound(
  clips: readonly number[],
  evidenceOf: (clip: number) => Promise<IndexingEvidence>,
): Promise<Indexing> {
  const reasons: string[] = []
  for (const clip of clips) {
    const { indexing, reason } = await evidenceOf(clip)
    if (indexing) return indexing
    reasons.push(`clip ${clip}: ${reason}`)
  }
  throw new ClipStreamError(
    fieldPath(clips[0] ?? 0),
    `does not tell how its hash grid was indexed (${reasons[0]}), nor does any other clip. Pass indexing: 'wrapping' if ` +
      "it was trained with a tiny-cuda-nn before June 2025, 'exact' if with a later one",
  )
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
  indexing: Indexing
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
