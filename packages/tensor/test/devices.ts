import { DeviceUnavailableError } from '@clipgstream/tensor'
import { type CudaDevice, createCudaDevice } from '@clipgstream/tensor/cuda'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'

export interface TestDevice {
  name: string
  create(): Promise<WasmDevice | CudaDevice>
  /** Another that must give the same bytes. */
  createOther(): Promise<WasmDevice | CudaDevice>
}

const wasm: TestDevice = {
  name: 'wasm',
  create: () => createWasmDevice({ threads: 2, poison: true }),
  createOther: () => createWasmDevice({ threads: 3 }),
}

const cuda: TestDevice = {
  name: 'cuda',
  create: () => createCudaDevice({ poison: true }),
  createOther: () => createCudaDevice(),
}

/** Why the tests of a GPU do not run here, or undefined. */
export async function whyNoCuda(): Promise<string | undefined> {
  try {
    using device = await createCudaDevice()
    await device.load(new URL('../dist/kernels/selftest.fatbin', import.meta.url))
    return undefined
  } catch (error) {
    if (error instanceof DeviceUnavailableError) return error.message
    throw error
  }
}

/** The devices of this machine. */
export async function testDevices(): Promise<TestDevice[]> {
  const missing = await whyNoCuda()
  if (missing) console.warn(`tests of cuda are skipped: ${missing}`)
  return missing ? [wasm] : [wasm, cuda]
}
