// The devices that the tests of an operator run on: one suite for all of them.
import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { type CudaDevice, createCudaDevice } from '@clipgstream/tensor/cuda'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import type { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import { webgpuForTests } from '../packages/tensor/test/webgpu-device.js'

export interface TestedDevice {
  kind: Device['kind']
  /** Poisoned, and shared by the tests of a file: they must leave no bytes behind. */
  device: WasmDevice | CudaDevice | WebgpuDevice
  /** Whether it bears problems of more than about ten thousand elements. */
  bearsMuch: boolean
}

/** What this machine has, wasm first; says loudly what it has not. */
export async function testedDevices(operators: string): Promise<TestedDevice[]> {
  const found: TestedDevice[] = []
  found.push({ kind: 'wasm', device: await createWasmDevice({ threads: 2, poison: true }), bearsMuch: true })
  try {
    found.push({ kind: 'cuda', device: await createCudaDevice({ poison: true }), bearsMuch: true })
  } catch (error) {
    if (!(error instanceof DeviceUnavailableError)) throw error
    console.warn(`${operators} on CUDA: SKIPPED, ${error.message}`)
  }
  const webgpu = await webgpuForTests()
  if (webgpu) found.push({ kind: 'webgpu', device: webgpu, bearsMuch: !webgpu.software })
  return found
}
