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
  /**
   * `auto` takes a GPU only if this resolves: to be used for creating the operators that will be needed. With a
   * DeviceUnavailableError, such as of kernels that are not built, `auto` goes on to the next device.
   */
  accept?: (device: Device) => Promise<unknown>
}

/** What `auto` takes. */
export interface DeviceChoice {
  device: Device
  /** Better devices that are not there, best first, and why. */
  passedOver: readonly { name: DeviceName; reason: string }[]
}

/**
 * The device called `name`; `auto` takes the best that this installation has.
 * A device that was asked for by name and is missing is an error, never replaced by another.
 */
export async function selectDevice(name: DeviceName = 'auto', options: SelectOptions = {}): Promise<Device> {
  const [kind, which] = split(name)
  switch (kind) {
    case 'auto':
      return (await chooseDevice(options)).device
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

/**
 * The best device of this machine, as `auto` takes it: the first GPU of NVIDIA where a driver and kernels are there, any
 * other hardware adapter, else wasm; and why what is better was passed over.
 */
export async function chooseDevice(options: SelectOptions = {}): Promise<DeviceChoice> {
  const passedOver: { name: DeviceName; reason: string }[] = []
  const better = [['cuda', openCuda] as const, ['webgpu', openWebgpu] as const]
  for (const [name, open] of better) {
    let device: Device | undefined
    try {
      device = await open()
      await options.accept?.(device)
      return { device, passedOver }
    } catch (error) {
      device?.dispose()
      if (!(error instanceof DeviceUnavailableError)) throw error
      passedOver.push({ name, reason: error.message })
    }
  }
  return { device: await selectDevice('wasm', options), passedOver }
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

async function openCuda(): Promise<Device> {
  const { createCudaDevice, createCudaPrimitives } = await import('#cuda')
  const device = await createCudaDevice()
  try {
    // Without kernels a device still moves memory; whoever asks for the best one wants more.
    await createCudaPrimitives(device)
    return device
  } catch (error) {
    device.dispose()
    throw error
  }
}

async function openWebgpu(): Promise<Device> {
  const { createWebgpuDevice } = await import('./webgpu/index.js')
  return createWebgpuDevice()
}
