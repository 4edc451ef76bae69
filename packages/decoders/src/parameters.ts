import { ArgumentError, createRandom, type Device, type Random, type Shape, sizeOf } from '@clipgstream/tensor'
import type { HeadParameters, HeadsConfig } from './contract.js'

/** Something for each parameter of a head. Biases are null when the network has none. */
export interface PerParameter<T> {
  w1: T
  b1: T | null
  w2: T
  b2: T | null
}

/**
 * `linear`: weights and biases U(-1/sqrt(in), 1/sqrt(in)), PyTorch's default of a linear layer.
 * `xavier`: weights U(-b, b), b = sqrt(6 / (in + out)) (Glorot and Bengio 2010), biases 0.
 */
export type Initialisation = 'linear' | 'xavier'

/** Shapes of the parameters, one entry a head: w1 // [hidden, inputs], b1 // [hidden], w2 // [outputs, hidden], b2 // [outputs] */
export function parameterShapes({ inputs, heads, biases }: HeadsConfig): PerParameter<Shape>[] {
  return heads.map(({ hidden, outputs }) => ({
    w1: [hidden, inputs],
    b1: biases ? [hidden] : null,
    w2: [outputs, hidden],
    b2: biases ? [outputs] : null,
  }))
}

/** Number of parameters of all heads. */
export function parameterCount(config: HeadsConfig): number {
  return parameterShapes(config)
    .flatMap(({ w1, b1, w2, b2 }) => [w1, b1 ?? [0], w2, b2 ?? [0]])
    .reduce((sum, shape) => sum + sizeOf(shape), 0)
}

/** Initial values on the host: the same numbers for the same seed on every machine. */
export function initialParameters(
  config: HeadsConfig,
  initialisation: Initialisation,
  seed: number,
): PerParameter<Float32Array<ArrayBuffer>>[] {
  const random = createRandom(seed)
  const layer = (inputs: number, outputs: number) => {
    const bound = initialisation === 'linear' ? 1 / Math.sqrt(inputs) : Math.sqrt(6 / (inputs + outputs))
    return {
      weights: uniform(random, inputs * outputs, bound),
      biases: config.biases ? uniform(random, outputs, initialisation === 'linear' ? bound : 0) : null,
    }
  }
  return config.heads.map(({ hidden, outputs }) => {
    const first = layer(config.inputs, hidden)
    const second = layer(hidden, outputs)
    return { w1: first.weights, b1: first.biases, w2: second.weights, b2: second.biases }
  })
}

/** Copies parameters to the device, in tensors called `color.w1` and so on. A wrong number of values is a ShapeError. */
export function uploadParameters(
  device: Device,
  config: HeadsConfig,
  values: readonly PerParameter<Float32Array>[],
): HeadParameters[] {
  if (values.length !== config.heads.length) {
    throw new ArgumentError('uploadParameters', 'values', `${values.length} heads`, `${config.heads.length} heads`)
  }
  return mapParameters(config, (shape, key, head) =>
    device.from(values[head]?.[key] ?? empty, shape, name(config, head, key)),
  )
}

/** Zeros shaped as the parameters: gradient buffers. */
export function zeroParameters(device: Device, config: HeadsConfig): HeadParameters[] {
  return mapParameters(config, (shape, key, head) => device.zeros(shape, 'f32', name(config, head, key)))
}

const empty = new Float32Array(0)

function name(config: HeadsConfig, head: number, key: keyof HeadParameters): string {
  return `${config.heads[head]?.name}.${key}`
}

function mapParameters<T>(
  config: HeadsConfig,
  make: (shape: Shape, key: keyof HeadParameters, head: number) => T,
): PerParameter<T>[] {
  return parameterShapes(config).map(({ w1, b1, w2, b2 }, head) => ({
    w1: make(w1, 'w1', head),
    b1: b1 && make(b1, 'b1', head),
    w2: make(w2, 'w2', head),
    b2: b2 && make(b2, 'b2', head),
  }))
}

function uniform(random: Random, length: number, bound: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, () => (2 * random.uniform() - 1) * bound)
}
