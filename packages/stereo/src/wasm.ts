import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { WasmDevice } from '@clipgstream/tensor/wasm'
import type { StereoOperators } from './contract.js'
import { createOperators } from './operators.js'

/** Rows of a chunk. */
const rows = 4

export async function createStereoOperators(device: Device): Promise<StereoOperators> {
  const wasm = narrow(device)
  const match = await wasm.load(new URL('../dist/kernels/match.wasm', import.meta.url))
  const consistency = await wasm.load(new URL('../dist/kernels/consistency.wasm', import.meta.url))
  const kernels = {
    matchCosts: match.kernel('matchCosts'),
    seedPlanes: match.kernel('seedPlanes'),
    liftPlanes: match.kernel('liftPlanes'),
    sweepPlanes: match.kernel('sweepPlanes'),
    checkConsistency: consistency.kernel('checkConsistency'),
  }
  return createOperators(device, (name, { height }, tensors, numbers) => {
    wasm.launch(kernels[name], Math.ceil(height / rows), rows, ...Object.values(tensors), ...Object.values(numbers))
  })
}

function narrow(device: Device): WasmDevice {
  if (device instanceof WasmDevice) return device
  throw new DeviceUnavailableError(device.kind, 'stereo was given another device', 'Pass a wasm device')
}
