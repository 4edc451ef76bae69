import { ArgumentError, check, type Device, type Shape, ShapeError, type Tensor } from '@clipgstream/tensor'
import type { HeadParameters, HeadsConfig, HeadsInputs } from './contract.js'
import { parameterShapes } from './parameters.js'

/** Checks x and count as tensors; returns the rows of x. */
export function checkInputs(operator: string, device: Device, config: HeadsConfig, { x, count }: HeadsInputs): number {
  const [capacity = 0] = check(operator, device, 'x', x, 'f32', ['*', config.inputs])
  if (count) check(operator, device, 'count', count, 'u32', [1])
  return capacity
}

/** Checks parameters, or gradients, that an argument called `name` lists by head. */
export function checkParameters(
  operator: string,
  device: Device,
  config: HeadsConfig,
  name: string,
  parameters: readonly HeadParameters[],
): void {
  checkLength(operator, config, name, parameters.length)
  parameterShapes(config).forEach((shapes, i) => {
    for (const key of ['w1', 'b1', 'w2', 'b2'] as const) {
      const tensor = parameters[i]![key]
      const shape: Shape | null = shapes[key]
      const label = `${name}[${i}].${key}`
      if (tensor && shape) check(operator, device, label, tensor, 'f32', shape)
      else if (tensor)
        throw new ArgumentError(operator, label, `[${tensor.shape.join(', ')}]`, 'null, as biases is false')
      else if (shape) throw new ShapeError(operator, label, shape, [])
    }
  })
}

/** Checks one tensor [capacity, outputs] a head. */
export function checkOutputs(
  operator: string,
  device: Device,
  config: HeadsConfig,
  list: string,
  tensors: readonly Tensor[],
  capacity: number,
): void {
  checkLength(operator, config, list, tensors.length)
  config.heads.forEach(({ name, outputs }, i) => {
    check(operator, device, `${list}[${i}] (${name})`, tensors[i]!, 'f32', [capacity, outputs])
  })
}

export function checkLength(operator: string, { heads }: HeadsConfig, name: string, length: number): void {
  if (length === heads.length) return
  const list = heads.map((head) => head.name).join(', ')
  throw new ArgumentError(operator, name, `${length} entries`, `one entry for each head (${list})`)
}
