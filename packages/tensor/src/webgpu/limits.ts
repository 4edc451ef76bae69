import { DeviceUnavailableError } from '../errors.js'

interface Limit {
  name:
    | 'maxBufferSize'
    | 'maxStorageBufferBindingSize'
    | 'maxComputeWorkgroupStorageSize'
    | 'maxComputeInvocationsPerWorkgroup'
    | 'maxComputeWorkgroupSizeX'
  /** With less the adapter is refused. */
  least: number
  /** No more is asked for, whatever the adapter has. */
  most: number
  reason: string
}

const mebibyte = 1 << 20

/** What is asked of an adapter beyond what every one gives, and why. */
export const wantedLimits: readonly Limit[] = [
  {
    name: 'maxBufferSize',
    least: 128 * mebibyte,
    most: 2 ** 32,
    reason: 'a tensor is one buffer, and hash tables and images of real scenes pass 256 MiB',
  },
  {
    name: 'maxStorageBufferBindingSize',
    least: 128 * mebibyte,
    most: 2 ** 32,
    reason: 'a tensor is bound whole, and 128 MiB hold only 33 million floats',
  },
  {
    name: 'maxComputeWorkgroupStorageSize',
    least: 32 << 10,
    most: 64 << 10,
    reason: 'tiles of decoders and rasterizer are laid out for 32 KiB; wider ones are chosen where there is more',
  },
  {
    name: 'maxComputeInvocationsPerWorkgroup',
    least: 256,
    most: 1024,
    reason: 'kernels are written for 256; wider workgroups are chosen where there are more',
  },
  {
    name: 'maxComputeWorkgroupSizeX',
    least: 256,
    most: 1024,
    reason: 'workgroups are one-dimensional',
  },
]

/** The limits to request. @throws DeviceUnavailableError for an adapter with too small ones, with the numbers */
export function requiredLimits(label: string, adapter: GPUAdapter): Record<string, number> {
  const required: Record<string, number> = {}
  for (const { name, least, most, reason } of wantedLimits) {
    const offered = adapter.limits[name]
    if (offered < least) {
      const problem = `the adapter ${label} offers ${name} = ${offered}, at least ${least} is needed (${reason})`
      throw new DeviceUnavailableError('webgpu', problem, 'Use another adapter, or --device wasm')
    }
    required[name] = Math.min(offered, most)
  }
  return required
}
