import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Camera,
  cameraModel,
  matrixToQuaternion,
  normalizeQuaternion,
  quaternionToMatrix,
} from '@clipgstream/camera'
import { type ColmapModel, OptionError, poseMatrix, readColmapModel } from '@clipgstream/io'
import { nodeFolder, writeAtomic } from '@clipgstream/io/node'
import type { Calibrated } from '../cameras.js'
import { ColmapError } from '../errors.js'
import type { ColmapOptions } from '../types.js'
import { findColmap } from './run.js'

export interface CalibrateOptions extends ColmapOptions {
  /** Absolute; what is complete in it is used again. */
  readonly folder: string
  /** Images by camera: file names of `folder`/images, one or more of each camera. */
  readonly images: ReadonlyMap<string, readonly string[]>
  onLine(line: string): void
  onStage(stage: string, index: number, count: number): void
  readonly signal?: AbortSignal
}

export interface Solution {
  readonly cameras: readonly Calibrated[]
  /** [N, 3] */
  readonly points: Float32Array
  readonly colors: Uint8Array
  /** Pixels, as COLMAP says. */
  readonly meanError: number
  readonly version: string
}

const stages = ['feature_extractor', 'matcher', 'mapper'] as const

/**
 * Cameras out of images with COLMAP: SIFT features, exhaustive matching, incremental mapping. Stops after each command can be
 * gone on from: COLMAP passes over what its database has, and the model gets its name when it is complete.
 */
export async function calibrate(options: CalibrateOptions): Promise<Solution> {
  const { folder, images, cameraModel: model = 'OPENCV', sharedLens = false, onLine, signal } = options
  const colmap = await findColmap(options.program)
  onLine(`COLMAP ${colmap.version} ${colmap.cuda ? 'with' : 'without'} CUDA`)
  const run = { cwd: folder, onLine, ...(signal && { signal }) }
  const gpu = colmap.cuda ? 1 : 0
  const named = async (command: string, ...names: string[]) => {
    for (const name of names) if (await colmap.knows(command, name)) return { [name]: gpu }
    return {}
  }
  const pairs = options.neighbours === undefined ? null : neighbourPairs(images, options.neighbours)
  const matcher = pairs ? 'matches_importer' : 'exhaustive_matcher'
  const several = [...images.values()].some((files) => files.length > 1)
  const commands: Record<(typeof stages)[number], Record<string, string | number>> = {
    feature_extractor: {
      database_path: 'database.db',
      image_path: 'images',
      'ImageReader.camera_model': model,
      ...(sharedLens
        ? { 'ImageReader.single_camera': 1 }
        : several
          ? { 'ImageReader.single_camera_per_folder': 1 }
          : {}),
      ...(await named('feature_extractor', 'FeatureExtraction.use_gpu', 'SiftExtraction.use_gpu')),
    },
    matcher: {
      database_path: 'database.db',
      ...(pairs && { match_list_path: 'pairs.txt', match_type: 'pairs' }),
      ...(await named(matcher, 'FeatureMatching.use_gpu', 'SiftMatching.use_gpu')),
    },
    mapper: {
      database_path: 'database.db',
      image_path: 'images',
      output_path: 'sparse.partial',
      'Mapper.ba_global_function_tolerance': 0.000001,
    },
  }
  if (!(await isFolder(join(folder, 'sparse')))) {
    await rm(join(folder, 'sparse.partial'), { recursive: true, force: true })
    await mkdir(join(folder, 'sparse.partial'), { recursive: true })
    for (const [i, stage] of stages.entries()) {
      options.onStage(stage, i, stages.length)
      const set = options.set?.[stage] ?? {}
      if (stage === 'matcher' && pairs)
        await writeAtomic(join(folder, 'pairs.txt'), pairs.map((pair) => `${pair.join(' ')}\n`).join(''))
      const work = colmap.run(stage === 'matcher' ? matcher : stage, { ...commands[stage], ...set }, run)
      await (stage === 'mapper' ? work.catch((error: unknown) => explainMapper(error, folder, images.size)) : work)
    }
    await rename(join(folder, 'sparse.partial'), join(folder, 'sparse'))
  }
  options.onStage('done', stages.length, stages.length)
  return { ...(await readSolution(options)), version: colmap.version }
}

/**
 * Pairs of images of cameras that are at most `reach` apart in the order of names, the last beside the first, of one moment;
 * and of each camera with itself at the first moment.
 */
export function neighbourPairs(
  images: ReadonlyMap<string, readonly string[]>,
  reach: number,
): (readonly [string, string])[] {
  if (!(Number.isInteger(reach) && reach >= 1)) throw new OptionError('neighbours', reach, 'a whole number above 0')
  const cameras = [...images.values()]
  const pairs = new Map<string, readonly [string, string]>()
  const add = (a: string | undefined, b: string | undefined) => {
    if (a === undefined || b === undefined || a === b) return
    const pair = a < b ? ([a, b] as const) : ([b, a] as const)
    pairs.set(pair.join('\n'), pair)
  }
  cameras.forEach((files, i) => {
    for (const file of files) add(files[0], file)
    for (let step = 1; step <= reach; step++) {
      const others = cameras[(i + step) % cameras.length] ?? []
      files.forEach((file, moment) => {
        add(file, others[moment])
      })
    }
  })
  return [...pairs.values()]
}

/** COLMAP fails when it finds no model at all; an empty folder says the same. */
async function explainMapper(error: unknown, folder: string, images: number): Promise<void> {
  const models = await readdir(join(folder, 'sparse.partial')).catch(() => [])
  if (!(error instanceof ColmapError) || models.length > 0) throw error
  throw new ColmapError(noModel(images), error.output.slice(-4), { cause: error })
}

function noModel(images: number): string {
  return (
    `COLMAP found no two of the ${images} cameras with enough in common to begin. Neighbouring cameras must see the same ` +
    'texture, at most some 30 degrees apart; sharper or larger images, --colmap-frames for more moments, or --shared-lens for equal cameras help'
  )
}

async function readSolution(options: CalibrateOptions): Promise<Omit<Solution, 'version'>> {
  const { folder, images, allowMissing = false, onLine } = options
  const names = (await readdir(join(folder, 'sparse'))).filter((name) => /^\d+$/.test(name))
  const models: ColmapModel[] = []
  for (const name of names.sort()) models.push(await readColmapModel(nodeFolder(folder), `sparse/${name}`))
  const ranked = models
    .map((model) => ({ model, cameras: solved(model, images) }))
    .sort((a, b) => b.cameras.length - a.cameras.length)
  const [best, ...others] = ranked
  if (!best || best.cameras.length === 0) throw new ColmapError(noModel(images.size))
  const missing = [...images.keys()].filter((name) => !best.cameras.some((camera) => camera.name === name))
  if (missing.length > 0) {
    const parts =
      others.length > 0
        ? ` It found ${models.length} models that do not hang together, of ${ranked.map(({ cameras }) => cameras.length).join(', ')} cameras.`
        : ''
    const message =
      `COLMAP could not place ${missing.length} of ${images.size} cameras: ${missing.join(', ')}.${parts} ` +
      'They see too little of what the others see, or are blurred or dark'
    if (!allowMissing)
      throw new ColmapError(
        `${message}. Give a calibration, add cameras or moments (--colmap-frames) between, or go on without them by --allow-missing-cameras`,
      )
    onLine(`warning: ${message}; they are left out`)
  }
  const { points3D } = best.model
  const count = points3D?.count ?? 0
  const errors = points3D?.errors ?? new Float64Array(0)
  return {
    cameras: best.cameras,
    points: Float32Array.from(points3D?.positions ?? []),
    colors: Uint8Array.from(points3D?.colors ?? []),
    meanError: count > 0 ? errors.reduce((sum, value) => sum + value, 0) / count : 0,
  }
}

/** Each camera that has images with a pose; with several, the lens of the first and the mean of the poses. */
function solved(model: ColmapModel, images: ReadonlyMap<string, readonly string[]>): Calibrated[] {
  const byName = new Map([...model.images.values()].map((image) => [image.name, image]))
  const cameras: Calibrated[] = []
  for (const [name, files] of images) {
    const found = files.flatMap((file) => byName.get(file) ?? [])
    const lens = found[0] && model.cameras.get(found[0].cameraId)
    if (!lens) continue
    const { width, height, params } = lens
    const camera: Camera = { model: cameraModel(lens.model).name, width, height, params: [...params] }
    cameras.push({ name, camera, worldToCamera: meanPose(found.map(({ pose }) => poseMatrix(pose))) })
  }
  return cameras
}

/** The means of the centres and of the rotations, as quaternions; for poses that lie close together. */
export function meanPose(poses: readonly (readonly number[])[]): number[] {
  const [only] = poses
  if (only && poses.length === 1) return [...only]
  const quaternions = poses.map((p) => {
    return matrixToQuaternion([
      [p[0]!, p[1]!, p[2]!],
      [p[4]!, p[5]!, p[6]!],
      [p[8]!, p[9]!, p[10]!],
    ])
  })
  // q and -q are the same rotation.
  const sign = (q: readonly number[]) => (q.reduce((sum, v, i) => sum + v * (quaternions[0]?.[i] ?? 0), 0) < 0 ? -1 : 1)
  const mean = [0, 1, 2, 3].map((i) => quaternions.reduce((sum, q) => sum + sign(q) * (q[i] ?? 0), 0))
  const rotation = quaternionToMatrix(normalizeQuaternion(mean))
  const centre = (axis: number) =>
    poses.reduce((total, p) => total - (p[axis]! * p[3]! + p[4 + axis]! * p[7]! + p[8 + axis]! * p[11]!), 0) /
    poses.length
  const c = [centre(0), centre(1), centre(2)] as const
  return rotation.flatMap((axis) => [...axis, -(axis[0] * c[0] + axis[1] * c[1] + axis[2] * c[2])])
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  )
}

/** Copies an image for COLMAP unless it is there. */
export async function placeImage(from: string, to: string): Promise<void> {
  const [source, target] = await Promise.all([stat(from), stat(to).catch(() => null)])
  if (target?.size === source.size) return
  await mkdir(join(to, '..'), { recursive: true })
  await copyFile(from, `${to}.partial`)
  await rename(`${to}.partial`, to)
}
