import { initialParameters } from '@clipgstream/decoders'
import { anchorsFromCloud, boundsOf, type NewAnchors, residualAnchors } from '@clipgstream/gaussians'
import { initializeTable } from '@clipgstream/hashgrid'
import { identityAffines } from '@clipgstream/losses'
import type { Config } from './config.js'
import type { TrainingData } from './data.js'
import { TrainingDataError } from './errors.js'
import { decoderShape, fieldShape, gridShape } from './operators.js'
import { seedFor } from './sampler.js'
import { type AnchorArrays, type ClipState, concatenate, type HeadArrays, noAnchors } from './state.js'

/** What a source clip takes from the reference clip. */
export interface Inheritance {
  anchors: AnchorArrays
  decoders: readonly HeadArrays[]
  /** Colour maps // [cameras, 3, 4] and whose they are. */
  colors: { cameras: readonly string[]; maps: Float32Array } | null
}

export type ClipKind = 'reference' | 'source' | 'independent'

/** How clip `index` is made under this configuration. */
export function kindOf(index: number, { ablation }: Config): ClipKind {
  if (index === 0) return 'reference'
  return ablation.independentClips ? 'independent' : 'source'
}

/** What a clip starts from: fresh decoders, field and features around the anchors of its clouds. */
export async function initialState(
  config: Config,
  data: TrainingData,
  clip: number,
  reference: Inheritance | null,
  field: ClipState['field'] | null = null,
): Promise<{ state: ClipState; outliers: number }> {
  const kind = kindOf(clip, config)
  const inherits = kind === 'source' && reference !== null
  const found = inherits
    ? await residual(config, data, clip, reference.anchors.positions)
    : await wholeCloud(config, data, clip)
  const own = {
    positions: found.positions,
    logScaling: found.logScaling,
    staticFeatures: new Float32Array((found.positions.length / 3) * config.decoders.staticFeatures),
  }
  const inherited = inherits ? reference.anchors : noAnchors
  const inheritsDecoders = inherits && config.ablation.inheritDecoders
  const state = {
    clip,
    inherited,
    own,
    decoders: inheritsDecoders ? reference.decoders : freshDecoders(config, clip),
    inheritsDecoders,
    field: field ?? freshField(config),
    bounds: boundsOf(inherited.positions, own.positions),
    colors: config.colorCompensation.enabled ? initialColors(data, reference) : null,
  }
  return { state, outliers: found.outliers.length }
}

/** Cameras keep the colours that the reference clip found. */
function initialColors(data: TrainingData, reference: Inheritance | null): Float32Array {
  const cameras = data.cameras.filter(({ test }) => !test)
  const maps = identityAffines(cameras.length)
  cameras.forEach(({ name }, row) => {
    const known = reference?.colors?.cameras.indexOf(name) ?? -1
    if (known >= 0) maps.set(reference?.colors?.maps.subarray(12 * known, 12 * known + 12) ?? [], 12 * row)
  })
  return maps
}

/** The reference's cloud; with it a clip's residual cloud where clips are independent. */
async function wholeCloud(config: Config, data: TrainingData, clip: number): Promise<NewAnchors> {
  const base = await data.cloud(0)
  if (!base || base.length === 0) {
    throw new TrainingDataError(
      base ? 'the cloud of the reference clip is empty' : 'the dataset has no cloud for the reference clip',
      'Put a cloud with points into plys/0.ply',
    )
  }
  const added = clip === 0 ? null : await data.cloud(clip)
  const found = anchorsFromCloud(added ? concatenate(base, added) : base, outlierOption(config))
  if (found.positions.length === 0) {
    throw new TrainingDataError(
      `all ${found.outliers.length} points of the reference cloud are outliers at ${found.outlierDistance} world units`,
      'Raise clips.outlierDistance',
    )
  }
  return found
}

async function residual(
  config: Config,
  data: TrainingData,
  clip: number,
  reference: Float32Array,
): Promise<NewAnchors> {
  const cloud = config.ablation.residualAnchors ? await data.cloud(clip) : null
  return residualAnchors(reference, cloud ?? new Float32Array(0), {
    ...outlierOption(config),
    parity: config.clips.residualScale === 'reference',
  })
}

function outlierOption({ clips: { outlierDistance } }: Config): { outlierDistance?: number } {
  return outlierDistance === null ? {} : { outlierDistance }
}

/** Every clip's field starts from the same numbers. */
function freshField(config: Config): ClipState['field'] {
  const seed = seedFor('field', config.sampling.seed)
  const [net] = initialParameters(fieldShape(config), 'xavier', seed)
  if (!net) throw new Error('the field has one head')
  return { table: initializeTable(gridShape(config.grid), seed), net }
}

function freshDecoders(config: Config, clip: number): HeadArrays[] {
  return initialParameters(decoderShape(config), 'linear', seedFor('decoders', config.sampling.seed, clip))
}
