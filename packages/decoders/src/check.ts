import { ArgumentError, check, type Device, type Shape, ShapeError, type Tensor } from '@clipgstream/tensor'
import type { HeadParameters, HeadsConfig, HeadsInputs, HeadsResult } from './contract.js'
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

/** Checks what backward takes, but for what forward kept; returns the rows of x. */
export function checkBackward(
  operator: string,
  device: Device,
  config: HeadsConfig,
  inputs: HeadsInputs,
  parameters: readonly HeadParameters[],
  outputs: readonly Tensor[],
  vOutputs: readonly Tensor[],
  vParameters: readonly HeadParameters[] | null,
): number {
  const capacity = checkInputs(operator, device, config, inputs)
  checkParameters(operator, device, config, 'parameters', parameters)
  if (vParameters) checkParameters(operator, device, config, 'vParameters', vParameters)
  checkOutputs(operator, device, config, 'result.outputs', outputs, capacity)
  checkOutputs(operator, device, config, 'vOutputs', vOutputs, capacity)
  return capacity
}

/** Checks that forward kept nothing or one tensor, which is returned. */
export function checkKept(
  operator: string,
  device: Device,
  { saved }: HeadsResult,
  type: 'f32' | 'u32',
  shape: Shape,
): Tensor | undefined {
  const [kept] = saved
  if (!kept) return undefined
  if (saved.length > 1)
    throw new ArgumentError(operator, 'result.saved', `${saved.length} tensors`, 'what forward returned')
  check(operator, device, 'result.saved[0]', kept, type, shape)
  return kept
}

export function checkLength(operator: string, { heads }: HeadsConfig, name: string, length: number): void {
  if (length === heads.length) return
  const list = heads.map((head) => head.name).join(', ')
  throw new ArgumentError(operator, name, `${length} entries`, `one entry for each head (${list})`)
}
