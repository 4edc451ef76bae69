import { copyFile, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomic } from '@clipgstream/io/node'
import { ColmapError } from '../errors.js'
import type { ColmapOptions } from '../types.js'
import { withDatabase } from './database.js'
import { joinMoments, standIns } from './moments.js'
import { type CameraPair, choosePairs, fewCameras, type Moments, neighbourPairs, pairList } from './pairs.js'
import { refine } from './refine.js'
import { type ColmapProgram, findColmap, type RunOptions, unknownOption } from './run.js'
import { foldedCameras, mappedModels, missingCameras, noModel, readSolution, type Solution } from './solution.js'

export interface CalibrateOptions extends ColmapOptions {
  /** Absolute; what is complete in it is used again. */
  readonly folder: string
  /** Images by camera, one a moment: file names of `folder`/images, null where there is none. */
  readonly images: Moments
  onLine(line: string): void
  onStage(stage: string, index: number, count: number): void
  readonly signal?: AbortSignal
}

/** What COLMAP begins with where no lens is asked for, and what it may turn out to need. */
const [simpleLens, widerLens] = ['SIMPLE_RADIAL', 'OPENCV']
/** COLMAP's is 0.0067: fainter corners have matches, too, and wrong ones are sorted out later. */
const peakThreshold = 0.003
/** Features of an image are enough to tell which cameras see the same things. */
const overviewFeatures = 1200

const database = 'database.db'

/**
 * Cameras out of images with COLMAP: which cameras see the same things, SIFT features, matches, incremental mapping, and the
 * model without its wrong matches. Stops after each command can be gone on from: COLMAP passes over what its database has, and
 * what is made of it gets its name when it is complete.
 */
export async function calibrate(options: CalibrateOptions): Promise<Solution> {
  const { folder, images, cameraModel: lens, allowMissing = false, onLine, signal } = options
  const colmap = await findColmap(options.program)
  onLine(`COLMAP ${colmap.version} ${colmap.cuda ? 'with' : 'without'} CUDA`)
  const context: Context = { colmap, options, run: { cwd: folder, onLine, ...(signal && { signal }) } }
  const files = standIns(images)
  const several = [...images.values()].some((moments) => moments.length > 1)
  const stages: [name: string, work: () => Promise<void>][] = [
    ['pairs', () => findPairs(context)],
    ['feature_extractor', () => extract(context, database)],
    ['matcher', () => match(context)],
    ...(several ? [['moments', () => uniteMoments(context)] satisfies (typeof stages)[number]] : []),
    ['mapper', () => map(context, several ? joined : database, files)],
  ]
  if (!(await isFolder(join(folder, 'sparse')))) {
    for (const [i, [name, work]] of stages.entries()) {
      options.onStage(name, i, stages.length + 1)
      await work()
    }
  }
  const models = await mappedModels(folder, files)
  const missing = missingCameras(models, [...images.keys()])
  if (missing && !allowMissing)
    throw new ColmapError(
      `${missing}. Give a calibration, add cameras or moments (--colmap-frames) between, or go on without them by --allow-missing-cameras`,
    )
  options.onStage('refine', stages.length, stages.length + 1)
  if (!(await isFolder(join(folder, 'refined'))))
    await refine(colmap, { from: models[0].path, to: 'refined', ...(!lens && { wider: widerLens }) }, context.run)
  const found = await readSolution(folder, 'refined', files)
  const warnings = [...(missing ? [`${missing}; they are left out`] : []), ...found.warnings]
  const folded = foldedCameras(found.cameras)
  if (folded.length > 0) {
    const message =
      `COLMAP put cameras into the same place: ${folded.map((pair) => pair.join(' and ')).join(', ')}. If they do not stand ` +
      'there, the scene looks alike from several sides and the rig was folded onto itself'
    // Who says which cameras are neighbours knows the rig.
    if (options.neighbours === undefined)
      throw new ColmapError(
        `${message}; match only cameras that stand side by side (--colmap-neighbours 3, in the order of names)`,
      )
    warnings.push(message)
  }
  options.onStage('done', stages.length + 1, stages.length + 1)
  return { ...found, warnings, version: colmap.version }
}

interface Context {
  readonly colmap: ColmapProgram
  readonly options: CalibrateOptions
  readonly run: RunOptions
}

type Settings = Record<string, string | number>

/** An option under the first of its names that a command knows: names move from version to version. */
async function named({ colmap }: Context, command: string, value: number, ...names: string[]): Promise<Settings> {
  for (const name of names) if (await colmap.knows(command, name)) return { [name]: value }
  return {}
}

const useGpu = (context: Context, command: string, part: string) =>
  named(context, command, context.colmap.cuda ? 1 : 0, `Feature${part}.use_gpu`, `Sift${part}.use_gpu`)

/** How images become cameras. */
function reader({ options: { cameraModel = simpleLens, sharedLens, images } }: Context): Settings {
  const perFolder = [...images.values()].some((moments) => moments.length > 1)
  return {
    'ImageReader.camera_model': cameraModel,
    ...(sharedLens
      ? { 'ImageReader.single_camera': 1 }
      : perFolder
        ? { 'ImageReader.single_camera_per_folder': 1 }
        : {}),
  }
}

async function extract(context: Context, path: string, more: Settings = {}): Promise<void> {
  const { colmap, options, run } = context
  const settings = {
    ...{ database_path: path, image_path: 'images', ...reader(context) },
    ...(await useGpu(context, 'feature_extractor', 'Extraction')),
    'SiftExtraction.peak_threshold': peakThreshold,
  }
  await colmap.run('feature_extractor', { ...settings, ...options.set?.['feature_extractor'], ...more }, run)
}

/**
 * Writes which images are to be matched. With many cameras and no `neighbours`, a look at a few features of each camera says who
 * sees the same things.
 */
async function findPairs(context: Context): Promise<void> {
  const { colmap, options, run } = context
  const { folder, images, neighbours } = options
  const cameras = [...images.keys()]
  const write = (pairs: readonly CameraPair[]) => writeAtomic(join(folder, 'pairs.txt'), pairList(images, pairs))
  if (neighbours !== undefined) return write(neighbourPairs(cameras.length, neighbours))
  if (cameras.length < fewCameras) return write(neighbourPairs(cameras.length, cameras.length))
  if (await readFile(join(folder, 'pairs.txt')).catch(() => null)) return
  const path = 'overview.db'
  const files = standIns(images)
  await writeAtomic(join(folder, 'overview.txt'), [...files.values()].map((file) => `${file}\n`).join(''))
  await extract(context, path, { image_list_path: 'overview.txt', 'SiftExtraction.max_num_features': overviewFeatures })
  const gpu = await useGpu(context, 'exhaustive_matcher', 'Matching')
  await colmap.run('exhaustive_matcher', { database_path: path, ...gpu }, run)
  const counts = await withDatabase(join(folder, path), async ({ images: names, verified }) => {
    const order = new Map(cameras.map((name, i) => [files.get(name), i]))
    const place = (id: number) => order.get(names.get(id) ?? '') ?? -1
    return new Map(
      verified.map(({ images: ids, matches }) => [pairKey(place(ids[0]), place(ids[1])), matches.length / 2]),
    )
  })
  const pairs = choosePairs(cameras.length, (a, b) => counts.get(pairKey(a, b)) ?? 0)
  run.onLine(`${pairs.length} of ${(cameras.length * (cameras.length - 1)) / 2} pairs of cameras see the same things`)
  await write(pairs)
}

const pairKey = (a: number, b: number) => `${Math.min(a, b)} ${Math.max(a, b)}`

async function match(context: Context): Promise<void> {
  const { colmap, options, run } = context
  const command = 'matches_importer'
  const settings = {
    ...{ database_path: database, match_list_path: 'pairs.txt', match_type: 'pairs' },
    ...(await useGpu(context, command, 'Matching')),
    ...(await named(context, command, 1, 'FeatureMatching.guided_matching', 'SiftMatching.guided_matching')),
  }
  await colmap.run(command, { ...settings, ...options.set?.['matcher'] }, run)
}

const joined = 'joined/database.db'

/** All moments in one database of one image a camera. */
async function uniteMoments(context: Context): Promise<void> {
  const { colmap, options, run } = context
  const folder = join(options.folder, 'joined')
  await rm(folder, { recursive: true, force: true })
  await joinMoments(join(options.folder, database), options.images, folder)
  const images = { database_path: joined, image_path: 'images', image_list_path: 'joined/images.txt' }
  await colmap.run('feature_importer', { ...images, import_path: 'joined/features', ...reader(context) }, run)
  const matches = { database_path: joined, match_list_path: 'joined/matches.txt', match_type: 'raw' }
  await colmap.run('matches_importer', { ...matches, ...(await useGpu(context, 'matches_importer', 'Matching')) }, run)
}

async function map({ colmap, options, run }: Context, path: string, files: ReadonlyMap<string, string>) {
  const { folder } = options
  const partial = join(folder, 'sparse.partial')
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true })
  const settings = {
    ...{ database_path: path, image_path: 'images', output_path: 'sparse.partial' },
    'Mapper.ba_global_function_tolerance': 0.000001,
  }
  await colmap.run('mapper', { ...settings, ...options.set?.['mapper'] }, run).catch(async (error: unknown) => {
    // It fails when it finds no model at all; an empty folder says the same.
    const models = await readdir(partial).catch(() => [])
    if (!(error instanceof ColmapError) || models.length > 0 || unknownOption(error.output)) throw error
    throw new ColmapError(noModel(files.size), error.output.slice(-4), { cause: error })
  })
  await mappedModels(folder, files, 'sparse.partial')
  await rename(partial, join(folder, 'sparse'))
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
