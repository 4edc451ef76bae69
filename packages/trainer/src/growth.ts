import {
  carryStatistics,
  type GrowthData,
  type GrowthStatistics,
  gatherRows,
  growAnchors,
  pruneAnchors,
} from '@clipgstream/gaussians'
import { createRandom, type Device } from '@clipgstream/tensor'
import type { Config, GrowthSettings } from './config.js'
import { seedFor } from './sampler.js'
import { type AnchorArrays, type ClipState, concatenate } from './state.js'

/** Whether steps at this iteration add to the growth statistics. */
export function collectsStatistics({ enabled, statisticsFrom, until }: GrowthSettings, iteration: number): boolean {
  return enabled && iteration > statisticsFrom && iteration < until
}

/** Whether anchors grow after this iteration. */
export function growsAfter(settings: GrowthSettings, iteration: number): boolean {
  const { growFrom, interval } = settings
  return collectsStatistics(settings, iteration) && iteration >= growFrom && iteration % interval === 0
}

export interface GrowthRound {
  state: ClipState
  /** Rows of the old own anchors that stay, ascending; new rows follow behind. */
  keptOwn: Uint32Array
  statistics: GrowthData
  added: number
  removed: number
}

/** New and pruned own anchors of a clip. The bounds stay, so that the field's input does not shift. */
export function grow(config: Config, state: ClipState, data: GrowthData, iteration: number): GrowthRound {
  const { gradientThreshold, successThreshold, interval, voxelSize, depth, pruneOpacity } = config.growth
  const { inherited, own } = state
  // Each view of a step is counted, and has its share of the loss.
  const { viewsPerStep } = config.sampling
  const views = viewsPerStep * interval
  const inheritedRows = inherited.positions.length / 3
  const grown = growAnchors(
    {
      positions: concatenate(inherited.positions, own.positions),
      features: concatenate(inherited.staticFeatures, own.staticFeatures),
    },
    data,
    {
      gradientThreshold: gradientThreshold / viewsPerStep,
      minCount: views * successThreshold * 0.5,
      cellSize: 100 * voxelSize,
      depths: depth,
      random: createRandom(seedFor('growth', config.sampling.seed, state.clip, iteration)),
    },
  )
  const keep = pruneAnchors(data, {
    minOpacity: pruneOpacity,
    minVisits: views * successThreshold,
    firstRow: inheritedRows,
  })
  const keptOwn = keep.filter((row) => row >= inheritedRows).map((row) => row - inheritedRows)
  const added = grown.positions.length / 3
  const widths = { positions: 3, logScaling: 6, staticFeatures: config.decoders.staticFeatures }
  const join = (key: keyof AnchorArrays, added: Float32Array) =>
    concatenate(gatherRows(own[key], widths[key], keptOwn), added)
  return {
    state: {
      ...state,
      own: {
        positions: join('positions', grown.positions),
        logScaling: join('logScaling', grown.logScaling),
        staticFeatures: join('staticFeatures', grown.features),
      },
    },
    keptOwn,
    statistics: carryStatistics(data, config.decoders.gaussiansPerAnchor, { judged: grown.judged, keep, added }),
    added,
    removed: own.positions.length / 3 - keptOwn.length,
  }
}

export async function readStatistics(statistics: GrowthStatistics): Promise<GrowthData> {
  const [visits, opacitySums, counts, maxGradients, maxMeans] = await Promise.all([
    statistics.visits.read(),
    statistics.opacitySums.read(),
    statistics.counts.read(),
    statistics.maxGradients.read(),
    statistics.maxMeans.read(),
  ])
  return {
    visits: Uint32Array.from(visits),
    opacitySums,
    counts: Uint32Array.from(counts),
    maxGradients,
    maxMeans,
  }
}

export function uploadStatistics(device: Device, data: GrowthData, perAnchor: number): GrowthStatistics {
  const n = data.visits.length
  return {
    visits: device.from(data.visits, [n], 'visits'),
    opacitySums: device.from(data.opacitySums, [n], 'opacitySums'),
    counts: device.from(data.counts, [n, perAnchor], 'counts'),
    maxGradients: device.from(data.maxGradients, [n, perAnchor], 'maxGradients'),
    maxMeans: device.from(data.maxMeans, [n, perAnchor, 3], 'maxMeans'),
  }
}

export function disposeStatistics(statistics: GrowthStatistics): void {
  for (const tensor of Object.values(statistics)) tensor.dispose()
}
