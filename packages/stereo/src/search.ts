import type { Device, Tensor } from '@clipgstream/tensor'
import type {
  Match,
  PatchSettings,
  Pictures,
  Place,
  SearchSettings,
  StereoOperators,
  SweepSettings,
  Work,
} from './contract.js'
import { transferMatrix } from './pairs.js'

// The schedule of the search: wide on the coarsest level, narrow on the finest.

/** The pictures of all views at one size. */
export interface Level {
  readonly pictures: Pictures
  /** Of each view // [H, W] the pixels to work on, nonzero ones count; null for all. */
  readonly masks: readonly (Uint8Array | null)[]
}

export interface SearchInput {
  readonly device: Device
  readonly operators: StereoOperators
  /** From the finest to the coarsest. */
  readonly levels: readonly Level[]
  readonly match: Match
  readonly patch: PatchSettings
  readonly search: SearchSettings
  readonly seed: number
  /** [pixels of all views of the finest level, 4] */
  readonly planes: Tensor<'f32'>
}

/** Random planes that a pixel of the coarsest level starts from. */
const tries = 8
/** Sources that count on the levels below the coarsest, beyond those whose mean is the cost. */
const spare = 1

/** Finds the planes of one view and yields after every level. */
export function* searchPlanes(input: SearchInput): Generator<void> {
  const { device, operators, levels, match, search } = input
  let coarse: { planes: Tensor<'f32'>; place: Place } | undefined
  using _ = disposer(() => coarse?.planes.dispose())
  for (let level = levels.length - 1; level >= 0; level--) {
    const pictures = levels[level]?.pictures
    const place = pictures?.places[match.reference]
    if (!pictures || !place) return
    const { width, height } = place.view
    const mask = levels[level]?.masks[match.reference] ?? null
    using chosen = device.from(choose(mask, width * height, match.sources.length), [height, width], 'chosen sources')
    const planes = level === 0 ? input.planes : device.empty([height, width, 4], 'f32', 'coarse planes')
    const patch = { spacing: spacingFor(width, height), ...input.patch }
    const work: Work = { ...input, patch, pictures, planes, chosen, ...(level === 0 ? {} : { base: 0 }) }
    const seed = input.seed * 16 + level
    if (coarse) operators.liftPlanes(work, { ...coarse, place: { ...coarse.place, first: 0 } }, search.best + spare)
    else operators.seedPlanes(work, seed, tries)
    coarse?.planes.dispose()
    coarse = level === 0 ? undefined : { planes, place }
    const pixel = pixelStep(pictures.places, match, search)
    sweepsOf(levels.length - 1 - level, levels.length, search, pixel).forEach((sweep, i) => {
      operators.sweepPlanes(work, { ...sweep, seed: seed * 16 + i })
    })
    yield
  }
}

function sweepsOf(below: number, levels: number, search: SearchSettings, pixel: number): Omit<SweepSettings, 'seed'>[] {
  const range = search.nearest - search.farthest
  if (below === 0) {
    return [0, 1, 2, 3, 4].map((i) => ({
      far: 5,
      depthScale: Math.max(0.1 * range * 0.4 ** i, 0.5 * pixel),
      slantScale: 0.5 ** i,
      randoms: i < 2 ? 1 : 0,
    }))
  }
  const sweep = (far: number, pixels: number, slantScale: number) => ({
    far,
    depthScale: pixels * pixel,
    slantScale,
    randoms: 0,
  })
  return below < levels - 1 ? [sweep(2, 2, 0.4), sweep(1, 1, 0.2)] : [sweep(0, 1, 0.2), sweep(0, 0.4, 0.1)]
}

/** Pixels between samples: patches of about the same part of the picture on all levels, from 5 pixels on. */
function spacingFor(width: number, height: number): number {
  return Math.min(16, Math.max(1, Math.round(Math.max(width, height) / 400)))
}

/** The change of inverse depth that moves the picture in a source by a pixel; the median over the sources. */
function pixelStep(places: readonly Place[], match: Match, search: SearchSettings): number {
  const reference = places[match.reference]?.view
  if (!reference) return 0
  const rho = (search.nearest * search.farthest) ** 0.5
  const [x, y] = [reference.width / 2, reference.height / 2]
  const steps = match.sources.flatMap((source) => {
    const other = places[source]
    if (!other) return []
    const m = transferMatrix(reference, other.view)
    const row = (r: number, value: number) => m[r]! * x + m[r + 1]! * y + m[r + 2]! + m[r + 3]! * value
    const w = row(8, rho)
    const moved = Math.hypot(m[3]! - (row(0, rho) / w) * m[11]!, m[7]! - (row(4, rho) / w) * m[11]!) / Math.abs(w)
    return moved > 0 ? [1 / moved] : []
  })
  steps.sort((a, b) => a - b)
  return Math.min(steps[steps.length >> 1] ?? Number.POSITIVE_INFINITY, 0.1 * (search.nearest - search.farthest))
}

/** The bits of all sources where the mask is set, 0 elsewhere. */
function choose(mask: Uint8Array | null, pixels: number, sources: number): Uint32Array<ArrayBuffer> {
  const all = sources === 32 ? 2 ** 32 - 1 : 2 ** sources - 1
  const chosen = new Uint32Array(pixels)
  if (!mask) return chosen.fill(all)
  for (let i = 0; i < pixels; i++) chosen[i] = mask[i] === 0 ? 0 : all
  return chosen
}

function disposer(dispose: () => void): Disposable {
  return { [Symbol.dispose]: dispose }
}
