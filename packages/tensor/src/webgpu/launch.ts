import { ArgumentError, KernelError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import type { Commands } from './commands.js'
import type { Bindings, Settings, WebgpuKernel } from './kernel.js'
import { type BufferPool, bufferUsage } from './pool.js'

/**
 * How many workgroups: a number is spread over x, y and z (`linearId` of common.wgsl puts it together again, and may pass
 * it in the last ones); a tensor // [3] says it on the device.
 */
export type Workgroups = number | readonly [number, number?, number?] | { readonly indirect: Tensor<'u32'> }

/** Workgroups that every adapter takes in one dimension. */
export const mostWorkgroups = 65535
/** Bind groups that are kept. */
const mostGroups = 8192
const placeholderBytes = 256

/** Records launches; knows which bind groups there are. */
export class Launcher {
  readonly #groups = new Map<string, GPUBindGroup>()
  /** What is bound in place of tensors that a launch does not touch: one for each place, since two must differ. */
  readonly #placeholders: GPUBuffer[] = []
  readonly #offset = new Uint32Array(1)

  constructor(
    private readonly gpu: GPUDevice,
    private readonly pool: BufferPool,
    private readonly commands: Commands,
    private readonly idOf: (tensor: Tensor) => number,
  ) {}

  /** @returns false where there is nothing to do */
  launch(kernel: WebgpuKernel, workgroups: Workgroups, settings: Settings, bindings: Bindings): boolean {
    kernel.check(bindings)
    const ids = kernel.storage.map(({ name }, place) => this.#idOf(bindings[name] ?? null, place))
    checkAliases(kernel, ids)
    const indirect = typeof workgroups === 'object' && 'indirect' in workgroups ? workgroups.indirect : undefined
    const groups: readonly number[] =
      typeof workgroups === 'object' && 'indirect' in workgroups ? [] : extents(kernel.name, workgroups)
    if (groups.includes(0)) return false
    const indirectId = indirect && this.#indirect(kernel, indirect, ids)
    const at = kernel.pack(settings, this.commands)
    const pass = this.commands.use(kernel.pipeline)
    const group = this.#group(kernel, ids, bindings)
    if (kernel.uniformBytes > 0) {
      this.#offset[0] = at
      pass.setBindGroup(0, group, this.#offset, 0, 1)
    } else pass.setBindGroup(0, group)
    if (indirectId !== undefined) pass.dispatchWorkgroupsIndirect(this.pool.buffer(indirectId), 0)
    else pass.dispatchWorkgroups(groups[0] ?? 0, groups[1], groups[2])
    return true
  }

  dispose(): void {
    this.forget()
    for (const buffer of this.#placeholders) buffer?.destroy()
  }

  /** To be called when buffers are about to be destroyed. */
  forget(): void {
    this.#groups.clear()
  }

  /** Placeholders have numbers below 0. */
  #idOf(tensor: Tensor | null, place: number): number {
    if (tensor) return this.idOf(tensor)
    const usage = bufferUsage.STORAGE
    this.#placeholders[place] ??= this.gpu.createBuffer({ label: 'placeholder', size: placeholderBytes, usage })
    return -1 - place
  }

  #buffer(id: number): GPUBuffer {
    return this.#placeholders[-1 - id] ?? this.pool.buffer(id)
  }

  #indirect(kernel: WebgpuKernel, tensor: Tensor<'u32'>, ids: readonly number[]): number {
    const id = this.idOf(tensor)
    if (tensor.size !== 3 || tensor.dtype !== 'u32')
      throw new ArgumentError(kernel.name, 'indirect', `${tensor.dtype} [${tensor.shape.join(', ')}]`, 'u32 [3]')
    if (kernel.storage.some(({ access }, i) => access === 'read_write' && ids[i] === id))
      throw new KernelError(kernel.name, `${tensor.name} is both written and the number of workgroups`)
    return id
  }

  #group(kernel: WebgpuKernel, ids: readonly number[], bindings: Bindings): GPUBindGroup {
    const key = `${kernel.id} ${ids.join(' ')}`
    const known = this.#groups.get(key)
    if (known) return known
    const entries = kernel.storage.map(({ binding }, i): GPUBindGroupEntry => {
      return { binding, resource: { buffer: this.#buffer(ids[i] ?? 0) } }
    })
    if (kernel.uniformBytes > 0)
      entries.push({ binding: 0, resource: { buffer: this.commands.uniforms, size: kernel.uniformBytes } })
    const label = `${kernel.name} (${textOf(kernel, bindings)})`
    const group = this.gpu.createBindGroup({ label, layout: kernel.layout, entries })
    if (this.#groups.size >= mostGroups) this.#groups.clear()
    this.#groups.set(key, group)
    return group
  }
}

/** `image=photos [3, 4], target=none` */
export function textOf(kernel: WebgpuKernel, bindings: Bindings): string {
  return kernel.storage
    .map(({ name }) => {
      const tensor = bindings[name]
      return `${name}=${tensor ? `${tensor.name.replaceAll('"', "'")} [${tensor.shape.join(', ')}]` : 'none'}`
    })
    .join(', ')
}

function checkAliases({ name, storage }: WebgpuKernel, ids: readonly number[]): void {
  for (const [i, one] of storage.entries()) {
    const j = ids.indexOf(ids[i] ?? 0)
    const other = storage[j]
    if (j === i || !other || (one.access === 'read' && other.access === 'read')) continue
    throw new KernelError(name, `${other.name} and ${one.name} are one tensor, and the kernel writes it`)
  }
}

function extents(
  kernel: string,
  workgroups: number | readonly [number, number?, number?],
): readonly [number, number, number] {
  if (typeof workgroups === 'number') return spread(kernel, workgroups)
  const [x, y = 1, z = 1] = workgroups
  for (const extent of [x, y, z]) {
    if (!(Number.isInteger(extent) && extent >= 0 && extent <= mostWorkgroups))
      throw new ArgumentError(kernel, 'workgroups', `[${x}, ${y}, ${z}]`, `integers in [0, ${mostWorkgroups}]`)
  }
  return [x, y, z]
}

/** At least `count` workgroups, as few more as possible. */
export function spread(kernel: string, count: number): [number, number, number] {
  if (!(Number.isInteger(count) && count >= 0 && count < 2 ** 32))
    throw new ArgumentError(kernel, 'workgroups', count, 'an integer in [0, 2^32)')
  if (count <= mostWorkgroups) return [count, 1, 1]
  const rows = Math.ceil(count / mostWorkgroups)
  if (rows <= mostWorkgroups) return [Math.ceil(count / rows), rows, 1]
  const layers = Math.ceil(rows / mostWorkgroups)
  const deep = Math.ceil(rows / layers)
  return [Math.ceil(count / (deep * layers)), deep, layers]
}
