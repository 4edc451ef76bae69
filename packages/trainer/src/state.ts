import { type HeadParameters, type PerParameter, uploadParameters } from '@clipgstream/decoders'
import type { Bounds } from '@clipgstream/gaussians'
import { type Tensor, toF16 } from '@clipgstream/tensor'
import type { ClipModel } from './model.js'
import type { SceneOperators } from './operators.js'

/** Anchors on the host. */
export interface AnchorArrays {
  positions: Float32Array // [N, 3] world units
  staticFeatures: Float32Array // [N, Cs]
  logScaling: Float32Array // [N, 6]
}

export type HeadArrays = PerParameter<Float32Array>

/** Everything that renders one clip, on the host: what is written to disk and read from there. */
export interface ClipState {
  clip: number
  /** Anchors of the reference clip, in front and frozen; none in a reference clip. */
  inherited: AnchorArrays
  own: AnchorArrays
  /** Opacity, cov, color, offset. */
  decoders: readonly HeadArrays[]
  inheritsDecoders: boolean
  field: { table: Float32Array; net: HeadArrays }
  /** Of inherited and own anchors together. */
  bounds: Bounds
  /** [training cameras, 3, 4] or null */
  colors: Float32Array | null
}

export const noAnchors: AnchorArrays = {
  positions: new Float32Array(0),
  staticFeatures: new Float32Array(0),
  logScaling: new Float32Array(0),
}

/** Puts a clip on the device. The model owns its tensors; they outlive any scope but the one that is open now. */
export function createModel(operators: SceneOperators, state: ClipState): ClipModel {
  const { device, grid, fieldNet, decoders, table } = operators
  const { inherited, own } = state
  const count = (inherited.positions.length + own.positions.length) / 3
  const width = count === 0 ? 0 : (inherited.staticFeatures.length + own.staticFeatures.length) / count
  const tensors: Tensor[] = []
  const keep = <T extends Tensor | null>(tensor: T): T => {
    if (tensor) tensors.push(tensor)
    return tensor
  }
  const joined = (key: keyof AnchorArrays, columns: number) =>
    keep(device.from(concatenate(inherited[key], own[key]), [count, columns], key))
  const heads = (parameters: HeadParameters[]) => {
    for (const { w1, b1, w2, b2 } of parameters) for (const tensor of [w1, b1, w2, b2]) keep(tensor)
    return parameters
  }
  const [net] = heads(uploadParameters(device, fieldNet.config, [state.field.net]))
  if (!net) throw new Error('the field has one head')
  const entries = [grid.entries, grid.config.features]
  return {
    clip: state.clip,
    count,
    inherited: inherited.positions.length / 3,
    inheritsDecoders: state.inheritsDecoders,
    anchors: { positions: joined('positions', 3), logScaling: joined('logScaling', 6) },
    staticFeatures: joined('staticFeatures', width),
    decoders: heads(uploadParameters(device, decoders.config, state.decoders)),
    field: {
      net,
      table: keep(device.from(state.field.table, entries, 'field.table')),
      halfTable: table === 'f16' ? keep(device.from(halves(state.field.table), entries, 'field.table in f16')) : null,
    },
    bounds: state.bounds,
    colors: state.colors && keep(device.from(state.colors, [state.colors.length / 12, 3, 4], 'colors')),
    [Symbol.dispose]() {
      for (const tensor of tensors) tensor.dispose()
    },
  }
}

/** Copies a clip back to the host. */
export async function readState(model: ClipModel, inherited: AnchorArrays): Promise<ClipState> {
  const ownRows = async (tensor: Tensor<'f32'>) => {
    const row = model.count === 0 ? 0 : tensor.size / model.count
    return tensor.device.read(tensor, model.inherited * row)
  }
  const head = async ({ w1, b1, w2, b2 }: HeadParameters): Promise<HeadArrays> => ({
    w1: await w1.read(),
    b1: b1 && (await b1.read()),
    w2: await w2.read(),
    b2: b2 && (await b2.read()),
  })
  return {
    clip: model.clip,
    inherited,
    own: {
      positions: await ownRows(model.anchors.positions),
      staticFeatures: await ownRows(model.staticFeatures),
      logScaling: await ownRows(model.anchors.logScaling),
    },
    decoders: await Promise.all(model.decoders.map(head)),
    inheritsDecoders: model.inheritsDecoders,
    field: { table: await model.field.table.read(), net: await head(model.field.net) },
    bounds: model.bounds,
    colors: model.colors && (await model.colors.read()),
  }
}

function halves(values: Float32Array): Uint16Array {
  const result = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) result[i] = toF16(values[i]!)
  return result
}

export function concatenate(a: Float32Array, b: Float32Array): Float32Array {
  const result = new Float32Array(a.length + b.length)
  result.set(a)
  result.set(b, a.length)
  return result
}
