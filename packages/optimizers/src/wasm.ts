import { check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { WasmDevice } from '@clipgstream/tensor/wasm'
import type { Adam, AdamState, AdamStep } from './contract.js'
import { adamNumbers } from './settings.js'

/** About how many elements a chunk has. */
const block = 16384

export async function createWasmAdam(device: Device): Promise<Adam> {
  if (!(device instanceof WasmDevice)) {
    throw new DeviceUnavailableError(device.kind, 'Adam was given another device', 'Pass a wasm device')
  }
  const module = await device.load(new URL('../dist/kernels/adam.wasm', import.meta.url))
  const adamStep = module.kernel('adamStep')

  return {
    state(parameter: Tensor<'f32'>): AdamState {
      check('adam.state', device, 'parameter', parameter, 'f32', parameter.shape)
      return {
        m: device.zeros(parameter.shape, 'f32', `m of ${parameter.name}`),
        v: device.zeros(parameter.shape, 'f32', `v of ${parameter.name}`),
      }
    },
    step(parameter: Tensor<'f32'>, gradient: Tensor<'f32'>, { m, v }: AdamState, settings: AdamStep): void {
      const { shape } = parameter
      check('adam.step', device, 'parameter', parameter, 'f32', shape)
      check('adam.step', device, 'gradient', gradient, 'f32', shape)
      check('adam.step', device, 'm', m, 'f32', shape)
      check('adam.step', device, 'v', v, 'f32', shape)
      const rowCount = shape[0] ?? 1
      const { stepSize, rootScale, epsilon, beta1, beta2, lazy, rows, gradientLimit } = adamNumbers(settings, rowCount)
      if (parameter.size === 0) return
      const width = parameter.size / rowCount
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
    },
  }
}
