import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writePointCloud } from '@clipgstream/io'
import { runStep, workFolder } from '../steps/step.js'
import type { ProcessOptions } from '../types.js'
import type { CloudContext } from './captures.js'
import type { CloudMaker } from './maker.js'
import { type Timing, telling, timeCameras } from './moments.js'
import { chooseClouds } from './sources.js'

/** Clouds of frames, as clips are merged of them. */
export interface FramePoints extends Pick<CloudMaker, 'kind' | 'finest'> {
  /** Told apart from that of every other run. */
  readonly id: string
  /** The file of what stands still in all frames. */
  readonly background: string | null
  /** Whether cameras show the moments of the points; none where every frame has the same points. */
  readonly timings: readonly Timing[]
  /** The files of the frames of a clip; one for all where every frame has the same points. */
  ofClip(clip: number): readonly string[]
}

export const pointsFolder = `${workFolder}/clouds`
const timingsPath = `${pointsFolder}/timings.json`

/** Frames of the dataset that get a cloud. */
export function cloudFrames(count: number, { clipSize = 10, cloudEvery = 1 }: ProcessOptions): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => (i % clipSize) % cloudEvery === 0)
}

/** Step 4: the points of every frame, and what all frames have in common. Whatever becomes of them, they are made once. */
export async function makePoints(
  context: CloudContext,
  previous: readonly string[],
  count: number,
): Promise<FramePoints> {
  const { workspace, options } = context
  const { clipSize = 10 } = options
  const frames = cloudFrames(count, options)
  const maker = await chooseClouds(context, frames)
  const made = maker.still ? [0] : frames
  const { kind, background } = maker
  const judged = maker.still ? [] : telling(made, count)
  const ofFrame = (frame: number) => `${pointsFolder}/${String(frame).padStart(6, '0')}.ply`
  const id = await runStep(workspace, {
    name: 'points',
    inputs: { previous, kind, maker: maker.inputs, frames: made, count },
    outputs: [...(background?.files ?? []), ...made.map(ofFrame), ...(judged.length > 0 ? [timingsPath] : [])],
    clear: () => rm(join(workspace.folder, pointsFolder), { recursive: true, force: true }),
    async work(missing) {
      const wanted = new Set(missing)
      const todo = made.filter((frame) => wanted.has(ofFrame(frame)))
      const total = made.length
      let done = total - todo.length
      const progress = (note: string) => workspace.report({ type: 'progress', step: 'points', done, total, note })
      await background?.make(wanted, progress)
      for (const [i, frame] of todo.entries()) {
        workspace.signal?.throwIfAborted()
        progress(`frame ${frame}`)
        const cloud = await maker.make(frame, progress, todo[i + 1])
        if (cloud.positions.length === 0 && !background)
          workspace.report({ type: 'warning', message: `no points were found in frame ${frame}` })
        await workspace.write(ofFrame(frame), writePointCloud(cloud))
        done++
      }
      if (wanted.has(timingsPath)) {
        const files = new Map(judged.map((frame) => [frame, ofFrame(frame)]))
        const timings = await timeCameras(context, files, background?.cloud ?? null, (camera) =>
          progress(`the moments of ${camera}`),
        )
        await workspace.write(timingsPath, `${JSON.stringify(timings)}\n`)
      }
      progress('')
    },
  })
  const timings: Timing[] =
    judged.length > 0 ? JSON.parse(await readFile(join(workspace.folder, timingsPath), 'utf8')) : []
  return {
    ...{ id, kind, background: background?.cloud ?? null, timings },
    ...(maker.finest !== undefined && { finest: maker.finest }),
    ofClip: (clip) => (maker.still ? [0] : made.filter((frame) => Math.floor(frame / clipSize) === clip)).map(ofFrame),
  }
}
