// Compiles WGSL with Dawn, without a GPU: its null backend has the features of every variant and the limits that every
// adapter offers. Pipelines are made with the bindings that the build found, so that a mistake there shows too.

/** Workgroup memory that kernels may use; adapters with less are refused. */
const workgroupBytes = 32768

/** @typedef {import('./wgsl-reflect.mjs').Entry} Entry */
/** @typedef {{ code: string, entries: Entry[], overrides: import('./wgsl-reflect.mjs').Override[] }} Variant */
/** @typedef {(variant: Variant, where: (line: number) => string) => Promise<string[]>} Check */

/** @returns {Promise<Check | undefined>} undefined where Dawn does not run */
export async function openCheck() {
  try {
    const { create } = await import('webgpu')
    const gpu = create(['backend=null'])
    const adapter = await gpu.requestAdapter()
    const device = await adapter?.requestDevice({ requiredFeatures: ['subgroups', 'shader-f16'] })
    if (!device) return undefined
    return async (variant, where) => {
      // The object of `create` must outlive its devices.
      if (!gpu) return []
      return await check(device, variant, where)
    }
  } catch {
    return undefined
  }
}

/** @param {GPUDevice} device @param {Variant} variant @param {(line: number) => string} where */
async function check(device, { code, entries, overrides }, where) {
  device.pushErrorScope('validation')
  const module = device.createShaderModule({ code })
  const { messages } = await module.getCompilationInfo()
  const error = await device.popErrorScope()
  const found = messages.filter(({ type }) => type === 'error').map((one) => `${where(one.lineNum)}: ${one.message}`)
  if (error && found.length === 0) found.push(error.message)
  if (found.length > 0) return found
  for (const entry of entries) {
    // What it needs is only known at run time.
    if (overrides.some((one) => !one.hasDefault && entry.overrides.includes(one.name))) continue
    const problem = await tryPipeline(device, module, entry)
    if (problem) found.push(`${entry.name}: ${problem}`)
  }
  return found
}

/** @param {GPUDevice} device @param {GPUShaderModule} module @param {Entry} entry */
async function tryPipeline(device, module, { name, uniform, storage }) {
  device.pushErrorScope('validation')
  /** @type {GPUBindGroupLayoutEntry[]} */
  const bindings = storage.map(({ binding, access }) => ({
    binding,
    visibility: 4,
    buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
  }))
  if (uniform) {
    const buffer = { type: /** @type {const} */ ('uniform'), minBindingSize: uniform.size, hasDynamicOffset: true }
    bindings.push({ binding: 0, visibility: 4, buffer })
  }
  const group = device.createBindGroupLayout({ entries: bindings })
  const layout = device.createPipelineLayout({ bindGroupLayouts: [group] })
  device.createComputePipeline({ layout, compute: { module, entryPoint: name } })
  const error = await device.popErrorScope()
  if (!error) return undefined
  const used = /workgroup storage[\s\S]*?\((\d+) bytes\)/.exec(error.message)?.[1]
  return used !== undefined && Number(used) <= workgroupBytes ? undefined : error.message
}
