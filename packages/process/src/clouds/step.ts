import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cloudExtent } from '@clipgstream/gaussians'
import { OptionError, readPointCloud, writePointCloud } from '@clipgstream/io'
import { ProcessError } from '../errors.js'
import { runStep, type Workspace, workFolder } from '../steps/step.js'
import type { ProcessOptions } from '../types.js'
import type { CloudContext } from './captures.js'
import {
  type ColoredCloud,
  createResidual,
  joined,
  mergeClouds,
  mergeOver,
  originalThreshold,
  originalVoxel,
  toColored,
} from './merge.js'
import { chooseClouds, makeDistant } from './sources.js'

const distantPath = `${workFolder}/clouds/distant.ply`
const settingsPath = `${workFolder}/clouds/settings.json`

/**
 * Step 4: clouds of frames, of clips, and what each clip adds to clip 0. A frame's cloud is kept as it came; clips are merged
 * when all are there. The last clip may be short.
 */
export async function makeClouds(context: CloudContext, previous: readonly string[], count: number): Promise<string> {
  const { workspace, options } = context
  const { clipSize = 10, cloudEvery = 1 } = options
  for (const [name, value] of [
    ['clipSize', clipSize],
    ['cloudEvery', cloudEvery],
  ] as const)
    if (!(Number.isInteger(value) && value >= 1)) throw new OptionError(name, value, 'a whole number above 0')
  const frames = Array.from({ length: count }, (_, i) => i).filter((i) => (i % clipSize) % cloudEvery === 0)
  const maker = await chooseClouds(context, frames)
  const cloudFrames = maker.still ? [0] : frames
  const { background } = maker
  const clips = Array.from({ length: Math.ceil(count / clipSize) }, (_, i) => i)
  const ofFrame = (frame: number) => `${workFolder}/clouds/${String(frame).padStart(6, '0')}.ply`
  const { voxel, threshold, originalConstants = false, maxPoints = 100_000, distantPoints = 0 } = options
  const scale = { voxel, threshold, originalConstants, maxPoints }
  return runStep(workspace, {
    name: 'clouds',
    inputs: { previous, kind: maker.kind, maker: maker.inputs, clipSize, cloudFrames, count, scale, distantPoints },
    outputs: [
      ...(background?.files ?? []),
      ...cloudFrames.map(ofFrame),
      ...(distantPoints > 0 ? [distantPath] : []),
      settingsPath,
      ...clips.flatMap((clip) => [`plys_candidates/${clip}.ply`, `plys/${clip}.ply`]),
    ],
    async clear() {
      for (const path of [`${workFolder}/clouds`, 'plys', 'plys_candidates'])
        await rm(join(workspace.folder, path), { recursive: true, force: true })
    },
    async work(missing) {
      const wanted = new Set(missing)
      const total = cloudFrames.length + clips.length
      const todo = cloudFrames.filter((frame) => wanted.has(ofFrame(frame)))
      let done = cloudFrames.length - todo.length
      const progress = (note: string) => workspace.report({ type: 'progress', step: 'clouds', done, total, note })
      await background?.make(wanted, progress)
      for (const frame of todo) {
        workspace.signal?.throwIfAborted()
        progress(`frame ${frame}`)
        const cloud = await maker.make(frame, progress)
        if (cloud.positions.length === 0 && !background)
          workspace.report({ type: 'warning', message: `no points were found in frame ${frame}` })
        await workspace.write(ofFrame(frame), writePointCloud(cloud))
        done++
      }
      progress('merging')
      const read = (frame: number) => readCloud(workspace, ofFrame(frame))
      const still = background ? await readCloud(workspace, background.cloud) : null
      const cloudsOf = (clip: number) => {
        const own = maker.still ? [0] : cloudFrames.filter((frame) => Math.floor(frame / clipSize) === clip)
        return Promise.all(own.map(read))
      }
      const first = await cloudsOf(0)
      const chosen = chooseScale(first, options, maker.finest, still)
      const near = mergeClip(first, chosen.voxel, still)
      if (near.positions.length === 0)
        throw new ProcessError(
          `clip 0 has no points (--clouds ${maker.kind}): do neighbouring cameras see the same, and are their poses right? ` +
            'Where cameras stand far apart, --clouds sparse finds less but more surely, and --clouds random always has points',
        )
      const reference = distantPoints > 0 ? joined(near, await distant(near)) : near
      const residualOf = createResidual(reference, chosen.threshold, originalConstants ? 'nearest' : 'union')
      await workspace.write(settingsPath, `${JSON.stringify({ source: maker.kind, ...chosen })}\n`)
      async function distant(cloud: ColoredCloud): Promise<ColoredCloud> {
        if (wanted.has(distantPath))
          await workspace.write(distantPath, writePointCloud(await makeDistant(context, cloud, distantPoints)))
        return readCloud(workspace, distantPath)
      }
      for (const clip of clips) {
        workspace.signal?.throwIfAborted()
        const merged = clip === 0 ? reference : mergeClip(await cloudsOf(clip), chosen.voxel, still)
        const residual = clip === 0 ? reference : residualOf(merged)
        await workspace.write(`plys_candidates/${clip}.ply`, writePointCloud(merged))
        await workspace.write(`plys/${clip}.ply`, writePointCloud(residual))
        done++
        progress(`clip ${clip}: ${merged.positions.length / 3} points, ${residual.positions.length / 3} new`)
      }
    },
  })
}

async function readCloud(workspace: Workspace, path: string): Promise<ColoredCloud> {
  return toColored(readPointCloud(new Uint8Array(await readFile(join(workspace.folder, path))), path))
}

/**
 * Edges of voxels that scale with the scene, not finer than `finest`, and grow until clip 0 has at most as many points as
 * asked.
 */
export function chooseScale(
  frames: readonly ColoredCloud[],
  options: Pick<ProcessOptions, 'voxel' | 'threshold' | 'originalConstants' | 'maxPoints'>,
  finest = 0,
  still: ColoredCloud | null = null,
): { voxel: number; threshold: number } {
  const { originalConstants = false, maxPoints = 100_000 } = options
  if (!(Number.isInteger(maxPoints) && maxPoints >= 1))
    throw new OptionError('maxPoints', maxPoints, 'a whole number above 0')
  if (originalConstants) {
    return { voxel: options.voxel ?? originalVoxel, threshold: options.threshold ?? originalThreshold }
  }
  const extent = Math.max(0, ...[...frames, ...(still ? [still] : [])].map(({ positions }) => cloudExtent(positions)))
  let voxel = options.voxel ?? (extent > 0 ? Math.max(extent / 500, finest) : 1)
  if (options.voxel === undefined) {
    // Surfaces fill voxels with the square of the edge.
    const countOf = () => mergeClip(frames, voxel, still).positions.length / 3
    for (let count = countOf(); count > maxPoints; count = countOf())
      voxel *= Math.max(1.05, Math.sqrt(count / maxPoints))
  }
  return { voxel, threshold: options.threshold ?? (voxel * originalThreshold) / originalVoxel }
}

function mergeClip(frames: readonly ColoredCloud[], voxel: number, still: ColoredCloud | null): ColoredCloud {
  // Nothing stands still where frames are whole.
  return still && still.positions.length > 0 ? mergeOver(still, frames, voxel) : mergeClouds(frames, voxel)
}
