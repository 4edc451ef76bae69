import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { WasmDevice } from '@clipgstream/tensor/wasm'
import type { Adam, AdamGroup } from './contract.js'
import { checkGroup, zeroState } from './groups.js'

/** About how many elements a chunk has. */
const block = 16384

type Checked = ReturnType<typeof checkGroup>

export async function createWasmAdam(device: Device): Promise<Adam> {
  if (!(device instanceof WasmDevice)) {
    throw new DeviceUnavailableError(device.kind, 'Adam was given another device', 'Pass a wasm device')
  }
  const module = await device.load(new URL('../dist/kernels/adam.wasm', import.meta.url))
  const adamStep = module.kernel('adamStep')

  const step = ({ parameter, gradient, state: { m, v } }: AdamGroup, { width, numbers }: Checked): void => {
    const { stepSize, rootScale, epsilon, beta1, beta2, lazy, rows, gradientLimit } = numbers
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
      step(group, checkGroup('adam.step', device, group))
    },
    stepAll(groups) {
      const checked = groups.map((group) => ({ group, numbers: checkGroup('adam.stepAll', device, group) }))
      for (const { group, numbers } of checked) step(group, numbers)
    },
  }
}
