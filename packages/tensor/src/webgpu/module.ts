import { ArgumentError, DeviceUnavailableError, KernelError } from '../errors.js'
import type { WebgpuFeature } from './adapter.js'
import { WebgpuKernel } from './kernel.js'

/** Kernels of one WGSL file by entry. */
export interface WebgpuModule {
  /** Feature flags of the variant that this device takes, such as `SUBGROUPS`. */
  readonly flags: readonly string[]
  /** `constants` are values of `override`s. */
  kernel(name: string, constants?: Readonly<Record<string, number | boolean>>): WebgpuKernel
}

/** A member of a uniform struct: its scalars in the order of WGSL, each at an offset in bytes. */
export interface UniformMember {
  name: string
  type: string
  offsets: number[]
}

export interface StorageBinding {
  name: string
  binding: number
  access: 'read' | 'read_write'
  /** The scalar it is made of, or `struct`. */
  element: string
}

export interface EntryDescription {
  name: string
  workgroupSize: [number, number, number] | null
  uniform: { name: string; size: number; members: UniformMember[] } | null
  storage: StorageBinding[]
  overrides: string[]
}

/** What the build writes beside a kernel. */
interface Built {
  name: string
  variants: {
    flags: string[]
    code: string
    overrides: { name: string; type: string; hasDefault: boolean }[]
    entries: EntryDescription[]
  }[]
}

const featureOf: Readonly<Record<string, WebgpuFeature>> = { SUBGROUPS: 'subgroups', F16: 'shader-f16' }

export async function loadModule(
  gpu: GPUDevice,
  features: ReadonlySet<WebgpuFeature>,
  url: URL,
  readBytes: (url: URL) => Promise<Uint8Array<ArrayBuffer>>,
): Promise<WebgpuModule> {
  const bytes = await readBytes(url).catch((cause: unknown) => {
    const reason = `kernels not built (there is no ${url.pathname})`
    throw new DeviceUnavailableError('webgpu', reason, 'Build the package', { cause })
  })
  const built = JSON.parse(new TextDecoder().decode(bytes)) as Built
  const variant = built.variants.find(({ flags }) =>
    flags.every((flag) => {
      const feature = featureOf[flag]
      return feature !== undefined && features.has(feature)
    }),
  )
  if (!variant) throw new KernelError(built.name, 'no variant of it fits the features of this adapter')
  const shader = gpu.createShaderModule({ label: built.name, code: variant.code })
  const { messages } = await shader.getCompilationInfo()
  const errors = messages.filter(({ type }) => type === 'error')
  if (errors.length > 0) {
    const lines = variant.code.split('\n')
    const text = errors.map(({ lineNum, message }) => `${message} (${lines[lineNum - 1]?.trim() ?? ''})`).join('; ')
    throw new KernelError(built.name, `does not compile: ${text}`)
  }
  const kernels = new Map<string, WebgpuKernel>()
  return {
    flags: variant.flags,
    kernel(name, constants = {}) {
      const entry = variant.entries.find((one) => one.name === name)
      const names = variant.entries.map((one) => one.name).join(', ')
      if (!entry) throw new ArgumentError(url.pathname, 'kernel', name, `one of ${names}`)
      for (const constant of Object.keys(constants)) {
        const overrides = variant.overrides.map((one) => one.name).join(', ') || 'none'
        if (!variant.overrides.some((one) => one.name === constant))
          throw new ArgumentError(`${built.name}.${name}`, 'constants', constant, `among its overrides (${overrides})`)
      }
      const key = `${name} ${JSON.stringify(Object.entries(constants).sort())}`
      const known = kernels.get(key)
      if (known) return known
      const kernel = new WebgpuKernel(gpu, shader, `${built.name}.${name}`, entry, constants)
      kernels.set(key, kernel)
      return kernel
    },
  }
}
