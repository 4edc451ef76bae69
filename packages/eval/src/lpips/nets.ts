/** The backbones that LPIPS v0.1 was calibrated for (Zhang et al. 2018). */
export type LpipsNet = 'alex' | 'squeeze' | 'vgg'

export const lpipsNets = ['alex', 'squeeze', 'vgg'] as const satisfies readonly LpipsNet[]

/** One step of a backbone, by the index that torchvision's `features` give it. Every convolution ends with a ReLU. */
export type Layer =
  | ({ readonly kind: 'conv'; readonly at: number; readonly inputs: number; readonly outputs: number } & Window)
  | { readonly kind: 'pool'; readonly size: 2 | 3; readonly ceil: boolean }
  | {
      readonly kind: 'fire'
      readonly at: number
      readonly inputs: number
      readonly squeeze: number
      readonly expand: number
    }
  /** The features here are compared, with the weights of head `index`. */
  | { readonly kind: 'tap'; readonly index: number; readonly channels: number }

interface Window {
  readonly size: number
  readonly stride: number
  readonly pad: number
}

/** Layers without their taps' numbers and channels, which follow from the order. */
type Step = Exclude<Layer, { kind: 'tap' }> | 'tap'

const conv = (at: number, inputs: number, outputs: number, size = 3, stride = 1, pad = 1): Step => ({
  kind: 'conv',
  ...{ at, inputs, outputs, size, stride, pad },
})
const fire = (at: number, inputs: number, squeeze: number, expand: number): Step => ({
  kind: 'fire',
  ...{ at, inputs, squeeze, expand },
})
const pool = (size: 2 | 3, ceil = false): Step => ({ kind: 'pool', size, ceil })

function layers(steps: readonly Step[]): Layer[] {
  let channels = 3
  let index = 0
  return steps.map((step) => {
    if (step === 'tap') return { kind: 'tap', index: index++, channels }
    if (step.kind === 'conv') channels = step.outputs
    if (step.kind === 'fire') channels = 2 * step.expand
    return step
  })
}

/** AlexNet (one tower), SqueezeNet 1.1 and VGG-16 up to the last layer that LPIPS looks at. */
export const backbones: Readonly<Record<LpipsNet, readonly Layer[]>> = {
  alex: layers([
    ...[conv(0, 3, 64, 11, 4, 2), 'tap' as const, pool(3)],
    ...[conv(3, 64, 192, 5, 1, 2), 'tap' as const, pool(3)],
    ...[conv(6, 192, 384), 'tap' as const, conv(8, 384, 256), 'tap' as const, conv(10, 256, 256), 'tap' as const],
  ]),
  squeeze: layers([
    ...[conv(0, 3, 64, 3, 2, 0), 'tap' as const, pool(3, true)],
    ...[fire(3, 64, 16, 64), fire(4, 128, 16, 64), 'tap' as const, pool(3, true)],
    ...[fire(6, 128, 32, 128), fire(7, 256, 32, 128), 'tap' as const, pool(3, true)],
    ...[fire(9, 256, 48, 192), 'tap' as const, fire(10, 384, 48, 192), 'tap' as const],
    ...[fire(11, 384, 64, 256), 'tap' as const, fire(12, 512, 64, 256), 'tap' as const],
  ]),
  vgg: layers([
    ...[conv(0, 3, 64), conv(2, 64, 64), 'tap' as const, pool(2)],
    ...[conv(5, 64, 128), conv(7, 128, 128), 'tap' as const, pool(2)],
    ...[conv(10, 128, 256), conv(12, 256, 256), conv(14, 256, 256), 'tap' as const, pool(2)],
    ...[conv(17, 256, 512), conv(19, 512, 512), conv(21, 512, 512), 'tap' as const, pool(2)],
    ...[conv(24, 512, 512), conv(26, 512, 512), conv(28, 512, 512), 'tap' as const],
  ]),
}

/** A convolution by the name that torchvision gives its parameters. */
export interface Convolution extends Window {
  readonly name: string
  readonly inputs: number
  readonly outputs: number
}

/** The convolutions of a layer: one, or the three of a fire module (squeeze, expand 1x1, expand 3x3). */
export function convolutions(layer: Layer): Convolution[] {
  if (layer.kind === 'conv') return [{ ...layer, name: `features.${layer.at}` }]
  if (layer.kind !== 'fire') return []
  const { at, inputs, squeeze, expand } = layer
  const window = (size: number) => ({ size, stride: 1, pad: (size - 1) / 2 })
  return [
    { name: `features.${at}.squeeze`, inputs, outputs: squeeze, ...window(1) },
    { name: `features.${at}.expand1x1`, inputs: squeeze, outputs: expand, ...window(1) },
    { name: `features.${at}.expand3x3`, inputs: squeeze, outputs: expand, ...window(3) },
  ]
}

/** Names and shapes of all tensors of a net, as in the file: convolutions OIHW with their biases, heads [1, C, 1, 1]. */
export function expectedTensors(net: LpipsNet): Map<string, readonly number[]> {
  const result = new Map<string, readonly number[]>()
  for (const layer of backbones[net]) {
    for (const { name, inputs, outputs, size } of convolutions(layer)) {
      result.set(`${name}.weight`, [outputs, inputs, size, size])
      result.set(`${name}.bias`, [outputs])
    }
    if (layer.kind === 'tap') result.set(headName(layer.index), [1, layer.channels, 1, 1])
  }
  return result
}

export const headName = (index: number): string => `lin${index}.model.1.weight`

/** Output extent of a window, rounded down, or up as PyTorch's ceil mode does. */
export function windowed(extent: number, { size, stride, pad }: Window, ceil = false): number {
  const steps = (extent + 2 * pad - size) / stride
  return (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1
}

/** The smallest side of an image that leaves at least one pixel at every layer. */
export function smallestSide(net: LpipsNet): number {
  for (let side = 1; ; side++) {
    let extent = side
    for (const layer of backbones[net]) {
      if (layer.kind === 'conv') extent = windowed(extent, layer)
      if (layer.kind === 'pool') extent = windowed(extent, { size: layer.size, stride: 2, pad: 0 }, layer.ceil)
      if (extent < 1) break
    }
    if (extent >= 1) return side
  }
}
