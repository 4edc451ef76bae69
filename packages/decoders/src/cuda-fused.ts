import { ArgumentError, check, type Tensor } from '@clipgstream/tensor'
import type { CudaArgument, CudaDevice, CudaKernel } from '@clipgstream/tensor/cuda'
import { checkInputs, checkOutputs, checkParameters } from './check.js'
import type { Head, HeadParameters, Heads, HeadsConfig, HeadsInputs, HeadsResult, Keep } from './contract.js'
import { headSignature, maxHeads, tablesOf } from './cuda-table.js'

// As in the kernels.
const threads = 256
const rowsOfBlock = 128
const step = 32
const maxOutputs = 80
const unitsOfBlock = 128
const widths = [64, 128] as const
type Width = (typeof widths)[number]

/** Products of factors of 11 bits that a product of the layers is made of. */
export type Products = 1 | 3

/** More partial sums would take longer to add than they save. */
const maxSlots = 128

/** What kernels take besides the table of heads. */
const signatures = {
  decode: 'ipipipii',
  inputGradient: 'ipipipii',
  firstWeights: 'pipipipi',
  secondWeights: 'pipipipi',
} as const
type KernelName = keyof typeof signatures

/** Dynamic shared memory of a block, bytes, as the kernels cut it. */
const sharedBytes: Readonly<Record<KernelName, (width: Width) => number>> = {
  decode: (width) => 4 * (rowsOfBlock * width + 2 * step * width + maxOutputs * step),
  inputGradient: (width) => 8 * (step * (width + 4) + maxOutputs * (step + 8)),
  firstWeights: (width) => 8 * (step * (width + 4) + 2 * step * maxOutputs + (step * unitsOfBlock) / 32),
  secondWeights: (width) => 8 * (step * width + 2 * step * (maxOutputs + 4) + (step * unitsOfBlock) / 32),
}

/** Columns of the kernels that solve `config` on `device`; undefined where inputs, outputs or shared memory do not fit. */
function widthOf(device: CudaDevice, { inputs, heads }: HeadsConfig): Width | undefined {
  const width = widths.find((width) => inputs <= width)
  if (!width || heads.some(({ outputs }) => outputs > maxOutputs)) return undefined
  const most = Math.max(...Object.values(sharedBytes).map((of) => of(width)))
  return most <= device.sharedBytesLimit ? width : undefined
}

/**
 * Heads whose hidden activations never leave the multiprocessor; undefined where they do not fit: more than 128 inputs
 * or 80 outputs, or a GPU with less shared memory.
 */
export async function createFusedHeads(
  device: CudaDevice,
  config: HeadsConfig,
  products: { forward: Products; backward: Products },
): Promise<Heads | undefined> {
  const width = widthOf(device, config)
  if (!width) return undefined
  const module = await device.load(new URL('../dist/kernels/fused.fatbin', import.meta.url))
  const layers = await device.load(new URL('../dist/kernels/decoders.fatbin', import.meta.url))
  const table = headSignature.repeat(maxHeads)
  const kernel = (name: KernelName): CudaKernel => {
    const count = name === 'decode' ? products.forward : products.backward
    return module.kernel(`${name}_${count}_${width}`, table + signatures[name])
  }
  const kernels = {
    decode: kernel('decode'),
    inputGradient: kernel('inputGradient'),
    firstWeights: kernel('firstWeights'),
    secondWeights: kernel('secondWeights'),
    reduce: layers.kernel('reduceWeights', `${table}iipii`),
  }
  // Three products keep twice the registers, so that one block of them fills a multiprocessor.
  const blocks = device.multiprocessors * (products.backward === 1 ? 2 : 1)
  return new FusedHeads(device, config, kernels, width, blocks)
}

/** Heads that are launched together. */
interface Group {
  /** Of the first head. */
  start: number
  heads: readonly Head[]
  /** Words of a row of the mask before each head's. */
  columns: readonly number[]
  /** Floats of one partial sum of all gradients. */
  partialSize: number
  unitTiles: number
  slots: number
}

class FusedHeads implements Heads {
  readonly #groups: Group[] = []
  /** Words of a row of the mask. */
  readonly #words: number

  constructor(
    private readonly device: CudaDevice,
    readonly config: HeadsConfig,
    private readonly kernels: Readonly<Record<KernelName | 'reduce', CudaKernel>>,
    private readonly width: Width,
    blocks: number,
  ) {
    let words = 0
    for (let start = 0; start < config.heads.length; start += maxHeads) {
      const heads = config.heads.slice(start, start + maxHeads)
      const columns: number[] = []
      for (const { hidden } of heads) {
        columns.push(words)
        words += Math.ceil(hidden / 32)
      }
      const sum = (of: (head: Head) => number) => heads.reduce((total, head) => total + of(head), 0)
      const unitTiles = sum(({ hidden }) => Math.ceil(hidden / unitsOfBlock))
      this.#groups.push({
        ...{ start, heads, columns, unitTiles },
        partialSize: sum(({ hidden, outputs }) => hidden * (config.inputs + 1) + outputs * (hidden + 1)),
        // As many as run at a time: one more would keep the others waiting.
        slots: Math.max(1, Math.min(maxSlots, Math.floor(blocks / unitTiles))),
      })
    }
    this.#words = words
  }

  forward(inputs: HeadsInputs, parameters: readonly HeadParameters[], keep: Keep = 'hidden'): HeadsResult {
    const { device, config } = this
    const operator = 'heads.forward'
    const capacity = checkInputs(operator, device, config, inputs)
    checkParameters(operator, device, config, 'parameters', parameters)
    const outputs = config.heads.map(({ name, outputs }) => device.empty([capacity, outputs], 'f32', name))
    const mask = keep === 'hidden' ? device.empty([capacity, this.#words], 'u32', 'mask') : null
    this.#decode(tablesOf(this.#groups, parameters, outputs), inputs, capacity, mask, true)
    return { outputs, saved: mask ? [mask] : [] }
  }

  backward(
    inputs: HeadsInputs,
    parameters: readonly HeadParameters[],
    result: HeadsResult,
    vOutputs: readonly Tensor<'f32'>[],
    vParameters: readonly HeadParameters[] | null,
  ): Tensor<'f32'> {
    const { device, config } = this
    const operator = 'heads.backward'
    const capacity = checkInputs(operator, device, config, inputs)
    checkParameters(operator, device, config, 'parameters', parameters)
    if (vParameters) checkParameters(operator, device, config, 'vParameters', vParameters)
    checkOutputs(operator, device, config, 'result.outputs', result.outputs, capacity)
    checkOutputs(operator, device, config, 'vOutputs', vOutputs, capacity)
    const [kept] = result.saved
    if (kept) {
      if (result.saved.length > 1)
        throw new ArgumentError(operator, 'result.saved', `${result.saved.length} tensors`, 'what forward returned')
      check(operator, device, 'result.saved[0]', kept, 'u32', [capacity, this.#words])
    }
    const vX = device.empty([capacity, config.inputs], 'f32', 'vX')
    if (capacity === 0) return vX
    const tables = tablesOf(this.#groups, parameters, result.outputs, vOutputs, vParameters)
    using made = device.empty(kept ? [0] : [capacity, this.#words], 'u32', 'mask')
    const mask = kept ?? made
    if (!kept) this.#decode(tables, inputs, capacity, mask, false)
    const count = inputs.count ?? null
    const rowTiles = Math.ceil(capacity / rowsOfBlock)
    this.#groups.forEach(({ heads, start }, i) => {
      const args = [heads.length, count, capacity, mask, this.#words, vX, config.inputs, start > 0]
      this.#launch('inputGradient', rowTiles, tables[i], args)
    })
    if (!vParameters) return vX
    const partialSize = Math.max(...this.#groups.map(({ slots, partialSize }) => slots * partialSize))
    using partials = device.empty([partialSize], 'f32', 'partial gradients')
    this.#groups.forEach(({ heads, unitTiles, slots, partialSize }, i) => {
      const args = [inputs.x, config.inputs, count, capacity, mask, this.#words, partials, partialSize]
      this.#launch('firstWeights', [unitTiles, slots], tables[i], args)
      this.#launch('secondWeights', [unitTiles, slots], tables[i], args)
      const shape = { grid: Math.ceil(partialSize / threads), block: threads }
      const sum = [heads.length, config.inputs, partials, partialSize, slots]
      device.launch(this.kernels.reduce, shape, ...(tables[i] ?? []), ...sum)
    })
    return vX
  }

  /** mask // [rows, words], and outputs if `all`. */
  #decode(
    tables: readonly CudaArgument[][],
    { x, count }: HeadsInputs,
    capacity: number,
    mask: Tensor | null,
    all: boolean,
  ): void {
    this.#groups.forEach(({ heads }, i) => {
      const args = [heads.length, x, this.config.inputs, count ?? null, capacity, mask, this.#words, all]
      this.#launch('decode', Math.ceil(capacity / rowsOfBlock), tables[i], args)
    })
  }

  #launch(
    name: KernelName,
    grid: number | readonly [number, number],
    table: readonly CudaArgument[] | undefined,
    args: readonly CudaArgument[],
  ): void {
    const shape = { grid, block: threads, sharedBytes: sharedBytes[name](this.width) }
    this.device.launch(this.kernels[name], shape, ...(table ?? []), ...args)
  }
}
