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

/** A kernel: what it takes besides the table of heads, and dynamic shared memory of a block, in bytes, as it cuts it. */
interface Form {
  letters: string
  bytes: (width: Width) => number
}
type BackwardName = 'inputGradient' | 'firstWeights' | 'secondWeights'

/** Bytes of a row of f16 in shared memory. */
const halfRow = (columns: number) => 2 * (columns + padding)
/** Bytes of tiles of 32 rows of f16: of the inputs or w1, and of outputs. */
const halfTiles = (width: Width) => stages * step * (halfRow(width) + halfRow(maxOutputs))
const maskBytes = (step * unitsOfBlock) / 8
const halfRows = (width: Width) => halfTiles(width) + stages * (maskBytes + 8 * step)

const narrowing = { letters: '', bytes: () => threads / 8 }
const forward = {
  narrowWeights: { ...narrowing, letters: 'iip' },
  decode: (products: Products): Form => ({
    letters: 'ipipipiip',
    bytes: (width) =>
      (products === 1 ? 1 : 2) * ((rowsOfBlock + 2 * step) * halfRow(width) + step * halfRow(maxOutputs)),
  }),
}
const narrow: Form = { ...narrowing, letters: 'ipipiip' }

const backward: Readonly<Record<Products, Readonly<Record<BackwardName, Form>>>> = {
  1: {
    inputGradient: { letters: 'ipipipiip', bytes: halfTiles },
    firstWeights: { letters: 'pipipipi', bytes: halfRows },
    secondWeights: { letters: 'pipipipi', bytes: halfRows },
  },
  3: {
    inputGradient: {
      letters: 'ipipipii',
      bytes: (width) => 8 * (step * (width + 4) + maxOutputs * (step + 8)),
    },
    firstWeights: {
      letters: 'pipipipi',
      bytes: (width) => 8 * (step * (width + 4) + 2 * step * maxOutputs) + 2 * maskBytes,
    },
    secondWeights: {
      letters: 'pipipipi',
      bytes: (width) => 8 * (step * width + 2 * step * (maxOutputs + 4)) + 2 * maskBytes,
    },
  },
}

/** Columns of the kernels that solve `config` on `device`; undefined where inputs, outputs or shared memory do not fit. */
function widthOf(device: CudaDevice, { inputs, heads }: HeadsConfig): Width | undefined {
  const width = widths.find((width) => inputs <= width)
  if (!width || heads.some(({ outputs }) => outputs > maxOutputs)) return undefined
  return forward.decode(3).bytes(width) <= device.sharedBytesLimit ? width : undefined
}

interface Kernel {
  kernel: CudaKernel
  sharedBytes: number
}

interface Kernels extends Readonly<Record<BackwardName, Kernel>> {
  /** Writes the weights that decode reads. */
  narrowWeights: Kernel
  decode: Kernel
  /** Writes what the kernels that go backward with one product read instead of x, weights and gradients of outputs. */
  narrow: Kernel | null
  reduce: Kernel
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
  const bind = (name: string, products: Products, { letters, bytes }: Form): Kernel => ({
    kernel: module.kernel(`${name}_${products}_${width}`, table + letters),
    sharedBytes: bytes(width),
  })
  const one = products.backward === 1
  const forms = backward[products.backward]
  const kernels = {
    narrowWeights: bind('narrowWeights', products.forward, forward.narrowWeights),
    decode: bind('decode', products.forward, forward.decode(products.forward)),
    narrow: one ? bind('narrow', 1, narrow) : null,
    inputGradient: bind('inputGradient', products.backward, forms.inputGradient),
    firstWeights: bind('firstWeights', products.backward, forms.firstWeights),
    secondWeights: bind('secondWeights', products.backward, forms.secondWeights),
    reduce: { kernel: layers.kernel('reduceWeights', `${table}iipii`), sharedBytes: 0 },
  }
  // Three products keep twice the registers, so that one block of them fills a multiprocessor.
  const blocks = device.multiprocessors * (one ? 2 : 1)
  return new FusedHeads(device, config, kernels, width, products.forward, blocks)
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
    private readonly kernels: Kernels,
    private readonly width: Width,
    private readonly products: Products,
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
    using halves = device.empty([narrow ? this.#halvesSize(capacity) : 0], 'u32', 'factors')
    this.#groups.forEach((group, i) => {
      const { heads, start, unitTiles, slots, partialSize } = group
      const launch = (kernel: Kernel, grid: number | readonly [number, number], args: readonly CudaArgument[]) =>
        this.#launch(kernel, grid, tables[i], args)
      if (narrow) {
        const grid = [
          Math.max(Math.ceil(capacity / step), group.steps),
          1 + heads.length + (vParameters ? 1 : 0),
        ] as const
        launch(narrow, grid, [heads.length, x, config.inputs, count, capacity, this.#words, halves])
      }
      const sums = [heads.length, count, capacity, mask, this.#words, vX, config.inputs, start > 0]
      launch(inputGradient, Math.ceil(capacity / rowsOfBlock), narrow ? [...sums, halves] : sums)
      if (!vParameters) return
      const rows = [narrow ? halves : x, config.inputs, count, capacity, mask, this.#words, partials, partialSize]
      launch(firstWeights, [unitTiles, slots], rows)
      launch(secondWeights, [unitTiles, slots], rows)
      launch(reduce, Math.ceil(partialSize / threads), [heads.length, config.inputs, partials, partialSize, slots])
    })
    return vX
  }

  /** Elements of the weights that decode and `narrow` write, with pairs of f16 for one. */
  #weightsSize(parts: number): number {
    return this.#words * ((parts * step * (this.width + maxOutputs)) / 2 + 4)
  }

  /** Elements of all that `narrow` writes for the largest group. */
  #halvesSize(capacity: number): number {
    const columns = ({ heads, paddedOutputs }: Group) => (this.width + paddedOutputs) / 2 + 1 + heads.length
    return this.#weightsSize(1) + capacity * Math.max(...this.#groups.map(columns))
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
    using weights = this.device.empty([this.#weightsSize(this.products === 1 ? 1 : 2)], 'u32', 'factors')
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
