import { readdir, stat } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { type Capture, type CaptureImage, openCapture, type TestRule } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { ProcessError } from './errors.js'
import { offsetsOf } from './timing/align.js'
import type { CameraFrames } from './timing/plan.js'
import type { ProcessOptions, Report } from './types.js'
import { envelopeRate, soundOnsets } from './video/audio.js'
import { probeVideo, type VideoInfo } from './video/probe.js'

/** What a camera recorded. */
export type Recording =
  | { readonly kind: 'video'; readonly path: string; readonly info: VideoInfo }
  | { readonly kind: 'images'; readonly images: readonly (CaptureImage | null)[] }

export interface Source {
  readonly folder: string
  readonly capture: Capture
  readonly recordings: ReadonlyMap<string, Recording>
  readonly timelines: readonly CameraFrames[]
}

/** Opens a folder of recordings, and looks at every video from end to end. */
export async function openSource(folder: string, options: ProcessOptions, report: Report): Promise<Source> {
  const capture = await openCapture(nodeFolder(folder), captureOptions(options))
  for (const { severity, code, message } of capture.problems) {
    // A calibration that is about to be computed is not missing.
    if (code === 'uncalibrated' && options.calibrate) continue
    report({ type: severity === 'note' ? 'note' : 'warning', message })
  }
  if (capture.moving && options.calibrate)
    throw new ProcessError(
      `${folder} is of cameras that move (${capture.kind}): --calibrate ${options.calibrate} places static cameras only; use the poses that it has`,
    )
  const recordings = new Map<string, Recording>()
  for (const camera of capture.cameras) {
    options.signal?.throwIfAborted()
    const { source, name } = camera
    if (source.kind === 'video') {
      const path = join(folder, source.path)
      recordings.set(name, { kind: 'video', path, info: await probeVideo(path) })
    } else {
      const images: (CaptureImage | null)[] = []
      for (const image of source.images) images[image.frame] = image
      recordings.set(name, { kind: 'images', images: Array.from(images, (image) => image ?? null) })
    }
  }
  checkDamage(recordings, options, report)
  const timelines = [...recordings].map(([name, recording]): CameraFrames => {
    if (recording.kind === 'images') {
      return { name, present: recording.images.map((image) => image !== null), fps: capture.fps }
    }
    const { frames, fps, variable, turned, missing, gapAfter } = recording.info
    if (turned) report({ type: 'note', message: `${name}: its frames are turned as the file says: ${turned}` })
    if (variable && recording.info.damage === null)
      report({
        type: 'warning',
        message:
          gapAfter === null
            ? `${name}: the time between frames varies; frames are counted, not timed`
            : `${name} lost frames, by its time stamps: ${missing}, the first behind frame ${gapAfter}. Frames are counted, not timed: from there on it shows later moments than other cameras; take frames up to there (--frames), or record again`,
      })
    return { name, present: new Array<boolean>(frames).fill(true), fps }
  })
  return { folder, capture, recordings, timelines }
}

function captureOptions({ kind, pixelCentres, masks, test, lengths }: ProcessOptions) {
  return {
    ...(kind && { kind }),
    ...(pixelCentres && { pixelCentres }),
    ...(masks !== undefined && { masks }),
    ...(test && { test }),
    allowGaps: lengths === 'gaps',
    shots: true,
  }
}

function checkDamage(
  recordings: ReadonlyMap<string, Recording>,
  { damaged = 'refuse' }: ProcessOptions,
  report: Report,
): void {
  const found: string[] = []
  for (const [name, recording] of recordings) {
    if (recording.kind === 'video' && recording.info.damage !== null) found.push(`${name} ${recording.info.damage}`)
  }
  if (found.length === 0) return
  const empty = [...recordings].filter(([, recording]) => recording.kind === 'video' && recording.info.frames === 0)
  if (damaged === 'refuse' || empty.length > 0)
    throw new ProcessError(
      `${found.join('; ')}. Copy the video again${empty.length > 0 ? '' : ', or use the frames before the damage with --damaged keep'}`,
    )
  for (const message of found) report({ type: 'warning', message })
}

/** Offsets by sound, for captures of videos. */
export async function soundOffsets(source: Source, report: Report): Promise<Record<string, number>> {
  const signals = new Map<string, Float32Array>()
  const silent: string[] = []
  for (const [name, recording] of source.recordings) {
    if (recording.kind !== 'video' || !recording.info.audio) silent.push(name)
  }
  if (silent.length > 0)
    throw new ProcessError(
      `${silent.join(', ')} ${silent.length > 1 ? 'have' : 'has'} no sound; give offsets by --offsets instead of --align audio`,
    )
  for (const [name, recording] of source.recordings) {
    if (recording.kind === 'video') signals.set(name, await soundOnsets(recording.path))
  }
  const fps = source.timelines[0]?.fps
  if (!fps) throw new ProcessError('nothing says how many frames a second the videos have; give offsets by --offsets')
  const { offsets, lines } = offsetsOf(signals, envelopeRate, fps)
  for (const message of lines) report({ type: 'note', message })
  return offsets
}

type Stamp = readonly [path: string, size: number, time: number]

/** Sizes and times of all recordings of a source, with their masks, for records of steps. */
export async function fingerprint({ folder, capture }: Source): Promise<readonly Stamp[]> {
  const files = capture.cameras.flatMap(({ source }) =>
    source.kind === 'video'
      ? [source.path]
      : source.images.flatMap(({ path, mask }) => (mask === null ? [path] : [path, mask])),
  )
  const stamps: Stamp[] = []
  for (const path of files) stamps.push(await stampOf(folder, path))
  return stamps
}

/** The same of its clouds, of which some are folders of a few files. */
export async function cloudStamps({ folder, capture }: Source): Promise<readonly Stamp[]> {
  const stamps: Stamp[] = []
  for (const { path } of capture.clouds) {
    const inside = await readdir(join(folder, path)).catch(() => null)
    for (const name of inside?.sort() ?? ['.']) stamps.push(await stampOf(folder, join(path, name)))
  }
  return stamps
}

async function stampOf(folder: string, path: string): Promise<Stamp> {
  const { size, mtimeMs } = await stat(join(folder, path))
  return [path, size, Math.round(mtimeMs)]
}

/** Neither may hold the other. */
export function checkFolders(source: string, dataset: string): void {
  const [a, b] = [resolve(source), resolve(dataset)]
  const inside = (outer: string, inner: string) =>
    inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)
  if (inside(b, a))
    throw new ProcessError(`the source ${source} lies in the dataset's folder ${dataset}; choose another folder`)
  if (inside(a, b))
    throw new ProcessError(`the dataset's folder ${dataset} lies in the source ${source}; choose one outside of it`)
}

export type { TestRule }
