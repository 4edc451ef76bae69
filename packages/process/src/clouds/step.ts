import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cloudExtent } from '@clipgstream/gaussians'
import { OptionError, readPointCloud, writePointCloud } from '@clipgstream/io'
import { ProcessError } from '../errors.js'
import { removePaths, runStep, type Workspace } from '../steps/step.js'
import type { ProcessOptions } from '../types.js'
import type { CloudContext } from './captures.js'
import {
  type ColoredCloud,
  createResidual,
  joined,
  mergeClouds,
  mergeOver,
  movingEdge,
  originalThreshold,
  originalVoxel,
  toColored,
} from './merge.js'
import { type FramePoints, pointsFolder } from './points.js'
import { makeDistant } from './sources.js'

const distantPath = `${pointsFolder}/distant.ply`
const settingsPath = `${pointsFolder}/settings.json`

/** Step 5: clouds of clips out of those of their frames, and what each clip adds to clip 0. The last clip may be short. */
export async function makeClouds(context: CloudContext, points: FramePoints, count: number): Promise<string> {
  const { workspace, options } = context
  const { clipSize = 10 } = options
  const { kind } = points
  const clips = Array.from({ length: Math.ceil(count / clipSize) }, (_, i) => i)
  const { voxel, threshold, originalConstants = false, maxPoints = 100_000, distantPoints = 0 } = options
  const scale = { voxel, threshold, originalConstants, maxPoints }
  const plys = clips.flatMap((clip) => [`plys_candidates/${clip}.ply`, `plys/${clip}.ply`])
  return runStep(workspace, {
    name: 'clouds',
    inputs: { points: points.id, clipSize, count, scale, distantPoints },
    outputs: [...(distantPoints > 0 ? [distantPath] : []), settingsPath, ...plys],
    clear: () => removePaths(workspace, [distantPath, settingsPath, 'plys', 'plys_candidates']),
    async work(missing) {
      const wanted = new Set(missing)
      let done = 0
      const progress = (note: string) =>
        workspace.report({ type: 'progress', step: 'clouds', done, total: clips.length, note })
      progress('merging')
      const still = points.background === null ? null : await readCloud(workspace, points.background)
      const cloudsOf = (clip: number) => Promise.all(points.ofClip(clip).map((path) => readCloud(workspace, path)))
      const first = await cloudsOf(0)
      const chosen = chooseScale(first, options, points.finest, still)
      const near = mergeClip(first, chosen.voxel, still)
      if (near.positions.length === 0)
        throw new ProcessError(`clip 0 has no points (--clouds ${kind}): ${noPointsRemedy[kind]}`)
      const reference = distantPoints > 0 ? joined(near, await distant(near)) : near
      const residualOf = createResidual(reference, chosen.threshold, originalConstants ? 'nearest' : 'union')
      await workspace.write(settingsPath, `${JSON.stringify({ source: kind, ...chosen })}\n`)
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

const look = 'do neighbouring cameras see the same, and are their poses right?'
const always = '--clouds random needs neither'

const noPointsRemedy = {
  fused: 'the fused.ply of its frames are empty; choose --clouds stereo, sparse or random',
  given: 'the clouds of the source are empty; choose --clouds stereo, sparse or random',
  stereo: `${look} Where cameras stand far apart or see little texture, --clouds sparse finds less but more surely; ${always}`,
  sparse: `${look} No corner was found again by three cameras; ${always}`,
  random: `the cameras see no space in common; ${look}`,
} as const satisfies Record<FramePoints['kind'], string>

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
  // What is new in a clip is what moves: its voxels are those that count.
  const finer = isApart(still) ? movingEdge * voxel : voxel
  return { voxel, threshold: options.threshold ?? (finer * originalThreshold) / originalVoxel }
}

function mergeClip(frames: readonly ColoredCloud[], voxel: number, still: ColoredCloud | null): ColoredCloud {
  // Nothing stands still where frames are whole.
  return isApart(still) ? mergeOver(still, frames, voxel) : mergeClouds(frames, voxel)
}

function isApart(still: ColoredCloud | null): still is ColoredCloud {
  return still !== null && still.positions.length > 0
}
