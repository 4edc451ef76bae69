import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cameraModel, parametersOf } from '@clipgstream/camera'
import { type ColmapModel, readColmapModel, writeColmapModel } from '@clipgstream/io'
import { nodeFolder, writeAtomic } from '@clipgstream/io/node'
import type { ColmapProgram, RunOptions } from './run.js'
import { meanError, pointsOfImages, readMade } from './solution.js'

/** Observations farther than this many times the mean error are taken for wrong matches; Rayleigh's law has one in 800 there. */
const farOff = 3
const rounds = 5
/** A camera keeps at least so many points when points that two cameras alone see are left out. */
const enough = 100
/** A lens with more parameters has to lower the mean error by so much; noise alone lets it win about 1 %. */
const worthwhile = 0.95

/**
 * The mapper's model without its wrong matches: observations far off the mean error are dropped, points that only two cameras
 * see with them (nothing checks those along the line of sight), and everything is adjusted anew, `rounds` times over. With
 * `wider`, a lens of this model takes the place of the mapper's where it fits better.
 *
 * Paths are below the folder of work; the result gets the name `to` when it is complete.
 */
export async function refine(
  colmap: ColmapProgram,
  { from, to, wider }: { readonly from: string; readonly to: string; readonly wider?: string },
  run: RunOptions,
): Promise<void> {
  const at = (name: string) => join(run.cwd, name)
  const scratch: Scratch = { filtered: `${to}.filtered`, adjusted: `${to}.partial`, wide: `${to}.wide` }
  for (const path of Object.values(scratch)) await rm(at(path), { recursive: true, force: true })
  let source = wider === undefined ? from : await chooseLens(colmap, from, wider, scratch, run)
  let model = await readMade(run.cwd, source)
  for (let round = 0; round < rounds; round++) {
    const limit = await withoutFar(colmap, source, scratch, run)
    const before = observations(model)
    source = scratch.adjusted
    model = await readMade(run.cwd, source)
    run.onLine(
      `refined: ${observations(model)} of ${before} observations within ${limit.toFixed(2)} px, mean error ${meanError(model).toFixed(3)} px`,
    )
  }
  await rename(at(scratch.adjusted), at(to))
  for (const path of Object.values(scratch)) await rm(at(path), { recursive: true, force: true })
}

/** Models on the way, by their paths. */
interface Scratch {
  readonly filtered: string
  readonly adjusted: string
  readonly wide: string
}

/** The model to go on from: `from`, or the same with the wider lens if that explains more than noise would. */
async function chooseLens(
  colmap: ColmapProgram,
  from: string,
  wider: string,
  { filtered, adjusted, wide }: Scratch,
  run: RunOptions,
): Promise<string> {
  await withoutFar(colmap, from, { filtered, adjusted, wide }, run)
  const plain = meanError(await readMade(run.cwd, adjusted))
  await widen(run.cwd, adjusted, filtered, wider)
  await adjust(colmap, filtered, wide, run)
  const other = meanError(await readMade(run.cwd, wide))
  const better = other < worthwhile * plain
  run.onLine(
    `lens: mean error ${plain.toFixed(3)} px, with ${wider} ${other.toFixed(3)} px; ${better ? `${wider} is taken` : 'not worth more parameters'}`,
  )
  if (!better) return from
  // From the beginning: the simple lens may have thrown out what only the other explains.
  await widen(run.cwd, from, filtered, wider)
  await adjust(colmap, filtered, wide, run)
  return wide
}

/** Drops far observations and adjusts; gives the limit in pixels. */
async function withoutFar(
  colmap: ColmapProgram,
  source: string,
  { filtered, adjusted }: Scratch,
  run: RunOptions,
): Promise<number> {
  const limit = Math.max(farOff * meanError(await readMade(run.cwd, source)), 1e-3)
  await filter(colmap, source, filtered, limit, run)
  await adjust(colmap, filtered, adjusted, run)
  return limit
}

/** Without points that two cameras alone see, unless a camera needs them. */
async function filter(colmap: ColmapProgram, from: string, to: string, limit: number, run: RunOptions): Promise<void> {
  for (const shortest of [3, 2]) {
    await mkdir(join(run.cwd, to), { recursive: true })
    const options = { input_path: from, output_path: to, max_reproj_error: limit, min_track_len: shortest }
    await colmap.run('point_filtering', options, run)
    if (shortest === 2 || Math.min(...pointsOfImages(await readMade(run.cwd, to)).values()) >= enough) return
  }
}

async function adjust(colmap: ColmapProgram, from: string, to: string, run: RunOptions): Promise<void> {
  await mkdir(join(run.cwd, to), { recursive: true })
  await colmap.run('bundle_adjuster', { input_path: from, output_path: to }, run)
}

/** The same model with lenses of more parameters, those that are new at 0. */
async function widen(folder: string, from: string, to: string, name: string): Promise<void> {
  const model = await readColmapModel(nodeFolder(folder), from, { points2D: true })
  const target = cameraModel(name)
  const cameras = [...model.cameras.values()].map((camera) => {
    const known: Readonly<Record<string, number>> = parametersOf({ ...camera, model: cameraModel(camera.model).name })
    const params = target.parameters.map((key) => known[key === 'f' ? 'fx' : key] ?? 0)
    return { ...camera, model: target.name, params }
  })
  const files = writeColmapModel({ cameras, images: model.images.values(), points3D: model.points3D }, 'binary')
  for (const [file, bytes] of Object.entries(files)) await writeAtomic(join(folder, to, file), bytes)
}

const observations = ({ points3D }: ColmapModel) => points3D?.trackImageIds.length ?? 0
