import { ArgumentError, type Device, type Tensor } from '@clipgstream/tensor'
import { checkMatch, checkPictures, checkPlanes, checkWork } from './checks.js'
import type { Match, PatchSettings, Place, StereoOperators, Work } from './contract.js'
import { pairRow, transferMatrix } from './pairs.js'
import { createPattern } from './pattern.js'

/** The kernels, whose arguments are `tensors`, then `numbers`, in their order here. */
export type KernelName = 'matchCosts' | 'seedPlanes' | 'liftPlanes' | 'sweepPlanes' | 'checkConsistency'

/** Runs a kernel for every pixel of `height` rows of `width`. */
export type Run = (
  kernel: KernelName,
  size: { readonly width: number; readonly height: number },
  tensors: Readonly<Record<string, Tensor>>,
  numbers: Readonly<Record<string, number>>,
) => void

/** What all devices have in common: checks, tables and the order of arguments. */
export function createOperators(device: Device, run: Run): StereoOperators {
  const search = (operator: string, work: Work) => {
    const { places, view, first } = checkWork(operator, device, work)
    const { planes, chosen, pictures, match } = work
    const pattern = createPattern(work.patch)
    const { fx, fy, cx, cy } = view
    const { best, nearest, farthest } = work.search
    return {
      view,
      tensors: { planes, chosen, quads: pictures.words, ...matchTables(device, places, match, pattern.values) },
      place: { base: work.base ?? first, first, width: view.width, height: view.height },
      numbers: {
        ...{ sources: match.sources.length, best: Math.min(best, match.sources.length) },
        ...{ groups: pattern.groups, reach: pattern.reach, falloff: pattern.falloff, minVariance: pattern.minVariance },
        ...{ fx, fy, cx, cy, farthest, nearest },
      },
    }
  }

  return {
    matchCosts(pictures, match, planes, patch: PatchSettings) {
      const places = checkPictures('matchCosts', device, pictures)
      const { view, first } = checkMatch('matchCosts', places, match)
      const { width, height } = view
      checkPlanes('matchCosts', device, 'planes', planes, width * height)
      const pattern = createPattern(patch)
      const sources = match.sources.length
      const costs = device.empty([sources, height, width], 'f32', 'costs')
      using _ = device.scope()
      run(
        'matchCosts',
        view,
        { planes, costs, quads: pictures.words, ...matchTables(device, places, match, pattern.values) },
        {
          ...{ first, width, height, sources },
          ...{
            groups: pattern.groups,
            reach: pattern.reach,
            falloff: pattern.falloff,
            minVariance: pattern.minVariance,
          },
        },
      )
      return costs
    },

    seedPlanes(work, seed, tries) {
      if (!(Number.isInteger(tries) && tries > 0))
        throw new ArgumentError('seedPlanes', 'tries', tries, 'a positive integer')
      using _ = device.scope()
      const { view, tensors, place, numbers } = search('seedPlanes', work)
      run('seedPlanes', view, tensors, { ...place, ...numbers, seed: wordOf(seed), tries })
    },

    liftPlanes(work, coarse, keep) {
      const { width, height } = coarse.place.view
      checkPlanes('liftPlanes', device, 'coarse.planes', coarse.planes, coarse.place.first + width * height)
      if (!(Number.isInteger(keep) && keep > 0))
        throw new ArgumentError('liftPlanes', 'keep', keep, 'a positive integer')
      using _ = device.scope()
      const { view, tensors, place, numbers } = search('liftPlanes', work)
      const half = { coarseFirst: coarse.place.first, coarseWidth: width, coarseHeight: height }
      if (width !== view.width >> 1 || height !== view.height >> 1) {
        const expected = `${view.width >> 1} x ${view.height >> 1}, half of the reference`
        throw new ArgumentError('liftPlanes', 'the size of coarse', `${width} x ${height}`, expected)
      }
      run('liftPlanes', view, { coarse: coarse.planes, ...tensors }, { ...half, ...place, ...numbers, keep })
    },

    sweepPlanes(work, { seed, far, depthScale, slantScale, randoms }) {
      using _ = device.scope()
      const { view, tensors, place, numbers } = search('sweepPlanes', work)
      for (const colour of [0, 1]) {
        const sweep = { seed: wordOf(seed * 2 + colour), colour, far, depthScale, slantScale, randoms }
        run('sweepPlanes', view, tensors, { ...place, ...numbers, ...sweep })
      }
    },

    checkConsistency(places, match, planes, settings) {
      const { view, first } = checkMatch('checkConsistency', places, match)
      const last = places.reduce((end, one) => Math.max(end, one.first + one.view.width * one.view.height), 0)
      checkPlanes('checkConsistency', device, 'planes', planes, last)
      const { width, height, fx, fy, cx, cy } = view
      const fused = device.empty([height, width, 4], 'f32', 'fused planes')
      using _ = device.scope()
      const others = sourcesOf(places, match)
      const pairs = others.flatMap((other) => pairRow(view, other.view))
      const { maxCost, maxPixels, maxDepth, maxNormalAngle, agree } = settings
      run(
        'checkConsistency',
        view,
        {
          planes,
          fused,
          pairs: device.from(Float32Array.from(pairs), [others.length, 40], 'pairs'),
          frames: framesOf(device, others),
        },
        {
          ...{ first, width, height, sources: others.length, fx, fy, cx, cy, maxCost, maxPixels, maxDepth },
          ...{ minCosine: Math.cos((maxNormalAngle * Math.PI) / 180), agree },
        },
      )
      return fused
    },
  }
}

/** Mixes what a seed stands for, so that neighbouring seeds have nothing in common. */
function wordOf(seed: number): number {
  return Math.imul(seed | 0, 0x9e3779b1) >>> 0
}

function sourcesOf(places: readonly Place[], match: Match): Place[] {
  return match.sources.flatMap((source) => places[source] ?? [])
}

function framesOf(device: Device, others: readonly Place[]): Tensor<'u32'> {
  const frames = others.flatMap(({ first, view }) => [first, view.width, view.height])
  return device.from(Uint32Array.from(frames), [others.length, 3], 'frames')
}

function matchTables(device: Device, places: readonly Place[], match: Match, pattern: Float32Array) {
  const view = places[match.reference]?.view
  const others = sourcesOf(places, match)
  const matrices = view ? others.flatMap((other) => transferMatrix(view, other.view)) : []
  return {
    matrices: device.from(Float32Array.from(matrices), [others.length, 12], 'matrices'),
    frames: framesOf(device, others),
    pattern: device.from(pattern, [3, pattern.length / 3], 'pattern'),
  }
}
