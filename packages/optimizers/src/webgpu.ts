import { type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import type { Adam, AdamGroup } from './contract.js'
import { checkGroup, checkRates, zeroState } from './groups.js'
import { adamRates } from './settings.js'

// As in the kernels.
const elementsPerWorkgroup = 1024
const unitOfRows = 2048

type Checked = ReturnType<typeof checkGroup>

export async function createWebgpuAdam(device: Device): Promise<Adam> {
  if (!(device instanceof WebgpuDevice)) {
    throw new DeviceUnavailableError(device.kind, 'Adam was given another device', 'Pass a webgpu device')
  }
  // Whole addresses, which bundlers find.
  const adam = await device.load(new URL('../dist/kernels/adam.wgsl.json', import.meta.url))
  const adamRows = await device.load(new URL('../dist/kernels/adam-rows.wgsl.json', import.meta.url))
  const adamStep = adam.kernel('adamStep')
  const adamStepRows = adamRows.kernel('adamStepRows')

  const step = (
    { parameter, gradient, state: { m, v }, copy = null }: AdamGroup,
    { width, numbers }: Checked,
    rates: Tensor<'f32'>,
    group: number,
  ): void => {
    const { epsilon, beta1, beta2, lazy, rows, gradientLimit } = numbers
    const { size } = parameter
    if (size === 0) return
    // Rows that do not lie inside of four elements stay together in a workgroup.
    const whole = lazy && ![1, 2, 4].includes(width)
    const unit = whole ? width * Math.max(1, Math.floor(unitOfRows / width)) : elementsPerWorkgroup
    const settings = {
      ...{ size, first: rows[0] * width, last: rows[1] * width, lazyWidth: lazy ? width : 0, unit, group },
      ...{ epsilon, beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, gradientLimit: gradientLimit ?? -1 },
      copied: copy !== null,
    }
    const tensors = { parameter, gradient, m, v, rates, copy }
    device.launch(whole ? adamStepRows : adamStep, Math.ceil(size / unit), settings, tensors)
  }

  return {
    state: (parameter) => zeroState(device, parameter),
    step(parameter, gradient, state, settings) {
      const group = { parameter, gradient, state, settings }
      const checked = checkGroup('adam.step', device, group)
      using rates = device.from(adamRates([settings]), [1, 2], 'rates')
      step(group, checked, rates, 0)
    },
    stepAll(groups, rates) {
      checkRates('adam.stepAll', device, rates, groups.length)
      const checked = groups.map((group) => checkGroup('adam.stepAll', device, group))
      for (const [i, numbers] of checked.entries()) {
        const group = groups[i]
        if (group) step(group, numbers, rates, i)
      }
    },
  }
}
