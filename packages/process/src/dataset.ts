import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type DatasetReport, inspectDataset, readPointCloud, viewsModel, writeColmapModel } from '@clipgstream/io'
import { nodeFolder } from '@clipgstream/io/node'
import { sparsePath } from './cameras.js'
import { ProcessError } from './errors.js'
import type { DatasetView } from './images.js'
import { runStep, type Workspace } from './steps/step.js'
import type { FramePlan } from './timing/plan.js'
import type { ProcessOptions } from './types.js'

const names = ['cameras', 'images', 'points3D']

export interface DatasetContent {
  readonly views: readonly DatasetView[]
  /** Path of an image by `NAME FRAME`. */
  readonly images: ReadonlyMap<string, string>
  readonly testCameras: ReadonlySet<string>
  /** The views are shots of cameras that move. */
  readonly moving: boolean
}

/**
 * Step 5: the COLMAP model of the undistorted cameras, binary and text, and meta.json; then everything is looked at with the
 * reader that training uses. Throws a {@link ProcessError} with what it finds wrong.
 */
export async function finishDataset(
  workspace: Workspace,
  previous: readonly string[],
  plan: FramePlan,
  { views, images, testCameras, moving }: DatasetContent,
  options: ProcessOptions,
): Promise<DatasetReport> {
  const { clipSize = 10, lengths } = options
  const test = views.map(({ name }) => name).filter((name) => testCameras.has(name))
  await runStep(workspace, {
    name: 'dataset',
    inputs: { previous, views, test, clipSize, moving, fps: plan.fps, frames: plan.count },
    outputs: [...names.flatMap((name) => [`sparse/0/${name}.bin`, `sparse/0/${name}.txt`]), 'meta.json'],
    async clear() {
      for (const path of ['sparse', 'meta.json'])
        await rm(join(workspace.folder, path), { recursive: true, force: true })
    },
    async work() {
      const points = readPointCloud(new Uint8Array(await readFile(join(workspace.folder, sparsePath))), sparsePath)
      const extension = (name: string) =>
        [...images]
          .find(([key]) => key.startsWith(`${name} `))?.[1]
          .split('.')
          .at(-1) ?? 'jpg'
      const model = viewsModel(views)
      const content = {
        cameras: model.cameras,
        images: [...model.images].map((image, i) => {
          const name = views[i]?.name ?? ''
          return { ...image, name: `${name}.${extension(name)}` }
        }),
        points3D: sparseModel(points.positions, points.colors),
      }
      let done = 0
      const write = async (path: string, bytes: Uint8Array | string) => {
        await workspace.write(path, bytes)
        workspace.report({ type: 'progress', step: 'dataset', done: ++done, total: 2 * names.length + 1, note: path })
      }
      for (const format of ['binary', 'text'] as const) {
        for (const [name, bytes] of Object.entries(writeColmapModel(content, format)))
          await write(`sparse/0/${name}`, bytes)
      }
      const meta = {
        ...(plan.fps !== null && { fps: plan.fps }),
        clip_size: clipSize,
        frames: plan.count,
        camera_names: views.map(({ name }) => name),
        test_cameras: test,
        ...(moving && { moving_cameras: true }),
      }
      await write('meta.json', `${JSON.stringify(meta, null, 2)}\n`)
    },
  })
  const report = await inspectDataset(nodeFolder(workspace.folder), { allowGaps: lengths === 'gaps' })
  if (!report.usable) {
    const wrong = report.problems.filter(({ severity }) => severity === 'error').map(({ message }) => message)
    throw new ProcessError(`the dataset that was made cannot be used:\n  ${wrong.slice(0, 5).join('\n  ')}`)
  }
  return report
}

/** Points that no track is known of. */
function sparseModel(positions: Float32Array, colors: Uint8Array | null) {
  const count = positions.length / 3
  return {
    count,
    ids: BigInt64Array.from({ length: count }, (_, i) => BigInt(i + 1)),
    positions: Float64Array.from(positions),
    colors: colors ?? new Uint8Array(3 * count).fill(128),
    errors: new Float64Array(count).fill(-1),
    trackStarts: new Uint32Array(count + 1),
    trackImageIds: new Uint32Array(0),
    trackPoints2D: new Uint32Array(0),
  }
}
