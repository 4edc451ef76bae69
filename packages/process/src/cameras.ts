import { readFile, rm } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { writePointCloud } from '@clipgstream/io'
import { calibrate, placeImage } from './colmap/calibrate.js'
import { findColmap } from './colmap/run.js'
import { ProcessError } from './errors.js'
import type { Pictures } from './pictures.js'
import type { Source } from './source.js'
import { guardDisk, isDone, runStep, type Workspace, workFolder } from './steps/step.js'
import type { FramePlan } from './timing/plan.js'
import type { Calibrated, ProcessOptions } from './types.js'

/** Changes when COLMAP is asked in another way for the same options. */
const method = 2

export const camerasPath = `${workFolder}/cameras-solved.json`
/** Points that COLMAP triangulated; empty when the calibration was given. */
export const sparsePath = `${workFolder}/sparse.ply`

/** Step 2: the cameras, as given or by COLMAP from images of one moment or a few. */
export async function solveCameras(
  workspace: Workspace,
  source: Source,
  previous: string,
  plan: FramePlan,
  pictures: Pictures,
  options: ProcessOptions,
): Promise<{ id: string; cameras: readonly Calibrated[] }> {
  const names = source.capture.cameras.map(({ name }) => name)
  const compute = options.calibrate === 'colmap'
  const given = compute ? [] : givenCameras(source)
  const moments = compute ? momentsOf(plan, options) : []
  // Where COLMAP is, and whether all cameras must be placed, does not change what it finds.
  const { program: _, allowMissing: __, ...colmap } = options.colmap ?? {}
  const id = await runStep(workspace, {
    name: 'cameras',
    inputs: compute
      ? { previous, method, colmap, moments, pictures: moments.map((m) => names.map((n) => pictures.image(n, m))) }
      : { given },
    outputs: [camerasPath, sparsePath],
    // The cameras of another run are worth more than a folder without.
    prepare: async () => {
      if (compute) await findColmap(options.colmap?.program)
    },
    clear: () => rm(join(workspace.folder, workFolder, 'colmap'), { recursive: true, force: true }),
    async work() {
      if (!compute) return writeCameras(workspace, given, new Float32Array(0), null)
      await solve(workspace, names, moments, pictures, options)
    },
  })
  return { id, cameras: await readCameras(workspace.folder) }
}

/** Refuses what would end later, when frames are there, for want of cameras or of COLMAP. */
export async function checkCameras(workspace: Workspace, source: Source, options: ProcessOptions): Promise<void> {
  if (options.calibrate !== 'colmap') givenCameras(source)
  else if (!(await isDone(workspace, 'cameras'))) await findColmap(options.colmap?.program)
}

function givenCameras({ capture }: Source): Calibrated[] {
  const given = capture.cameras.flatMap(({ name, calibration }) =>
    calibration ? [{ name, camera: calibration.camera, worldToCamera: calibration.worldToCamera }] : [],
  )
  const without = capture.cameras.map(({ name }) => name).filter((name) => !given.some((found) => found.name === name))
  if (without.length > 0)
    throw new ProcessError(
      `${given.length === 0 ? 'the cameras have' : `${without.join(', ')} have`} no calibration; compute it with --calibrate colmap, ` +
        'or put one beside the recordings (a COLMAP model, transforms.json, intri.yml and extri.yml, *.qca.txt, Calib*.toml)',
    )
  return given
}

async function solve(
  workspace: Workspace,
  names: readonly string[],
  moments: readonly number[],
  pictures: Pictures,
  options: ProcessOptions,
): Promise<void> {
  const folder = join(workspace.folder, workFolder, 'colmap')
  const images = new Map<string, (string | null)[]>()
  const safe = fileNames(names)
  for (const [i, name] of names.entries()) {
    const files: (string | null)[] = []
    images.set(name, files)
    for (const moment of moments) {
      const path = pictures.image(name, moment)
      if (path === null) {
        files.push(null)
        continue
      }
      const file = moments.length > 1 ? `${safe[i]}/${moment}${extname(path)}` : `${safe[i]}${extname(path)}`
      await guardDisk(file, workspace.folder, () => placeImage(path, join(folder, 'images', file)))
      files.push(file)
    }
  }
  const step = 'cameras' as const
  const solution = await calibrate({
    ...options.colmap,
    folder,
    images,
    onLine: (line) => workspace.report({ type: 'output', step, text: line }),
    onStage: (note, done, total) => workspace.report({ type: 'progress', step, done, total, note }),
    ...(workspace.signal && { signal: workspace.signal }),
  })
  workspace.report({
    type: 'note',
    message: `COLMAP ${solution.version} placed ${solution.cameras.length} of ${names.length} cameras; ${solution.points.length / 3} points, mean reprojection error ${solution.meanError.toFixed(2)} px`,
  })
  for (const message of solution.warnings) workspace.report({ type: 'warning', message })
  await writeCameras(workspace, solution.cameras, solution.points, solution.colors)
}

/** Names without spaces, which COLMAP's lists are separated by. */
function fileNames(names: readonly string[]): string[] {
  const safe = names.map((name) => name.replaceAll(/[^\w.-]/g, '_'))
  return new Set(safe).size === safe.length ? safe : safe.map((name, i) => `${i}-${name}`)
}

/** Frames whose images COLMAP gets: the first, and others spread over the sequence. */
function momentsOf(plan: FramePlan, { colmapFrames = 1 }: ProcessOptions): number[] {
  const count = Math.min(colmapFrames, plan.count)
  return Array.from({ length: count }, (_, i) => Math.floor((i * plan.count) / count))
}

async function writeCameras(
  workspace: Workspace,
  cameras: readonly Calibrated[],
  positions: Float32Array,
  colors: Uint8Array | null,
): Promise<void> {
  await workspace.write(sparsePath, writePointCloud({ positions, ...(colors && { colors }) }))
  await workspace.write(camerasPath, `${JSON.stringify(cameras, null, 1)}\n`)
}

async function readCameras(folder: string): Promise<Calibrated[]> {
  const value: unknown = JSON.parse(await readFile(join(folder, camerasPath), 'utf8'))
  if (!Array.isArray(value) || !value.every(isCalibrated))
    throw new ProcessError(`${camerasPath} was changed by hand; compute it again with --force cameras`)
  return value
}

function isCalibrated(value: unknown): value is Calibrated {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'camera' in value &&
    typeof value.camera === 'object' &&
    'worldToCamera' in value &&
    Array.isArray(value.worldToCamera) &&
    value.worldToCamera.length === 12
  )
}
