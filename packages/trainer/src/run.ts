import type { Config } from './config.js'
import type { TrainingData } from './data.js'
import { RunExistsError, RunMismatchError } from './errors.js'
import { isTree } from './merge.js'
import { parseConfig } from './resolve-config.js'
import { parseCheckpoint } from './stream/checkpoint.js'
import { type ClipStreamManifest, checkpointPath, formatVersion } from './stream/format.js'
import { readManifest, readRecord, refreshManifest } from './stream/manifest.js'
import type { RunFolder } from './stream/run-folder.js'

export type RunHeader = Omit<ClipStreamManifest, 'clips'>

// What a source clip may set for itself: its own field, and how it is trained.
const ownSettings = [
  ...['grid', 'field', 'optimizer', 'loss', 'growth', 'checkpointing', 'colorCompensation', 'ablation'],
  'execution',
]

/** The header of a new run, or that of an old one if it was made with the same data and settings. */
export async function beginRun(run: RunFolder, config: Config, data: TrainingData, extent: number): Promise<RunHeader> {
  const known = await readManifest(run)
  if (!known) {
    const header: RunHeader = {
      format: 'clipstream',
      version: formatVersion,
      config,
      data: { fingerprint: data.fingerprint, frames: data.frames, extent, cameras: storedCameras(data) },
    }
    await refreshManifest(run, header)
    return header
  }
  const { clips: _, ...stored } = known
  const frames = Math.max(stored.data.frames, data.frames)
  const header = { ...stored, data: { ...stored.data, frames, cameras: joinedCameras(stored.data.cameras, data) } }
  if (header.data.fingerprint !== data.fingerprint) {
    throw new RunMismatchError(
      'data',
      header.data.fingerprint,
      data.fingerprint,
      'Cameras or images have changed; restore them or train into another folder',
    )
  }
  const begun = known.clips.length > 0 || (await run.exists(checkpointPath(0)))
  if (!begun) {
    await refreshManifest(run, { ...header, config })
    return { ...header, config }
  }
  requireSame(header.config, config, ownSettings)
  return header
}

type StoredCamera = RunHeader['data']['cameras'][number]

function storedCameras(data: TrainingData): StoredCamera[] {
  return data.cameras.map(({ name, test, view }, index) => {
    const { own, all } = framesOf(data, index)
    const camera = { name, test, view: { ...view, worldToCamera: [...view.worldToCamera] } }
    return own.length < all.length ? { ...camera, frames: own } : camera
  })
}

/** Frames with images, of all parts of a sequence that the run was given so far. */
function joinedCameras(stored: readonly StoredCamera[], data: TrainingData): StoredCamera[] {
  return stored.map((camera) => {
    const index = data.cameras.findIndex(({ name }) => name === camera.name)
    if (!camera.frames || index < 0) return camera
    const frames = new Set([...camera.frames, ...framesOf(data, index).own])
    return { ...camera, frames: [...frames].sort((a, b) => a - b) }
  })
}

/** Frames of the clips, and those of them that a camera has images of. */
function framesOf({ clips, has }: TrainingData, camera: number): { own: number[]; all: number[] } {
  const all = clips.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i))
  return { own: has ? all.filter((frame) => has(camera, frame)) : all, all }
}

/**
 * Checks what the run has of a clip: nothing is trained over unless it is to be resumed, and a checkpoint is gone on with
 * only under the settings that it was made with.
 */
export async function checkResumable(
  run: RunFolder,
  config: Config,
  data: TrainingData,
  clip: number,
  resume: boolean,
): Promise<void> {
  const path = checkpointPath(clip)
  const finished = await readRecord(run, clip)
  if (!resume && (finished || (await run.exists(path)))) {
    throw new RunExistsError(clip, finished ? 'finished' : 'begun')
  }
  if (finished || !(await run.exists(path))) return
  const { position } = parseCheckpoint(path, await run.read(path))
  if (position.fingerprint !== data.fingerprint)
    throw new RunMismatchError(
      'data',
      position.fingerprint,
      data.fingerprint,
      'Restore the data or remove the checkpoint',
    )
  requireSame(parseConfig(JSON.parse(position.config)), config, ['checkpointing', 'execution'])
}

function requireSame(stored: unknown, given: unknown, but: readonly string[]): void {
  const difference = firstDifference(stored, given, '', but)
  if (difference) {
    throw new RunMismatchError(
      difference.key,
      JSON.stringify(difference.stored),
      JSON.stringify(difference.given),
      'Use the settings of the run (they are in its clipstream.json) or train into another folder',
    )
  }
}

function firstDifference(
  stored: unknown,
  given: unknown,
  key: string,
  but: readonly string[],
): { key: string; stored: unknown; given: unknown } | null {
  if (isTree(stored) && isTree(given)) {
    for (const name of new Set([...Object.keys(stored), ...Object.keys(given)])) {
      if (key === '' && but.includes(name)) continue
      const found = firstDifference(stored[name], given[name], key ? `${key}.${name}` : name, but)
      if (found) return found
    }
    return null
  }
  return JSON.stringify(stored) === JSON.stringify(given) ? null : { key, stored, given }
}
