import type { DType } from '../dtype.js'
import { ArgumentError, DTypeError, KernelError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import type { Commands } from './commands.js'
import type { EntryDescription, StorageBinding } from './module.js'

/** A scalar, or the scalars of a vector, matrix or array in the order of WGSL without its padding. */
export type Setting = number | boolean | ArrayLike<number>
export type Settings = Readonly<Record<string, Setting>>
/** By the name of the variable; null where the kernel does not touch it in this launch. */
export type Bindings = Readonly<Record<string, Tensor | null>>

const compute = 4
let kernels = 0

/** An entry of a WGSL module with the values of its overrides. */
export class WebgpuKernel {
  readonly id = ++kernels
  readonly layout: GPUBindGroupLayout
  readonly storage: readonly StorageBinding[]
  /** Threads of a workgroup, where they do not depend on an override. */
  readonly workgroupSize: readonly [number, number, number] | null
  #pipeline: GPUComputePipeline | undefined

  constructor(
    private readonly gpu: GPUDevice,
    private readonly shader: GPUShaderModule,
    /** `module.entry` */
    readonly name: string,
    private readonly entry: EntryDescription,
    private readonly constants: Readonly<Record<string, number | boolean>>,
  ) {
    this.storage = entry.storage
    this.workgroupSize = entry.workgroupSize
    const entries = entry.storage.map(({ binding, access }): GPUBindGroupLayoutEntry => {
      const type = access === 'read' ? 'read-only-storage' : 'storage'
      return { binding, visibility: compute, buffer: { type } }
    })
    if (entry.uniform) {
      const buffer = { type: 'uniform', minBindingSize: entry.uniform.size, hasDynamicOffset: true } as const
      entries.push({ binding: 0, visibility: compute, buffer })
    }
    this.layout = gpu.createBindGroupLayout({ label: name, entries })
  }

  /** Bytes of the settings. */
  get uniformBytes(): number {
    return this.entry.uniform?.size ?? 0
  }

  /** Compiled at the first launch. */
  get pipeline(): GPUComputePipeline {
    this.#pipeline ??= this.gpu.createComputePipeline({
      label: this.name,
      layout: this.gpu.createPipelineLayout({ label: this.name, bindGroupLayouts: [this.layout] }),
      compute: {
        module: this.shader,
        entryPoint: this.entry.name,
        constants: Object.fromEntries(Object.entries(this.constants).map(([name, value]) => [name, Number(value)])),
      },
    })
    return this.#pipeline
  }

  /** Every binding must be given, with a type that fits it, and none that the kernel does not have. */
  check(bindings: Bindings): void {
    for (const { name, element } of this.storage) {
      const tensor = bindings[name]
      if (tensor === undefined)
        throw new KernelError(this.name, `the tensor ${name} is missing (it takes ${this.#takes()})`)
      if (tensor) checkElement(this.name, name, element, tensor.dtype)
    }
    for (const name of Object.keys(bindings)) {
      if (!this.storage.some((one) => one.name === name))
        throw new KernelError(this.name, `there is no binding ${name} (it takes ${this.#takes()})`)
    }
  }

  /** Writes the settings into the uniforms of the next launch and returns their offset. */
  pack(settings: Settings, commands: Commands): number {
    const members = this.entry.uniform?.members ?? []
    for (const name of Object.keys(settings)) {
      if (!members.some((member) => member.name === name)) {
        const known = members.map((member) => member.name).join(', ') || 'none'
        throw new KernelError(this.name, `there is no setting ${name} (it takes ${known})`)
      }
    }
    const at = this.uniformBytes > 0 ? commands.reserveUniform(this.uniformBytes) : 0
    for (const { name, type, offsets } of members) {
      const value = settings[name]
      if (value === undefined) throw new KernelError(this.name, `the setting ${name} is missing`)
      const list = typeof value === 'object' ? value : undefined
      if ((list?.length ?? 1) !== offsets.length) {
        const expected = offsets.length === 1 ? 'one number' : `${offsets.length} numbers`
        throw new ArgumentError(this.name, name, list ? `${list.length} numbers` : value, expected)
      }
      for (const [i, offset] of offsets.entries()) {
        const number = Number(list ? list[i] : value)
        const index = (at + offset) >> 2
        if (type === 'f32') commands.floats[index] = number
        else if (type === 'i32') commands.integers[index] = integer(this.name, name, number, -(2 ** 31), 2 ** 31 - 1)
        else commands.words[index] = integer(this.name, name, number, 0, 2 ** 32 - 1)
      }
    }
    return at
  }

  #takes(): string {
    return this.storage.map(({ name }) => name).join(', ') || 'none'
  }
}

/** Words are the bits of anything; a float is only ever a float. */
function checkElement(kernel: string, name: string, element: string, dtype: DType): void {
  if (element === 'u32' || element === 'struct' || element === dtype) return
  if (element === 'i32' && dtype === 'u32') return
  throw new DTypeError(kernel, name, element === 'f32' || element === 'f16' ? element : 'i32', dtype)
}

function integer(kernel: string, name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new ArgumentError(kernel, name, value, `an integer in [${least}, ${most}]`)
}
