import type { Tensor } from '@clipgstream/tensor'
import type { CudaArgument, CudaDevice, CudaKernel } from '@clipgstream/tensor/cuda'
import { checkBackward, checkInputs, checkKept, checkParameters } from './check.js'
import type { Head, HeadParameters, Heads, HeadsConfig, HeadsInputs, HeadsResult, Keep } from './contract.js'
import { type HeadGroup, headSignature, maxHeads, tablesOf } from './cuda-table.js'

// As in the kernels.
const threads = 256
const rowsOfBlock = 128
const step = 32
const maxOutputs = 80
const unitsOfBlock = 128
const stages = 3
const padding = 8
const widths = [64, 128] as const
type Width = (typeof widths)[number]

/** Products of factors of 11 bits that a product of the layers is made of. */
export type Products = 1 | 3

/** More partial sums would take longer to add than they save. */
const maxSlots = 128

/** Bytes of a row of a tile of f16. */
const rowBytes = (columns: number) => 2 * (columns + padding)
/** Factors are a f16 each, or two. */
const partsOf = (products: Products) => (products === 1 ? 1 : 2)
/** Bytes of the tiles of the inputs or w1, and of outputs. */
const tileBytes = (width: Width, products: Products) =>
  partsOf(products) * stages * step * (rowBytes(width) + rowBytes(maxOutputs))
const rowTileBytes = (width: Width, products: Products) =>
  tileBytes(width, products) + stages * step * (unitsOfBlock / 8 + 8)

/** What kernels take besides the table of heads, and dynamic shared memory of a block, in bytes, as they cut it. */
const forms = {
  narrowWeights: { letters: 'iip', bytes: () => threads / 8 },
  decode: {
    letters: 'ipipipiip',
    bytes: (width: Width, products: Products) =>
      partsOf(products) * ((rowsOfBlock + 2 * step) * rowBytes(width) + step * rowBytes(maxOutputs)),
  },
  narrow: { letters: 'ipipiip', bytes: () => threads / 8 },
  inputGradient: { letters: 'ippipipii', bytes: tileBytes },
  firstWeights: { letters: 'pipipipi', bytes: rowTileBytes },
  secondWeights: { letters: 'pipipipi', bytes: rowTileBytes },
} as const
type KernelName = keyof typeof forms

/** Columns of the kernels that solve `config` on `device`; undefined where inputs, outputs or shared memory do not fit. */
function widthOf(device: CudaDevice, { inputs, heads }: HeadsConfig): Width | undefined {
  const width = widths.find((width) => inputs <= width)
  if (!width || heads.some(({ outputs }) => outputs > maxOutputs)) return undefined
  return forms.decode.bytes(width, 3) <= device.sharedBytesLimit ? width : undefined
}

interface Kernel {
  kernel: CudaKernel
  sharedBytes: number
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
  const kernel = (name: KernelName, products: Products): Kernel => ({
    kernel: module.kernel(`${name}_${products}_${width}`, table + forms[name].letters),
    sharedBytes: forms[name].bytes(width, products),
  })
  const { forward, backward } = products
  const kernels = {
    narrowWeights: kernel('narrowWeights', forward),
    decode: kernel('decode', forward),
    narrow: kernel('narrow', backward),
    inputGradient: kernel('inputGradient', backward),
    firstWeights: kernel('firstWeights', backward),
    secondWeights: kernel('secondWeights', backward),
    reduce: { kernel: layers.kernel('reduceWeights', `${table}iipii`), sharedBytes: 0 },
  }
  // Three products keep twice the registers, so that one block of them fills a multiprocessor.
  const blocks = device.multiprocessors * (backward === 1 ? 2 : 1)
  return new FusedHeads(device, config, kernels, { width, forward, backward }, blocks)
}

/** Heads that are launched together. */
interface Group extends HeadGroup {
  /** Floats of one partial sum of all gradients. */
  partialSize: number
  /** Tiles of 32 hidden units, and of 128. */
  steps: number
  unitTiles: number
  slots: number
  /** Outputs, each head's up to a multiple of 16. */
  paddedOutputs: number
}

class FusedHeads implements Heads {
  readonly #groups: Group[] = []
  /** Words of a row of the mask. */
  readonly #words: number

  constructor(
    private readonly device: CudaDevice,
    readonly config: HeadsConfig,
    private readonly kernels: Readonly<Record<KernelName | 'reduce', Kernel>>,
    private readonly form: { width: Width; forward: Products; backward: Products },
    blocks: number,
  ) {
    let words = 0
    for (let start = 0; start < config.heads.length; start += maxHeads) {
      const heads = config.heads.slice(start, start + maxHeads)
      const columns: number[] = []
      for (const { hidden } of heads) {
        columns.push(words)
        words += Math.ceil(hidden / step)
      }
      const sum = (of: (head: Head) => number) => heads.reduce((total, head) => total + of(head), 0)
      const unitTiles = sum(({ hidden }) => Math.ceil(hidden / unitsOfBlock))
      this.#groups.push({
        ...{ start, heads, columns, unitTiles },
        steps: sum(({ hidden }) => Math.ceil(hidden / step)),
        paddedOutputs: sum(({ outputs }) => Math.ceil(outputs / 16) * 16),
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
    const { outputs } = result
    const capacity = checkBackward(operator, device, config, inputs, parameters, outputs, vOutputs, vParameters)
    const kept = checkKept(operator, device, result, 'u32', [capacity, this.#words])
    const vX = device.empty([capacity, config.inputs], 'f32', 'vX')
    if (capacity === 0) return vX
    const tables = tablesOf(this.#groups, parameters, outputs, vOutputs, vParameters)
    using made = device.empty(kept ? [0] : [capacity, this.#words], 'u32', 'mask')
    const mask = kept ?? made
    if (!kept) this.#decode(tables, inputs, capacity, mask, false)
    const { narrow, inputGradient, firstWeights, secondWeights, reduce } = this.kernels
    const { x, count = null } = inputs
    const sizes = this.#groups.map(({ slots, partialSize }) => slots * partialSize)
    // Groups take turns, so that one buffer does for all.
    using partials = device.empty([vParameters ? Math.max(...sizes) : 0], 'f32', 'partial gradients')
    using operands = device.empty([this.#operandsSize(capacity)], 'u32', 'operands')
    this.#groups.forEach((group, i) => {
      const { heads, start, steps, unitTiles, slots, partialSize } = group
      const launch = (kernel: Kernel, grid: number | readonly [number, number], args: readonly CudaArgument[]) =>
        this.#launch(kernel, grid, tables[i], args)
      const sources = 1 + heads.length + (vParameters ? 1 : 0)
      const all = [heads.length, x, config.inputs, count, capacity, this.#words, operands]
      launch(narrow, [Math.max(Math.ceil(capacity / step), steps), sources], all)
      const sums = [heads.length, operands, count, capacity, mask, this.#words, vX, config.inputs, start > 0]
      launch(inputGradient, Math.ceil(capacity / rowsOfBlock), sums)
      if (!vParameters) return
      const rows = [operands, config.inputs, count, capacity, mask, this.#words, partials, partialSize]
      launch(firstWeights, [unitTiles, slots], rows)
      launch(secondWeights, [unitTiles, slots], rows)
      launch(reduce, Math.ceil(partialSize / threads), [heads.length, config.inputs, partials, partialSize, slots])
    })
    return vX
  }

  /** Elements of the weights that kernels read, with pairs of f16 for one. */
  #weightsSize(products: Products): number {
    return this.#words * ((partsOf(products) * step * (this.form.width + maxOutputs)) / 2 + 4)
  }

  /** Elements of all that kernels read which go backward, for the largest group. */
  #operandsSize(capacity: number): number {
    const { width, backward } = this.form
    const columns = this.#groups.map(
      ({ heads, paddedOutputs }) => (partsOf(backward) * (width + paddedOutputs)) / 2 + 1 + heads.length,
    )
    return this.#weightsSize(backward) + capacity * Math.max(...columns)
  }

  /** mask // [rows, words], and outputs if `all`. */
  #decode(
    tables: readonly CudaArgument[][],
    { x, count }: HeadsInputs,
    capacity: number,
    mask: Tensor | null,
    all: boolean,
  ): void {
    const { inputs } = this.config
    const { narrowWeights, decode } = this.kernels
    using weights = this.device.empty([this.#weightsSize(this.form.forward)], 'u32', 'weights')
    this.#groups.forEach(({ heads, steps }, i) => {
      this.#launch(narrowWeights, steps, tables[i], [inputs, this.#words, weights])
      const args = [heads.length, x, inputs, count ?? null, capacity, mask, this.#words, all, weights]
      this.#launch(decode, Math.ceil(capacity / rowsOfBlock), tables[i], args)
    })
  }

  #launch(
    { kernel, sharedBytes }: Kernel,
    grid: number | readonly [number, number],
    table: readonly CudaArgument[] | undefined,
    args: readonly CudaArgument[],
  ): void {
    this.device.launch(kernel, { grid, block: threads, sharedBytes }, ...(table ?? []), ...args)
  }
}
