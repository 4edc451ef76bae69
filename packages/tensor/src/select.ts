import { DeviceUnavailableError } from './errors.js'
import type { Device } from './tensor.js'

/**
 * `cuda` is the first GPU, `cuda:1` the second. `webgpu` is the fastest hardware adapter, `webgpu:nvidia` one whose name
 * has that in it, `webgpu:swiftshader` the software adapter.
 */
export type DeviceName = 'auto' | 'wasm' | 'webgpu' | `webgpu:${string}` | 'cuda' | `cuda:${number}`

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
/** The same for webgpu, which `auto` tries after cuda, and only with a hardware adapter. */
const webgpuIsComplete: boolean = false

/**
 * The device called `name`; `auto` takes the best that this installation has.
 * A device that was asked for by name and is missing is an error, never replaced by another.
 */
export async function selectDevice(name: DeviceName = 'auto', options: SelectOptions = {}): Promise<Device> {
  const [kind, which] = split(name)
  switch (kind) {
    case 'auto':
      return (await tryCuda()) ?? (await tryWebgpu()) ?? selectDevice('wasm', options)
    case 'wasm': {
      const { createWasmDevice } = await import('./wasm/index.js')
      return createWasmDevice(options)
    }
    case 'cuda': {
      const { createCudaDevice } = await import('#cuda')
      return createCudaDevice({ index: Number(which ?? 0) })
    }
    case 'webgpu': {
      const { createWebgpuDevice } = await import('./webgpu/index.js')
      return createWebgpuDevice(which === undefined ? {} : { adapter: which })
    }
  }
}

/** Whether `text` names a device: one of {@link deviceNames}, `cuda:` and an index or `webgpu:` and a name. */
export function isDeviceName(text: string): text is DeviceName {
  return numbered.test(text) || named.test(text) || deviceNames.some((name) => name === text)
}

const numbered = /^cuda:(\d+)$/
const named = /^webgpu:(.+)$/

function split(name: DeviceName): [(typeof deviceNames)[number], string?] {
  const known = deviceNames.find((one) => one === name)
  if (known) return [known]
  const index = numbered.exec(name)?.[1]
  if (index !== undefined) return ['cuda', index]
  const adapter = named.exec(name)?.[1]
  if (adapter !== undefined) return ['webgpu', adapter]
  const remedy = `Use one of ${deviceNames.join(', ')}, cuda:1 for the second GPU, or webgpu:NAME for one adapter`
  throw new DeviceUnavailableError(name, 'there is no such device', remedy)
}

async function tryCuda(): Promise<Device | undefined> {
  if (!cudaIsComplete) return undefined
  const { createCudaDevice } = await import('#cuda')
  return createCudaDevice().catch(ifUnavailable)
}

async function tryWebgpu(): Promise<Device | undefined> {
  if (!webgpuIsComplete) return undefined
  const { createWebgpuDevice } = await import('./webgpu/index.js')
  return createWebgpuDevice().catch(ifUnavailable)
}

function ifUnavailable(error: unknown): undefined {
  if (error instanceof DeviceUnavailableError) return undefined
  throw error
}
