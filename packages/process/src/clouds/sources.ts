import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readPointCloud } from '@clipgstream/io'
import { distantPoints, sparseCloud as triangulateCorners } from '@clipgstream/stereo'
import { sparsePath } from '../cameras.js'
import { ProcessError } from '../errors.js'
import { frameName } from '../pictures.js'
import { type CloudContext, capturesOf, fewestViews, stereoViews } from './captures.js'
import type { CloudMaker } from './maker.js'
import { type ColoredCloud, toColored } from './merge.js'
import { randomPoints } from './random.js'
import { stereoClouds } from './stereo.js'

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
      if (stereo.length < fewestViews)
        throw new ProcessError(
          `stereo needs ${fewestViews} cameras or more, there are ${stereo.length} that are not for testing; --stereo-all-cameras takes those, too`,
        )
      return stereoClouds(context, stereo, frames)
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
      if (stereo.length >= fewestViews) return stereoClouds(context, stereo, frames)
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
