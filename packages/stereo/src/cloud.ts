import { checkIntrinsics, type View } from '@clipgstream/camera'
import { ArgumentError, type Device, type Tensor } from '@clipgstream/tensor'
import { type Match, maxPixels, type Pictures } from './contract.js'
import { createStereoOperators } from './create.js'
import { addSurface, cloudOf, type StereoCloud } from './fuse.js'
import { VoxelGrid } from './grid.js'
import { type CloudOptions, checkOptions, defaultConsistency, type StereoProgress } from './options.js'
import type { Capture, RgbPicture } from './pictures.js'
import { createPictures, type Grey, greyOf, halve, halveColours, halveMask, halveView } from './pyramid.js'
import { depthRange, focusDistance } from './range.js'
import { type Level, searchPlanes } from './search.js'
import { defaultAgreement, rankSources } from './sources.js'

/** Other views that are asked to confirm a surface, in multiples of those that it is matched with. */
const witnesses = 1.5

/**
 * A point cloud out of images of one moment (or of what stands still) with known cameras.
 *
 * Each view's depth is searched by PatchMatch with slanted planes, from a coarse level to the finest, against the views
 * that see the same from a good angle ({@link rankSources}); a surface stays where enough other views have found it too; what
 * stays is averaged per voxel. The same seed gives the same cloud, on wasm bit for bit with any number of threads.
 *
 * Memory: 16 bytes a pixel of all views for the planes, 5.4 for the pictures on the device, and 100 bytes a voxel on the
 * host.
 * @throws ArgumentError for fewer than two views, sizes that do not fit, options out of range; CameraError; the
 * reason of `signal`
 */
export async function estimateCloud(
  device: Device,
  captures: readonly Capture[],
  options: CloudOptions = {},
  onProgress: (progress: StereoProgress) => void = () => {},
): Promise<StereoCloud> {
  checkOptions(options)
  checkCaptures(captures, options.consistency?.agree ?? 1)
  const { seed = 1, maxPoints = 500_000, minNeighbours = 2, skipLevels = 0, coarsest = 80 } = options
  const operators = await createStereoOperators(device)
  const total = captures.length
  const pause = async (progress: StereoProgress) => {
    onProgress(progress)
    await new Promise((resolve) => setTimeout(resolve, 0))
    options.signal?.throwIfAborted()
  }
  await pause({ stage: 'prepare', done: 0, total })

  const { views, levels, images } = prepare(device, captures, skipLevels, coarsest)
  using _ = disposeAll(levels.map(({ pictures }) => pictures.words))
  const finest = levels[0]?.pictures
  if (!finest) throw new ArgumentError('estimateCloud', 'captures', 'none', 'images of several views')
  const ranked = rankSources(views, options.points)
  const consistency = { ...defaultConsistency, agree: defaultAgreement(ranked), ...options.consistency }
  const matchOf = (reference: number, most: number): Match => ({
    reference,
    sources: (ranked[reference] ?? []).slice(0, Math.min(32, most)).map(({ view }) => view),
  })
  using planes = device.empty([finest.words.size, 4], 'f32', 'planes of all views')

  for (const which of views.keys()) {
    await pause({ stage: 'match', done: which, total })
    const match = matchOf(which, options.sources ?? 8)
    if (match.sources.length === 0) {
      clear(device, planes, finest, which)
      continue
    }
    const steps = searchPlanes({
      ...{ device, operators, levels, match, patch: options.patch ?? {}, planes },
      search: { best: options.best ?? 2, ...inverseDepths(views, which, options) },
      seed: seed * 4096 + which,
    })
    for (const _ of steps) {
      await device.synchronize()
      options.signal?.throwIfAborted()
    }
  }

  let grid = new VoxelGrid(options.voxel ?? defaultVoxel(views))
  for (const [which, view] of views.entries()) {
    await pause({ stage: 'fuse', done: which, total })
    const image = images[which]
    const match = matchOf(which, Math.ceil(witnesses * (options.sources ?? 8)))
    if (!image || match.sources.length === 0) continue
    using fused = operators.checkConsistency(finest.places, match, planes, consistency)
    addSurface(grid, view, image, await fused.read())
  }
  while (grid.size > maxPoints) grid = grid.withEdge(grid.edge * Math.max(1.1, (grid.size / maxPoints) ** 0.4))
  await pause({ stage: 'fuse', done: total, total })
  return cloudOf(grid, minNeighbours)
}

function inverseDepths(views: readonly View[], which: number, options: CloudOptions) {
  const range = depthRange(views, which, options.points)
  const near = options.near ?? Math.min(range.near, (options.far ?? range.far) / 2)
  const far = options.far ?? Math.max(range.far, near * 2)
  return { nearest: 1 / near, farthest: 1 / far }
}

/** Two pixels at the distance of the scene. */
function defaultVoxel(views: readonly View[]): number {
  const footprints = views.map((view, i) => (2 * focusDistance(views, i)) / view.fx).sort((a, b) => a - b)
  return footprints[footprints.length >> 1] ?? 1
}

/** No surface anywhere in a view. */
function clear(device: Device, planes: Tensor<'f32'>, { places }: Pictures, which: number): void {
  const place = places[which]
  if (!place) return
  const { width, height } = place.view
  device.write(planes, new Float32Array(4 * width * height).fill(3), 4 * place.first)
}

/** Pictures from the finest level to the coarsest, on the device; views and colours of the finest. */
function prepare(device: Device, captures: readonly Capture[], skipLevels: number, coarsest: number) {
  let views: readonly View[] = captures.map(({ view }) => view)
  let greys: readonly Grey[] = captures.map(({ image }) => greyOf(image))
  let masks: readonly (Uint8Array | null)[] = captures.map(({ mask }) => mask ?? null)
  let images: readonly RgbPicture[] = captures.map(({ image }) => image)
  const shrink = () => {
    masks = masks.map((mask, i) => mask && halveMask(mask, views[i]?.width ?? 0))
    views = views.map(halveView)
    greys = greys.map(halve)
  }
  const smallest = () => Math.min(...views.map(({ width, height }) => Math.max(width, height) / 2))
  for (let i = 0; i < skipLevels; i++) {
    if (Math.min(...views.map(({ width, height }) => Math.min(width, height))) < 16)
      throw new ArgumentError('estimateCloud', 'skipLevels', skipLevels, `at most ${i} for images of this size`)
    shrink()
    images = images.map(halveColours)
  }
  const finest = views
  const levels: Level[] = []
  try {
    levels.push({ pictures: createPictures(device, views, greys), masks })
    while (smallest() >= coarsest) {
      shrink()
      levels.push({ pictures: createPictures(device, views, greys), masks })
    }
  } catch (error) {
    for (const { pictures } of levels) pictures.words.dispose()
    throw error
  }
  return { views: finest, levels, images }
}

function checkCaptures(captures: readonly Capture[], agree: number): void {
  if (captures.length < agree + 1)
    throw new ArgumentError(
      'estimateCloud',
      'captures',
      `${captures.length} of them`,
      `${agree + 1} or more (agree is ${agree})`,
    )
  for (const [i, { view, image, mask }] of captures.entries()) {
    checkIntrinsics(view)
    const { width, height } = view
    if (image.width !== width || image.height !== height)
      throw new ArgumentError(
        'estimateCloud',
        `the image of view ${i}`,
        `${image.width} x ${image.height}`,
        `as its camera: ${width} x ${height}`,
      )
    if (image.data.length !== 3 * width * height)
      throw new ArgumentError(
        'estimateCloud',
        `the image of view ${i}`,
        `${image.data.length} bytes`,
        `[${height}, ${width}, 3]`,
      )
    if (mask && mask.length !== width * height)
      throw new ArgumentError('estimateCloud', `the mask of view ${i}`, `${mask.length} bytes`, `[${height}, ${width}]`)
    if (width * height > maxPixels)
      throw new ArgumentError('estimateCloud', `pixels of view ${i}`, width * height, `at most ${maxPixels}`)
  }
}

function disposeAll(tensors: readonly Tensor[]): Disposable {
  return {
    [Symbol.dispose]() {
      for (const tensor of tensors) tensor.dispose()
    },
  }
}
