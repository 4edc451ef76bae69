import { DeviceUnavailableError } from '@clipgstream/tensor'
import { type CudaDevice, createCudaDevice } from '@clipgstream/tensor/cuda'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import type { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import { webgpuForTests } from './webgpu-device.js'

type AnyDevice = WasmDevice | CudaDevice | WebgpuDevice

export interface TestDevice {
  name: string
  /** Whether it is a processor that plays GPU: only small problems are borne, and kernels compile for long. */
  slow?: boolean
  /** Whether `create` gives the same device again, which is not to be disposed. */
  shared?: boolean
  create(): Promise<AnyDevice>
  /** Another that must give the same bytes. */
  createOther(): Promise<AnyDevice>
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

async function webgpuDevice(): Promise<TestDevice | undefined> {
  const device = await webgpuForTests()
  if (!device) return undefined
  // One for all tests of a file, for the sake of its compiled kernels.
  const create = async () => device
  return { name: 'webgpu', slow: device.software, shared: true, create, createOther: create }
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
  const webgpu = await webgpuDevice()
  return [wasm, ...(missing ? [] : [cuda]), ...(webgpu ? [webgpu] : [])]
}
