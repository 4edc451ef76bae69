import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readPointCloud } from '@clipgstream/io'
import { distantPoints, sparseCloud as triangulateCorners } from '@clipgstream/stereo'
import { sparsePath } from '../cameras.js'
import { ProcessError } from '../errors.js'
import { frameName } from '../pictures.js'
import { cloudStamps } from '../source.js'
import { type CloudContext, capturesOf, fewestViews, stereoViews } from './captures.js'
import type { CloudMaker } from './maker.js'
import { type ColoredCloud, toColored } from './merge.js'
import { randomPoints } from './random.js'
import { stereoClouds } from './stereo.js'

type Known = Pick<CloudContext, 'workspace' | 'source' | 'options' | 'testCameras' | 'sourceFrame'>

/** Refuses clouds that cannot be had of these cameras; known before anything is made. */
export async function checkClouds(known: Known, cameras: readonly string[], frames: readonly number[]): Promise<void> {
  const { options, source } = known
  const usable = usableCameras(known, cameras)
  if (options.clouds === 'fused') {
    const { missing } = await findFused(known, frames)
    if (missing.length > 0)
      throw new ProcessError(
        `stereo/fused.ply is missing for ${missing.length} of ${frames.length} frames, such as ${missing[0]}; choose --clouds stereo or sparse`,
      )
  }
  if (options.clouds === 'stereo' && usable.length < fewestViews)
    throw new ProcessError(
      `stereo needs ${fewestViews} cameras or more, there are ${usable.length} that are not for testing; --stereo-all-cameras takes those, too`,
    )
  if (options.clouds === 'given' && source.capture.clouds.length === 0)
    throw new ProcessError('the source has no cloud; choose --clouds stereo, sparse or random')
}

/** Where points come from: what was asked for, or the best that there is; see `ProcessOptions.clouds`. */
export async function cloudKind(
  known: Known,
  cameras: readonly string[],
  frames: readonly number[],
): Promise<CloudMaker['kind']> {
  const { options, source } = known
  const { clouds = 'auto' } = options
  if (clouds !== 'auto') return clouds
  const { missing } = await findFused(known, frames)
  if (missing.length === 0 && frames.length > 0) return 'fused'
  if (usableCameras(known, cameras).length >= fewestViews) return 'stereo'
  return source.capture.clouds.length > 0 ? 'given' : 'sparse'
}

export async function chooseClouds(context: CloudContext, frames: readonly number[]): Promise<CloudMaker> {
  const cameras = context.views.map(({ name }) => name)
  await checkClouds(context, cameras, frames)
  const kind = await cloudKind(context, cameras, frames)
  switch (kind) {
    case 'fused':
      return fusedClouds(await findFused(context, frames))
    case 'stereo':
      return stereoClouds(context, stereoViews(context), frames)
    case 'given':
      return givenCloud(context)
    case 'sparse':
      return sparseCloud(context)
    case 'random':
      return randomCloud(context)
    default:
      return kind satisfies never
  }
}

function usableCameras({ options, testCameras }: Known, cameras: readonly string[]): string[] {
  return cameras.filter((name) => options.stereoAllCameras === true || !testCameras.has(name))
}

interface Fused {
  readonly paths: ReadonlyMap<number, string>
  /** Frame, path, size and time of each. */
  readonly files: readonly (readonly [number, string, number, number])[]
  readonly missing: readonly string[]
}

/** A frame's `stereo/fused.ply`, in the folder of the source's own frame or in that of the dataset. */
async function findFused({ source, workspace, sourceFrame }: Known, frames: readonly number[]): Promise<Fused> {
  const files: [number, string, number, number][] = []
  const missing: string[] = []
  for (const frame of frames) {
    const places = [
      join(source.folder, sourceFolder(source, sourceFrame(frame))),
      join(workspace.folder, frameName(frame)),
    ]
    const paths = places.map((folder) => join(folder, 'stereo/fused.ply'))
    const found = await Promise.all(paths.map((path) => stat(path).catch(() => null)))
    const which = found.findIndex((info) => info?.isFile())
    const [path, info] = [paths[which], found[which]]
    if (path !== undefined && info) files.push([frame, path, info.size, Math.round(info.mtimeMs)])
    else missing.push(join(sourceFolder(source, sourceFrame(frame)), 'stereo/fused.ply'))
  }
  return { paths: new Map(files.map(([frame, path]) => [frame, path])), files, missing }
}

/** Where the images of a frame of the source lie, whose numbers need not begin at 0. */
function sourceFolder({ recordings }: Known['source'], frame: number): string {
  for (const recording of recordings.values()) {
    const path = recording.kind === 'images' ? recording.images[frame]?.path : undefined
    const folder = /^(frame\d+)\//.exec(path ?? '')?.[1]
    if (folder !== undefined) return folder
  }
  return frameName(frame)
}

function fusedClouds({ paths, files }: Fused): CloudMaker {
  return {
    kind: 'fused',
    inputs: { files },
    still: false,
    async make(frame) {
      const path = paths.get(frame) ?? ''
      return toColored(readPointCloud(new Uint8Array(await readFile(path)), path))
    },
  }
}

/** Random points far away, where the first frame's cloud has nothing; see `ProcessOptions.distantPoints`. */
export async function makeDistant(context: CloudContext, cloud: ColoredCloud, count: number): Promise<ColoredCloud> {
  const captures = await capturesOf(context, stereoViews(context), 0)
  const { positions } = cloud
  return distantPoints(captures, { count: positions.length / 3, positions }, { count })
}

async function sparsePoints({ workspace }: CloudContext): Promise<ColoredCloud> {
  return toColored(readPointCloud(new Uint8Array(await readFile(join(workspace.folder, sparsePath))), sparsePath))
}

async function givenCloud({ source, sourceFrame }: CloudContext): Promise<CloudMaker> {
  const { clouds } = source.capture
  return {
    kind: 'given',
    inputs: { clouds: await cloudStamps(source) },
    still: clouds.every(({ frames }) => frames === null),
    async make(frame) {
      const own = sourceFrame(frame)
      const cloud = clouds.find(({ frames }) => frames !== null && frames[0] <= own && own < frames[1])
      const found = cloud ?? clouds.find(({ frames }) => frames === null) ?? clouds[0]
      if (!found) throw new ProcessError('the source has no cloud')
      return toColored(await found.read())
    },
  }
}

/** What COLMAP triangulated while it placed the cameras; without it corners that match, triangulated frame by frame. */
async function sparseCloud(context: CloudContext): Promise<CloudMaker> {
  const points = await sparsePoints(context)
  if (points.positions.length > 0) return { kind: 'sparse', inputs: {}, still: true, make: async () => points }
  const views = stereoViews(context)
  const { signal } = context.workspace
  return {
    kind: 'sparse',
    inputs: { cameras: views.map(({ name }) => name) },
    still: false,
    async make(frame, onProgress) {
      const captures = await capturesOf(context, views, frame)
      return triangulateCorners(captures, { minViews: fewestViews, ...(signal && { signal }) }, (done, total) =>
        onProgress(`frame ${frame}: corners ${done}/${total}`),
      )
    },
  }
}

function randomCloud(context: CloudContext): CloudMaker {
  const views = stereoViews(context).map(({ view }) => view)
  const count = context.options.randomPoints ?? 20_000
  const others = Math.max(1, Math.min(3, views.length - 1) - 1)
  return {
    kind: 'random',
    inputs: { count, others },
    still: true,
    make: async () => randomPoints(views, count, others),
  }
}
