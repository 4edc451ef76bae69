import { check, type Device, type Tensor } from '@clipgstream/tensor'
import type { AdamGroup, AdamState } from './contract.js'
import { type AdamNumbers, adamNumbers } from './settings.js'

/** Zero moments of `parameter`, of the scope that is open. */
export function zeroState(device: Device, parameter: Tensor<'f32'>): AdamState {
  check('adam.state', device, 'parameter', parameter, 'f32', parameter.shape)
  return {
    m: device.zeros(parameter.shape, 'f32', `m of ${parameter.name}`),
    v: device.zeros(parameter.shape, 'f32', `v of ${parameter.name}`),
  }
}

/** Elements of a row, and what the kernels need of the settings. Throws what `step` may throw. */
export function checkGroup(
  operator: string,
  device: Device,
  { parameter, gradient, state, copy, settings }: AdamGroup,
): { width: number; numbers: AdamNumbers } {
  const { shape } = parameter
  check(operator, device, 'parameter', parameter, 'f32', shape)
  check(operator, device, 'gradient', gradient, 'f32', shape)
  check(operator, device, 'm', state.m, 'f32', shape)
  check(operator, device, 'v', state.v, 'f32', shape)
  if (copy) check(operator, device, 'copy', copy, 'f16', shape)
  const rowCount = shape[0] ?? 1
  return { width: parameter.size / Math.max(rowCount, 1), numbers: adamNumbers(settings, rowCount) }
}

/** Checks rates of `groups` groups. */
export function checkRates(operator: string, device: Device, rates: Tensor<'f32'>, groups: number): void {
  check(operator, device, 'rates', rates, 'f32', [groups, 2])
}
