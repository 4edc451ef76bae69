import { IoError, OptionError } from '../errors.js'
import { downsampledSize } from '../images/resize.js'
import type { Vfs } from '../vfs/vfs.js'
import { readCameras, viewOf } from './cameras.js'
import { findClips } from './clips.js'
import { type FoundImages, findFrames, findImages } from './frames.js'
import { readMeta } from './meta.js'
import { checkSizes } from './sizes.js'
import { splitCameras } from './split.js'
import type { Dataset, DatasetCamera, DatasetOptions, Problem } from './types.js'

/** A dataset cannot be used; `problems` has everything that was found. */
export class DatasetError extends IoError {
  constructor(
    readonly dataset: string,
    readonly problems: readonly Problem[],
  ) {
    const errors = problems.filter(({ severity }) => severity === 'error')
    const listed = errors.slice(0, 5).map(({ message }) => message)
    const more = errors.length > 5 ? `\n  and ${errors.length - 5} more` : ''
    const remedy = errors.every(({ gap }) => gap === true) ? '\n  --allow-gaps goes on without what is missing' : ''
    super(`${dataset} cannot be used:\n  ${listed.join('\n  ')}${more}${remedy}`)
  }
}

/**
 * Opens a multi-view sequence:
 *
 *     sparse/0/{cameras,images}.{bin,txt}      one COLMAP model for all frames, undistorted
 *     frame000000/images/CAMERA.{jpg,png,webp}  one image per camera, named like the model's images
 *     frame000000/masks/CAMERA.png              optional: what moves is not black
 *     plys/CLIP.ply                             points of clip 0, and new points of every other clip
 *     meta.json                                 optional: fps, clip_size, test_cameras, moving_cameras
 *
 * Where cameras move (`moving_cameras`), each image of the model is one shot and has an image in its own frame.
 * Reads names and headers only. Throws a {@link DatasetError} when there is a problem of severity `error`.
 */
export async function openDataset(vfs: Vfs, options: DatasetOptions = {}): Promise<Dataset> {
  const { dataset, found } = await surveyDataset(vfs, options)
  const first = dataset.clips[0]?.start ?? 0
  await checkSizes(vfs, dataset.cameras, [found.images.slice(first, first + 1)], dataset.problems)
  const errors = dataset.problems.filter(({ severity, gap }) => severity === 'error' && !(gap && options.allowGaps))
  if (errors.length > 0) throw new DatasetError(vfs.label, dataset.problems)
  return dataset
}

/** What there is, with its problems, however bad. */
export async function surveyDataset(
  vfs: Vfs,
  options: DatasetOptions,
): Promise<{ dataset: Dataset & { readonly problems: Problem[] }; found: FoundImages }> {
  checkOptions(options)
  const problems: Problem[] = []
  const meta = await readMeta(vfs, problems)
  const records = await readCameras(vfs, options.sparse ?? 'sparse/0', problems)
  const names = records.map(({ name }) => name)
  const test = splitCameras(names, options, meta, problems)
  const cameras: DatasetCamera[] = records.map((record, index) => ({
    index,
    name: record.name,
    model: record.camera.model,
    sourceWidth: record.camera.width,
    sourceHeight: record.camera.height,
    view: viewOf(record, options),
    test: test.has(record.name),
  }))
  const frames = await findFrames(vfs, problems)
  const clipSize = options.clipSize ?? meta.clipSize ?? 10
  const clips = await findClips(vfs, frames.length, clipSize, options, problems)
  const range = options.frames ?? [0, frames.length]
  const found = await findImages(vfs, frames, range, names, meta.moving, problems)
  const dataset = {
    name: vfs.label,
    vfs,
    cameras,
    frames,
    clips,
    clipSize,
    downsample: options.downsample ?? 1,
    trainCameras: cameras.filter((camera) => !camera.test).map(({ index }) => index),
    testCameras: cameras.filter((camera) => camera.test).map(({ index }) => index),
    fps: meta.fps,
    moving: meta.moving,
    problems,
    imagePath: (camera: number, frame: number) => found.images[frame]?.[camera] ?? null,
    maskPath: (camera: number, frame: number) => found.masks[frame]?.[camera] ?? null,
  }
  return { dataset, found }
}

function checkOptions({ clipSize = 1, hold = 1, downsample = 1 }: DatasetOptions): void {
  for (const [name, value] of [
    ['clipSize', clipSize],
    ['hold', hold],
  ] as const) {
    if (!(Number.isSafeInteger(value) && value >= 1)) throw new OptionError(name, value, 'a whole number of at least 1')
  }
  downsampledSize({ width: 1, height: 1 }, downsample)
}
