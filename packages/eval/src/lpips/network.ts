import type { Tensor } from '@clipgstream/tensor'
import type { Kernel, WasmDevice } from '@clipgstream/tensor/wasm'
import { backbones, type Convolution, convolutions, headName, type Layer, type LpipsNet, windowed } from './nets.js'
import type { LpipsWeights } from './weights.js'

/** Features of one image between two layers. */
interface Features {
  readonly height: number
  readonly width: number
  readonly channels: number
  /** Border of zeros around every side, pixels. */
  readonly pad: number
  /** [height + 2 pad, width + 2 pad, channels] */
  readonly data: Tensor<'f32'>
}

interface Parameters {
  /** [outputs / 8, window rows, window columns, inputs, 8] */
  readonly weights: Tensor<'f32'>
  /** [outputs] */
  readonly bias: Tensor<'f32'>
}

/** A backbone with its heads on a wasm device. Its parameters belong to the scope that is open where it is made. */
export interface Network extends Disposable {
  /**
   * The distance of two prepared images // [height, width, 3]: at every tap the mean over pixels of the weighted squared
   * differences of the channel-normalised features, summed over taps.
   */
  distance(first: Float32Array, second: Float32Array, height: number, width: number): number
}

export async function createNetwork(device: WasmDevice, net: LpipsNet, weights: LpipsWeights): Promise<Network> {
  const module = await device.load(new URL('../../dist/kernels/convnet.wasm', import.meta.url))
  const kernels = {
    convolve: module.kernel('convolve'),
    maxPool: module.kernel('maxPool'),
    featureDistance: module.kernel('featureDistance'),
  }
  const owned: Tensor[] = []
  const own = (data: Float32Array, name: string) => {
    const tensor = device.from(data, [data.length], name)
    owned.push(tensor)
    return tensor
  }
  const take = (name: string): Float32Array => {
    const tensor = weights.tensors.get(name)
    if (!tensor) throw new Error(`lpips-${net} weights lack ${name}`)
    return tensor.data
  }
  const parameters = new Map<string, Parameters>()
  const heads = new Map<number, Tensor<'f32'>>()
  const layers = backbones[net]
  for (const layer of layers) {
    for (const convolution of convolutions(layer)) {
      const { name } = convolution
      const weights = own(pack(take(`${name}.weight`), convolution), name)
      parameters.set(name, { weights, bias: own(take(`${name}.bias`), name) })
    }
    if (layer.kind === 'tap') heads.set(layer.index, own(take(headName(layer.index)), headName(layer.index)))
  }

  return {
    distance(first, second, height, width) {
      using run = createRun(device, kernels, parameters)
      let pair = [first, second].map((image) => run.load(image, height, width, padBefore(layers, 0))) as [
        Features,
        Features,
      ]
      let sum = 0
      for (const [i, layer] of layers.entries()) {
        const pad = padBefore(layers, i + 1)
        if (layer.kind === 'tap') {
          const head = heads.get(layer.index)
          if (head) sum += run.compare(pair[0], pair[1], head)
          continue
        }
        const [a, b] = pair
        pair = [run.apply(layer, a, pad), run.apply(layer, b, pad)]
        a.data.dispose()
        b.data.dispose()
      }
      for (const { data } of pair) data.dispose()
      return sum
    },
    [Symbol.dispose]() {
      for (const tensor of owned) tensor.dispose()
    },
  }
}

interface Run extends Disposable {
  load(image: Float32Array, height: number, width: number, pad: number): Features
  apply(layer: Layer, input: Features, pad: number): Features
  compare(first: Features, second: Features, head: Tensor<'f32'>): number
}

function createRun(
  device: WasmDevice,
  kernels: { convolve: Kernel; maxPool: Kernel; featureDistance: Kernel },
  parameters: ReadonlyMap<string, Parameters>,
): Run {
  const scope = device.scope()
  const allocate = (height: number, width: number, channels: number, pad: number): Features => {
    const shape = [height + 2 * pad, width + 2 * pad, channels]
    const data = pad ? device.zeros(shape, 'f32', 'features') : device.empty(shape, 'f32', 'features')
    return { height, width, channels, pad, data }
  }
  const strides = ({ width, channels, pad }: Features) => ({
    row: (width + 2 * pad) * channels * 4,
    pixel: channels * 4,
  })
  /** The address of pixel (-pad, -pad) of the image, `channel` elements on. */
  const corner = (features: Features, pad: number, channel = 0): number => {
    const { row, pixel } = strides(features)
    return device.address(features.data) + (features.pad - pad) * (row + pixel) + 4 * channel
  }
  const convolve = (convolution: Convolution, input: Features, output: Features, channel = 0): void => {
    const found = parameters.get(convolution.name)
    if (!found) throw new Error(`no parameters for ${convolution.name}`)
    const { size, stride, pad, outputs, inputs } = convolution
    const from = strides(input)
    const to = strides(output)
    device.launch(
      kernels.convolve,
      output.height,
      ...[corner(input, pad), from.row, from.pixel, found.weights, found.bias],
      ...[corner(output, 0, channel), to.row, to.pixel],
      ...[output.width, outputs / 8, size, size * inputs, stride],
    )
  }

  return {
    load(image, height, width, pad) {
      const features = allocate(height, width, 3, pad)
      for (let y = 0; y < height; y++) {
        const row = image.subarray(y * width * 3, (y + 1) * width * 3)
        device.write(features.data, row, ((y + pad) * (width + 2 * pad) + pad) * 3)
      }
      return features
    },
    apply(layer, input, pad) {
      const { height, width, channels } = input
      if (layer.kind === 'conv') {
        const [convolution] = convolutions(layer)
        const output = allocate(windowed(height, layer), windowed(width, layer), layer.outputs, pad)
        if (convolution) convolve(convolution, input, output)
        return output
      }
      if (layer.kind === 'fire') {
        const [squeeze, narrow, wide] = convolutions(layer)
        if (!squeeze || !narrow || !wide) throw new Error('a fire module has three convolutions')
        const middle = allocate(height, width, layer.squeeze, 1)
        convolve(squeeze, input, middle)
        const output = allocate(height, width, 2 * layer.expand, pad)
        convolve(narrow, middle, output)
        convolve(wide, middle, output, layer.expand)
        middle.data.dispose()
        return output
      }
      if (layer.kind === 'tap') return input
      const window = { size: layer.size, stride: 2, pad: 0 }
      const output = allocate(windowed(height, window, layer.ceil), windowed(width, window, layer.ceil), channels, pad)
      const from = strides(input)
      const to = strides(output)
      device.launch(
        kernels.maxPool,
        output.height,
        ...[corner(input, 0), from.row, from.pixel, height, width],
        ...[corner(output, 0), to.row, to.pixel, output.width, channels, layer.size],
      )
      return output
    },
    compare(first, second, head) {
      const means = device.empty([first.height], 'f32', 'row means')
      const { row, pixel } = strides(first)
      device.launch(
        kernels.featureDistance,
        first.height,
        ...[corner(first, 0), corner(second, 0), row, pixel, head, means, first.width, first.channels],
      )
      const mean = device.view(means).reduce((sum, value) => sum + value, 0) / first.height
      means.dispose()
      return mean
    },
    [Symbol.dispose]() {
      scope[Symbol.dispose]()
    },
  }
}

/** Zeros that the next convolution wants around its input; taps are passed over. */
function padBefore(layers: readonly Layer[], index: number): number {
  const next = layers.slice(index).find(({ kind }) => kind !== 'tap')
  return next?.kind === 'conv' ? next.pad : 0
}

/** OIHW weights in the order in which the kernel reads them. */
function pack(weights: Float32Array, { inputs, outputs, size }: Convolution): Float32Array {
  const packed = new Float32Array(weights.length)
  let at = 0
  for (let block = 0; block < outputs; block += 8) {
    for (let window = 0; window < size * size; window++) {
      for (let i = 0; i < inputs; i++) {
        for (let lane = 0; lane < 8; lane++)
          packed[at++] = weights[((block + lane) * inputs + i) * size * size + window]!
      }
    }
  }
  return packed
}
