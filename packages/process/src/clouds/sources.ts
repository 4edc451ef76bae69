import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readPointCloud } from '@clipgstream/io'
import { createNodeDecoder } from '@clipgstream/io/node'
import { type Capture, distantPoints, estimateCloud, sparseCloud as triangulateCorners } from '@clipgstream/stereo'
import type { Device } from '@clipgstream/tensor'
import { sparsePath } from '../cameras.js'
import { ProcessError } from '../errors.js'
import type { DatasetView } from '../images.js'
import { frameName } from '../pictures.js'
import type { Source } from '../source.js'
import type { Workspace } from '../steps/step.js'
import type { CloudSource, ProcessOptions } from '../types.js'
import { type ColoredCloud, toColored } from './merge.js'
import { randomPoints } from './random.js'

/** Makes the cloud of a frame of the dataset. */
export interface CloudMaker {
  readonly kind: Exclude<CloudSource, 'auto'>
  /** Part of what the clouds depend on. */
  readonly inputs: unknown
  /** Every frame has the same cloud: it is made once. */
  readonly still: boolean
  make(frame: number, onProgress: (note: string) => void): Promise<ColoredCloud>
}

export interface CloudContext {
  readonly workspace: Workspace
  readonly source: Source
  readonly views: readonly DatasetView[]
  /** Image of a view and frame below the dataset's folder, by `NAME FRAME`. */
  readonly images: ReadonlyMap<string, string>
  readonly testCameras: ReadonlySet<string>
  readonly options: ProcessOptions
  /** The source's frame that became a frame of the dataset. */
  sourceFrame(frame: number): number
  /** Opened when it is first needed. */
  device(): Promise<Device>
}

const fewest = 3

/** The best that there is: see `ProcessOptions.clouds`. */
export async function chooseClouds(context: CloudContext, frames: readonly number[]): Promise<CloudMaker> {
  const { clouds = 'auto' } = context.options
  const fused = await findFused(context, frames)
  const stereo = stereoViews(context)
  const given = context.source.capture.clouds
  switch (clouds) {
    case 'fused':
      if (fused.missing.length > 0)
        throw new ProcessError(
          `stereo/fused.ply is missing for ${fused.missing.length} of ${frames.length} frames, such as ${fused.missing[0]}; choose --clouds stereo or sparse`,
        )
      return fusedClouds(fused.paths)
    case 'stereo':
      if (stereo.length < fewest)
        throw new ProcessError(
          `stereo needs ${fewest} cameras or more, there are ${stereo.length} that are not for testing; --stereo-all-cameras takes those, too`,
        )
      return stereoClouds(context, stereo)
    case 'given':
      if (given.length === 0)
        throw new ProcessError('the source has no cloud; choose --clouds stereo, sparse or random')
      return givenCloud(context)
    case 'sparse':
      return sparseCloud(context)
    case 'random':
      return randomCloud(context)
    case 'auto':
      if (fused.missing.length === 0 && frames.length > 0) return fusedClouds(fused.paths)
      if (stereo.length >= fewest) return stereoClouds(context, stereo)
      return given.length > 0 ? givenCloud(context) : sparseCloud(context)
    default:
      return clouds satisfies never
  }
}

async function findFused({ source, workspace }: CloudContext, frames: readonly number[]) {
  const paths = new Map<number, string>()
  const missing: string[] = []
  for (const frame of frames) {
    const inside = `${frameName(frame)}/stereo/fused.ply`
    for (const folder of [source.folder, workspace.folder]) {
      if (paths.has(frame)) continue
      const there = await stat(join(folder, inside)).catch(() => null)
      if (there?.isFile()) paths.set(frame, join(folder, inside))
    }
    if (!paths.has(frame)) missing.push(inside)
  }
  return { paths, missing }
}

function fusedClouds(paths: ReadonlyMap<number, string>): CloudMaker {
  return {
    kind: 'fused',
    inputs: { paths: [...paths] },
    still: false,
    async make(frame) {
      const path = paths.get(frame) ?? ''
      return toColored(readPointCloud(new Uint8Array(await readFile(path)), path))
    },
  }
}

function stereoViews({ views, testCameras, options }: CloudContext): DatasetView[] {
  return views.filter(({ name }) => options.stereoAllCameras === true || !testCameras.has(name))
}

function stereoClouds(context: CloudContext, views: readonly DatasetView[]): CloudMaker {
  const { workspace, options } = context
  const skipLevels = options.stereoHalvings ?? 0
  return {
    kind: 'stereo',
    inputs: { cameras: views.map(({ name }) => name), skipLevels },
    still: false,
    async make(frame, onProgress) {
      const captures = await capturesOf(context, views, frame)
      const points = await sparsePoints(context)
      const settings = {
        skipLevels,
        ...(points.positions.length >= 60 && { points: points.positions }),
        ...(workspace.signal && { signal: workspace.signal }),
      }
      return estimateCloud(await context.device(), captures, settings, ({ stage, done, total }) =>
        onProgress(`frame ${frame}: ${stage} ${done}/${total}`),
      )
    },
  }
}

/** Views and pictures of a frame. */
async function capturesOf(
  { workspace, images }: CloudContext,
  views: readonly DatasetView[],
  frame: number,
): Promise<Capture[]> {
  const decoder = createNodeDecoder()
  const captures: Capture[] = []
  for (const { name, view } of views) {
    const path = images.get(`${name} ${frame}`)
    if (path === undefined) continue
    captures.push({
      view,
      image: await decoder.decode(new Uint8Array(await readFile(join(workspace.folder, path))), path),
    })
  }
  if (captures.length < fewest)
    throw new ProcessError(`frame ${frame} has images of ${captures.length} cameras; ${fewest} or more are needed`)
  return captures
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

function givenCloud({ source, sourceFrame }: CloudContext): CloudMaker {
  const { clouds } = source.capture
  return {
    kind: 'given',
    inputs: { clouds: clouds.map(({ path }) => path) },
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
      return triangulateCorners(captures, { minViews: fewest, ...(signal && { signal }) }, (done, total) =>
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
