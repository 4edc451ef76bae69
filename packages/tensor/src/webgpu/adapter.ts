/// <reference types="@webgpu/types" preserve="true" />
import { DeviceUnavailableError } from '../errors.js'
import type { GpuSource, WebgpuHost } from './host.js'
import { requiredLimits } from './limits.js'

export interface AdapterOptions {
  /**
   * Part of the name of the adapter. `swiftshader` (or `software`) is the software adapter, which is never taken without
   * being asked for. Any hardware adapter, the fastest first, when left out.
   */
  adapter?: string
  /** Features that are not to be used although the adapter has them, to compare the variants of kernels. */
  without?: readonly WebgpuFeature[]
  /** Whether shaders check every index, as browsers have it (true); Node can do without, kernels of others should not. */
  robust?: boolean
}

export const optionalFeatures = ['subgroups', 'shader-f16', 'timestamp-query'] as const
export type WebgpuFeature = (typeof optionalFeatures)[number]

export interface OpenedAdapter {
  gpu: GPUDevice
  /** What keeps the implementation alive. */
  source: GpuSource
  /** `NVIDIA H100 80GB HBM3` */
  adapterName: string
  software: boolean
  features: ReadonlySet<WebgpuFeature>
  /** Lanes that a subgroup may have; undefined where there are no subgroups or the adapter does not say. */
  subgroupLanes: { least: number; most: number } | undefined
}

const softwareNames = ['swiftshader', 'software']

/** @throws DeviceUnavailableError says what was found instead and how to get what is missing */
export async function openAdapter(host: WebgpuHost, options: AdapterOptions): Promise<OpenedAdapter> {
  const { adapter: wanted, without = [], robust = true } = options
  const asked = wanted !== undefined && softwareNames.includes(wanted.toLowerCase())
  const device = wanted === undefined ? 'webgpu' : `webgpu:${wanted}`
  const source = await host.open({ software: asked, adapter: asked ? undefined : wanted, robust })
  const fail = async (reason: string, cause?: unknown): Promise<never> => {
    const problem = `${reason}; found: ${await source.describe()}`
    throw new DeviceUnavailableError(device, problem, source.remedy, { cause })
  }
  const adapter = await source.gpu
    .requestAdapter(asked ? { forceFallbackAdapter: true } : { powerPreference: 'high-performance' })
    .catch((error: unknown) => fail(`there is no adapter called ${wanted}`, error))
  if (!adapter) return fail(asked ? 'there is no software adapter' : 'there is no GPU with a driver for it')
  const name = nameOf(adapter.info)
  if (!asked && isSoftware(adapter.info)) return fail(`the only adapter is software (${name})`)
  if (!asked && wanted && !matches(adapter.info, wanted)) return fail(`there is no adapter called ${wanted}`)
  const features = optionalFeatures.filter((feature) => adapter.features.has(feature) && !without.includes(feature))
  const gpu = await adapter
    .requestDevice({
      label: name,
      requiredFeatures: features,
      requiredLimits: requiredLimits(name, adapter),
    })
    .catch((error: unknown) => fail(`the adapter ${name} gives no device (${String(error)})`, error))
  const { subgroupMinSize: least = 0, subgroupMaxSize: most = 0 } = adapter.info
  const subgroupLanes = features.includes('subgroups') && least > 0 && most >= least ? { least, most } : undefined
  const software = isSoftware(adapter.info)
  return { gpu, source, adapterName: name, software, features: new Set(features), subgroupLanes }
}

function nameOf({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  // Browsers hide what would tell users apart.
  return architecture === 'swiftshader' ? 'SwiftShader' : device || description || `${vendor} ${architecture}`.trim()
}

function isSoftware({ isFallbackAdapter, architecture, device, description }: GPUAdapterInfo): boolean {
  return (
    isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render/i.test(`${architecture} ${device} ${description}`)
  )
}

function matches({ vendor, architecture, device, description }: GPUAdapterInfo, wanted: string): boolean {
  return `${vendor} ${architecture} ${device} ${description}`.toLowerCase().includes(wanted.toLowerCase())
}

/** For people: what an adapter has. */
export function detailsOf({ gpu, features, subgroupLanes }: OpenedAdapter): string {
  const { maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = gpu.limits
  const lanes = subgroupLanes ? ` of ${[...new Set(Object.values(subgroupLanes))].join(' to ')}` : ''
  return [
    features.has('subgroups') ? `subgroups${lanes}` : 'no subgroups',
    features.has('shader-f16') ? 'f16' : 'no f16',
    features.has('timestamp-query') ? 'time stamps' : 'no time stamps',
    `tensors up to ${Math.round(maxStorageBufferBindingSize / 2 ** 20)} MiB`,
    `${maxComputeWorkgroupStorageSize >> 10} KiB of workgroup memory`,
  ].join(', ')
}
