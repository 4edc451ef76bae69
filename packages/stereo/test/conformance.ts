import {
  type ConsistencySettings,
  createPictures,
  createStereoOperators,
  greyOf,
  halve,
  halveView,
  type PatchSettings,
} from '@clipgstream/stereo'
import type { ConformanceCase } from '../../../tools/conformance/case.js'
import { picturesOf, planesNear, shots } from './inputs.js'
import { consistencyOf, matchCost } from './oracle.js'

const consistency: ConsistencySettings = {
  agree: 2,
  maxCost: 0.7,
  maxPixels: 1,
  maxDepth: 0.01,
  maxNormalAngle: 60,
}

function costCase(size: 'small' | 'full', width: number, height: number, patch: PatchSettings): ConformanceCase {
  const match = { reference: 1, sources: [0, 2, 3] }
  const input = () => {
    const captures = shots(4, width, height)
    return { captures, planes: planesNear(captures[1]!, width, 0.02) }
  }
  return {
    operator: 'stereo.match-costs',
    name: `${width}x${height}, ${patch.samples ?? 5} samples of ${patch.spacing ?? 2} pixels`,
    size,
    // Costs flip to 2 where a variance or the border is met to within rounding.
    tolerance: { costs: { absolute: 2e-3, relative: 0, flips: 2e-3, flipLimit: 2 } },
    async run(device) {
      const operators = await createStereoOperators(device)
      using _ = device.scope()
      const { captures, planes } = input()
      const given = device.from(planes, [height, width, 4])
      return { costs: await operators.matchCosts(picturesOf(device, captures), match, given, patch).read() }
    },
    oracle() {
      const { captures, planes } = input()
      const sides = captures.map(({ view, image }) => ({ view, image: greyOf(image) }))
      const costs = match.sources.flatMap((source) =>
        Array.from(
          { length: width * height },
          (_, i) =>
            matchCost(sides[1]!, sides[source]!, planes.subarray(4 * i), i % width, Math.floor(i / width), patch).cost,
        ),
      )
      return { costs: Float64Array.from(costs) }
    },
  }
}

function consistencyCase(size: 'small' | 'full', width: number, height: number): ConformanceCase {
  const match = { reference: 2, sources: [1, 3, 0, 4] }
  const input = () => {
    const captures = shots(5, width, height)
    return { captures, planes: captures.map((shot, i) => planesNear(shot, i, 0.01, 0.2)) }
  }
  return {
    operator: 'stereo.consistency',
    name: `${width}x${height}, five views`,
    size,
    tolerance: {
      rho: { absolute: 0, relative: 1e-5, flips: 2e-3, flipLimit: 0.02 },
      count: { absolute: 0, relative: 0, flips: 2e-3, flipLimit: 4 },
    },
    async run(device) {
      const operators = await createStereoOperators(device)
      using _ = device.scope()
      const { captures, planes } = input()
      const all = new Float32Array(4 * 5 * width * height)
      planes.forEach((one, i) => {
        all.set(one, 4 * i * width * height)
      })
      const { places } = picturesOf(device, captures)
      const given = device.from(all, [5 * width * height, 4])
      const fused = await operators.checkConsistency(places, match, given, consistency).read()
      return { rho: fused.filter((_, i) => i % 4 === 0), count: fused.filter((_, i) => i % 4 === 3) }
    },
    oracle() {
      const { captures, planes } = input()
      const views = captures.map(({ view }) => view)
      const maps = planes.map((one) =>
        Array.from({ length: width * height }, (_, i) => [...one.subarray(4 * i, 4 * i + 4)]),
      )
      const pixels = Array.from({ length: width * height }, (_, i) =>
        consistencyOf(views, maps, 2, match.sources, i % width, Math.floor(i / width), consistency),
      )
      return {
        rho: Float64Array.from(pixels, ({ rho }) => rho),
        count: Float64Array.from(pixels, ({ count }) => count),
      }
    },
  }
}

/** A search from random planes: one rounding decides between two planes, so devices agree in most pixels, not in all. */
function searchCase(size: 'small' | 'full', width: number, height: number): ConformanceCase {
  return {
    operator: 'stereo.search',
    name: `${width}x${height}, two levels`,
    size,
    tolerance: {
      rho: { absolute: 0, relative: 0.02, flips: 0.2, flipLimit: 2 },
      cost: { absolute: 0.05, relative: 0, flips: 0.2, flipLimit: 2 },
    },
    async run(device) {
      const operators = await createStereoOperators(device)
      using _ = device.scope()
      const captures = shots(4, width, height)
      const views = captures.map(({ view }) => view)
      const greys = captures.map(({ image }) => greyOf(image))
      const common = {
        match: { reference: 1, sources: [0, 2, 3] },
        patch: { spacing: 1 },
        search: { best: 2, nearest: 1, farthest: 0.1 },
      }
      const half = createPictures(device, views.map(halveView), greys.map(halve))
      const place = half.places[1]!
      const [w, h] = [width >> 1, height >> 1]
      const coarse = {
        ...{ ...common, pictures: half, base: 0, planes: device.zeros([h, w, 4]) },
        chosen: device.from(new Uint32Array(w * h).fill(7), [h, w]),
      }
      operators.seedPlanes(coarse, 5, 8)
      const sweep = (seed: number) => ({
        seed,
        far: 4,
        depthScale: 0.1 / 2 ** seed,
        slantScale: 0.5 ** seed,
        randoms: 1,
      })
      for (let i = 0; i < 4; i++) operators.sweepPlanes(coarse, sweep(i))
      const planes = device.zeros([4 * width * height, 4])
      const chosen = device.from(new Uint32Array(width * height).fill(7), [height, width])
      const fine = { ...common, pictures: createPictures(device, views, greys), planes, chosen }
      operators.liftPlanes(fine, { planes: coarse.planes, place: { ...place, first: 0 } }, 2)
      operators.sweepPlanes(fine, { ...sweep(5), far: 0, randoms: 0 })
      const found = await device.read(planes, 4 * width * height, 4 * width * height)
      return { rho: found.filter((_, i) => i % 4 === 0), cost: found.filter((_, i) => i % 4 === 3) }
    },
  }
}

function withoutOracle({ oracle: _, ...one }: ConformanceCase): ConformanceCase {
  return one
}

/** Oracles are slow: each is asked once. */
function askedOnce({ oracle, ...one }: ConformanceCase): ConformanceCase {
  let answer: ReturnType<NonNullable<ConformanceCase['oracle']>> | undefined
  return oracle ? { ...one, oracle: () => (answer ??= oracle()) } : one
}

export const cases: ConformanceCase[] = [
  askedOnce(costCase('small', 40, 30, {})),
  askedOnce(costCase('small', 33, 21, { samples: 7, spacing: 1, greyDeviation: 15 })),
  askedOnce(costCase('small', 20, 16, { samples: 3, spacing: 3, spatialDeviation: 0.5 })),
  askedOnce(consistencyCase('small', 48, 36)),
  withoutOracle(costCase('full', 96, 72, {})),
  withoutOracle(consistencyCase('full', 96, 72)),
  searchCase('small', 40, 30),
  searchCase('full', 96, 72),
]
