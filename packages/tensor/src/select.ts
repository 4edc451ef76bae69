import { DeviceUnavailableError } from './errors.js'
import type { Device } from './tensor.js'

/** `cuda` is the first GPU, `cuda:1` the second. */
export type DeviceName = 'auto' | 'wasm' | 'webgpu' | 'cuda' | `cuda:${number}`

export const deviceNames = ['auto', 'wasm', 'webgpu', 'cuda'] as const satisfies readonly DeviceName[]

export interface SelectOptions {
  /** Threads of the wasm device; all cores by default. */
  threads?: number
}

/**
 * Whether every operator has CUDA kernels. Only then does `auto` try a GPU first: a device that can allocate but not
 * train is not the best one. To be set when the conformance table of cuda is complete.
 */
const cudaIsComplete: boolean = false

/**
 * The device called `name`; `auto` takes the best that this installation has.
 * A device that was asked for by name and is missing is an error, never replaced by another.
 */
export async function selectDevice(name: DeviceName = 'auto', options: SelectOptions = {}): Promise<Device> {
  const [kind, index] = split(name)
  switch (kind) {
    case 'auto':
      return (await tryCuda()) ?? selectDevice('wasm', options)
    case 'wasm': {
      const { createWasmDevice } = await import('./wasm/index.js')
      return createWasmDevice(options)
    }
    case 'cuda': {
      const { createCudaDevice } = await import('#cuda')
      return createCudaDevice({ index })
    }
    case 'webgpu':
      throw new DeviceUnavailableError(name, 'this version has no kernels for it', 'Use --device wasm')
  }
}

/** Whether `text` names a device: one of {@link deviceNames} or `cuda:` and an index. */
export function isDeviceName(text: string): text is DeviceName {
  return /^cuda:\d+$/.test(text) || deviceNames.some((name) => name === text)
}

function split(name: DeviceName): [(typeof deviceNames)[number], number] {
  const known = deviceNames.find((one) => one === name)
  if (known) return [known, 0]
  const index = /^cuda:(\d+)$/.exec(name)?.[1]
  if (index !== undefined) return ['cuda', Number(index)]
  const remedy = `Use one of ${deviceNames.join(', ')}, or cuda:1 for the second GPU`
  throw new DeviceUnavailableError(name, 'there is no such device', remedy)
}

async function tryCuda(): Promise<Device | undefined> {
  if (!cudaIsComplete) return undefined
  const { createCudaDevice } = await import('#cuda')
  return createCudaDevice().catch((error: unknown) => {
    if (error instanceof DeviceUnavailableError) return undefined
    throw error
  })
}
