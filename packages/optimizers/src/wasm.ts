import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { WasmDevice } from '@clipgstream/tensor/wasm'
import type { Adam, AdamGroup } from './contract.js'
import { checkGroup, checkRates, zeroState } from './groups.js'
import { adamRates } from './settings.js'

/** About how many elements a chunk has. */
const block = 16384

type Checked = ReturnType<typeof checkGroup>

export async function createWasmAdam(device: Device): Promise<Adam> {
  if (!(device instanceof WasmDevice)) {
    throw new DeviceUnavailableError(device.kind, 'Adam was given another device', 'Pass a wasm device')
  }
  const module = await device.load(new URL('../dist/kernels/adam.wasm', import.meta.url))
  const adamStep = module.kernel('adamStep')

  const step = (
    { parameter, gradient, state: { m, v }, copy = null }: AdamGroup,
    { width, numbers }: Checked,
    stepSize: number,
    rootScale: number,
  ): void => {
    const { epsilon, beta1, beta2, lazy, rows, gradientLimit } = numbers
    if (parameter.size === 0) return
    // Chunks of whole rows; without rows to skip, any cut will do.
    const unit = lazy ? width * Math.max(1, Math.floor(block / width)) : block
    device.launch(
      adamStep,
      Math.ceil(parameter.size / unit),
      parameter,
      gradient,
      m,
      v,
      copy,
      parameter.size,
      unit,
      rows[0] * width,
      rows[1] * width,
      lazy ? width : 0,
      stepSize,
      rootScale,
      epsilon,
      beta1,
      1 - beta1,
      beta2,
      1 - beta2,
      gradientLimit !== null,
      gradientLimit ?? 0,
    )
  }

  return {
    state: (parameter) => zeroState(device, parameter),
    step(parameter, gradient, state, settings) {
      const group = { parameter, gradient, state, settings }
      const checked = checkGroup('adam.step', device, group)
      const [stepSize = 0, rootScale = 0] = adamRates([settings])
      step(group, checked, stepSize, rootScale)
    },
    stepAll(groups, rates) {
      checkRates('adam.stepAll', device, rates, groups.length)
      const checked = groups.map((group) => checkGroup('adam.stepAll', device, group))
      const numbers = device.view(rates)
      for (const [i, group] of groups.entries()) step(group, checked[i]!, numbers[2 * i]!, numbers[2 * i + 1]!)
    },
  }
}
