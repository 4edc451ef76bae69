import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeImage, extractedPath } from './pictures.js'
import type { Source } from './source.js'
import { runStep, type Workspace, workFolder } from './steps/step.js'
import type { FramePlan } from './timing/plan.js'
import type { ProcessOptions } from './types.js'
import { decodeVideo } from './video/decode.js'

/** Images that are encoded while the next ones are decoded. */
const ahead = 4

/** Everything that the frames depend on. */
export function frameInputs(files: unknown, plan: FramePlan, { format = 'jpg', quality = 95 }: ProcessOptions) {
  return { files, frames: [...plan.frames], format, quality: format === 'jpg' ? quality : null }
}

/**
 * Step 1: frames out of videos, as images in the work folder. Nothing to do for sources of images. A video whose frames are
 * all there is not opened; of the others those that are there are decoded and passed over.
 */
export async function extractFrames(
  workspace: Workspace,
  source: Source,
  files: unknown,
  plan: FramePlan,
  options: ProcessOptions,
): Promise<string> {
  const jobs = [...source.recordings].flatMap(([camera, recording]) => {
    if (recording.kind !== 'video') return []
    const frames = plan.frames.get(camera) ?? []
    return [{ camera, path: recording.path, frames }]
  })
  const outputs = jobs.flatMap(({ camera, frames }) =>
    frames.flatMap((own, frame) => (own === null ? [] : [extractedPath(camera, frame, options)])),
  )
  return runStep(workspace, {
    name: 'frames',
    inputs: frameInputs(files, plan, options),
    outputs,
    clear: () => rm(join(workspace.folder, workFolder, 'frames'), { recursive: true, force: true }),
    async work(missing) {
      const wanted = new Set(missing)
      let done = outputs.length - missing.length
      const progress = (note: string) =>
        workspace.report({ type: 'progress', step: 'frames', done, total: outputs.length, note })
      progress('')
      for (const { camera, path, frames } of jobs) {
        const places = new Map<number, string[]>()
        for (const [frame, own] of frames.entries()) {
          const place = extractedPath(camera, frame, options)
          if (own !== null && wanted.has(place)) places.set(own, [...(places.get(own) ?? []), place])
        }
        const pending = new Set<Promise<void>>()
        let failure: unknown = null
        const { signal } = workspace
        try {
          for await (const { index, image } of decodeVideo(path, new Set(places.keys()), signal ? { signal } : {})) {
            if (failure !== null) break
            if (!image) continue
            const write = async () => {
              const bytes = await encodeImage(image, options)
              for (const place of places.get(index) ?? []) {
                await workspace.write(place, bytes)
                done++
                progress(`${camera} ${index}`)
              }
            }
            const task: Promise<void> = write()
              .catch((error: unknown) => {
                failure ??= error
              })
              .finally(() => pending.delete(task))
            pending.add(task)
            if (pending.size >= ahead) await Promise.race(pending)
          }
        } finally {
          await Promise.all(pending)
        }
        if (failure !== null) throw failure
      }
    },
  })
}
