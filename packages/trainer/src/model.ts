import type { HeadParameters, Heads } from '@clipgstream/decoders'
import type { AnchorInputs, Bounds } from '@clipgstream/gaussians'
import type { HashGrid } from '@clipgstream/hashgrid'
import type { Device, Random, Tensor } from '@clipgstream/tensor'

/** Anchors on the host. */
export interface AnchorArrays {
  positions: Float32Array // [N, 3] world units
  staticFeatures: Float32Array // [N, Cs]
  logScaling: Float32Array // [N, 6]
}

/** The spatio-temporal field of one clip: dynamic feature = net(grid(position, time)). */
export interface Field {
  table: Tensor<'f32'> // [E, F]
  net: HeadParameters
}

/**
 * Everything that renders one clip. Rows [0, inherited) of the anchors come from the reference clip and are frozen, as are
 * the decoders when `inheritsDecoders`.
 */
export interface ClipModel {
  readonly clip: number
  readonly count: number
  readonly inherited: number
  readonly inheritsDecoders: boolean
  readonly anchors: AnchorInputs
  readonly staticFeatures: Tensor<'f32'> // [N, Cs]
  readonly decoders: readonly HeadParameters[]
  readonly field: Field
  /** Of all anchors, for the field's input. */
  readonly bounds: Bounds
  /** [training cameras, 3, 4], or null without colour compensation. */
  readonly colors: Tensor<'f32'> | null
}

/** Uniform in [-tableInit, tableInit]; the perceptron by Glorot and Bengio (2010). */
export function createFieldParameters(
  device: Device,
  grid: HashGrid,
  net: Heads,
  tableInit: number,
  random: Random,
): Field {
  const head = net.config.heads[0]!
  const { inputs } = net.config
  const layer = (rows: number, columns: number, name: string) =>
    uniform(device, [rows, columns], Math.sqrt(6 / (rows + columns)), random, name)
  return {
    net: {
      w1: layer(head.hidden, inputs, 'field.w1'),
      b1: null,
      w2: layer(head.outputs, head.hidden, 'field.w2'),
      b2: null,
    },
    table: uniform(device, [grid.entries, grid.config.features], tableInit, random, 'field.table'),
  }
}

/** Weights and biases uniform in +-1 / sqrt(inputs of the layer). */
export function createDecoderParameters(device: Device, decoders: Heads, random: Random): HeadParameters[] {
  const { inputs, heads } = decoders.config
  return heads.map(({ name, hidden, outputs }) => ({
    w1: uniform(device, [hidden, inputs], 1 / Math.sqrt(inputs), random, `${name}.w1`),
    b1: uniform(device, [hidden], 1 / Math.sqrt(inputs), random, `${name}.b1`),
    w2: uniform(device, [outputs, hidden], 1 / Math.sqrt(hidden), random, `${name}.w2`),
    b2: uniform(device, [outputs], 1 / Math.sqrt(hidden), random, `${name}.b2`),
  }))
}

function uniform(device: Device, shape: readonly number[], bound: number, random: Random, name: string): Tensor<'f32'> {
  const data = new Float32Array(shape.reduce((size, extent) => size * extent, 1))
  for (let i = 0; i < data.length; i++) data[i] = (2 * random.uniform() - 1) * bound
  return device.from(data, shape, name)
}

/** The tensors of a head by name, without absent biases. */
export function headTensors(name: string, { w1, b1, w2, b2 }: HeadParameters): [string, Tensor<'f32'>][] {
  return [
    [`${name}.w1`, w1],
    ...(b1 ? [[`${name}.b1`, b1] as [string, Tensor<'f32'>]] : []),
    [`${name}.w2`, w2],
    ...(b2 ? [[`${name}.b2`, b2] as [string, Tensor<'f32'>]] : []),
  ]
}

/** Identity colour maps // [cameras, 3, 4] */
export function createColorMaps(device: Device, cameras: number): Tensor<'f32'> {
  const data = new Float32Array(cameras * 12)
  for (let i = 0; i < cameras; i++) for (let c = 0; c < 3; c++) data[i * 12 + c * 5] = 1
  return device.from(data, [cameras, 3, 4], 'colors')
}

export function concatenate(a: Float32Array, b: Float32Array): Float32Array {
  const result = new Float32Array(a.length + b.length)
  result.set(a)
  result.set(b, a.length)
  return result
}

/** Inherited rows first, own ones behind. */
export function joinAnchors(inherited: AnchorArrays, own: AnchorArrays): AnchorArrays {
  return {
    positions: concatenate(inherited.positions, own.positions),
    staticFeatures: concatenate(inherited.staticFeatures, own.staticFeatures),
    logScaling: concatenate(inherited.logScaling, own.logScaling),
  }
}
