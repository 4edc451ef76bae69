import { ArgumentError, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { type CudaArgument, CudaDevice, type CudaKernel } from '@clipgstream/tensor/cuda'
import { checkBackward, checkInputs, checkKept, checkParameters } from './check.js'
import type {
  Head,
  HeadParameters,
  Heads,
  HeadsConfig,
  HeadsInputs,
  HeadsOptions,
  HeadsResult,
  Keep,
  Precision,
} from './contract.js'
import { createFusedHeads, type Products } from './cuda-fused.js'
import { type HeadGroup, headSignature, maxHeads, tablesOf } from './cuda-table.js'

// As in the kernels.
const threads = 256
const rowsOfTile = 128
const wide = 64
const narrow = 32

/** Bytes of hidden activations, or their gradients, that exist at a time where nothing asks to keep them. */
const temporaryBytes = 256 << 20
/** Elements of a chunk of rows, which kernels count in 32 bits. */
const maxPlaces = 2 ** 30
/** Extent of a grid along y. */
const maxRowTiles = 65535
/** Blocks of a multiprocessor; the slots of weight gradients are as many as fill the GPU once. */
const blocksPerMultiprocessor = 2
const maxSlots = 64

/** What kernels take besides the table of heads. */
const signatures = {
  hiddenLayer: 'pipiipi',
  outputLayer: 'piipi',
  hiddenGradient: 'piipipi',
  inputGradient: 'ipiipipii',
  firstWeights: 'piipipipii',
  secondWeights: 'piipiiipii',
} as const
type KernelName = keyof typeof signatures

/** How the kernels of layers multiply in either pass, and how many products the fused ones make for one. */
const passes: Readonly<
  Record<Precision, { layers: readonly [string, string]; fused?: readonly [Products, Products] }>
> = {
  fp32: { layers: ['fp32', 'fp32'] },
  tf32x3: { layers: ['tf32x3', 'tf32x3'], fused: [3, 3] },
  mixed: { layers: ['tf32x3', 'tf32'], fused: [3, 1] },
  tf32: { layers: ['tf32', 'tf32'], fused: [1, 1] },
}

export async function createCudaHeads(
  device: Device,
  config: HeadsConfig,
  { precision = 'fp32', fused = true }: HeadsOptions,
): Promise<Heads> {
  if (!(device instanceof CudaDevice))
    throw new DeviceUnavailableError(device.label, 'two copies of @clipgstream/tensor are loaded', 'Install only one')
  checkPrecision(precision)
  if (precision !== 'fp32' && device.computeCapability < 80) {
    const reason = `tensor cores take tf32 from compute capability 8.0 on, this is ${device.computeCapability / 10}`
    throw new DeviceUnavailableError(device.label, reason, "Use precision 'fp32'")
  }
  const { layers, fused: products } = passes[precision]
  if (products && fused) {
    const [forward, backward] = products
    const heads = await createFusedHeads(device, config, { forward, backward })
    if (heads) return heads
  }
  const module = await device.load(new URL('../dist/kernels/decoders.fatbin', import.meta.url))
  const table = headSignature.repeat(maxHeads)
  const names = Object.entries(signatures) as [KernelName, string][]
  const kernels = Object.fromEntries(
    names.map(([name, letters]) => {
      const suffix = name === 'hiddenLayer' || name === 'outputLayer' ? layers[0] : layers[1]
      return [name, module.kernel(`${name}_${suffix}`, table + letters)]
    }),
  ) as Record<KernelName, CudaKernel>
  return new CudaHeads(device, config, kernels, module.kernel('reduceWeights', `${table}iipii`))
}

/** Heads that are launched together, with what the launches derive from their widths. */
interface Group extends HeadGroup {
  /** Floats of one partial sum of all gradients. */
  partialSize: number
  tiles: { hidden: number; outputs: number; inputs: number; firstWeights: number; secondWeights: number }
  slots: number
}

/** Rows [first, last) that are launched together. */
interface Chunk {
  first: number
  last: number
}

class CudaHeads implements Heads {
  readonly #groups: Group[] = []
  /** Floats of a row of hidden activations; each head begins at a multiple of four. */
  readonly #stride: number
  readonly #chunkRows: number

  constructor(
    private readonly device: CudaDevice,
    readonly config: HeadsConfig,
    private readonly kernels: Readonly<Record<KernelName, CudaKernel>>,
    private readonly reduceWeights: CudaKernel,
  ) {
    let column = 0
    for (let start = 0; start < config.heads.length; start += maxHeads) {
      const heads = config.heads.slice(start, start + maxHeads)
      const columns: number[] = []
      for (const { hidden } of heads) {
        columns.push(column)
        column += up(hidden, 4)
      }
      this.#groups.push(groupOf(config, start, heads, columns, device.multiprocessors))
    }
    this.#stride = column
    const widest = Math.max(column, config.inputs, ...config.heads.map(({ outputs }) => outputs))
    const tiles = Math.floor(Math.min(temporaryBytes / 4 / column, maxPlaces / widest) / rowsOfTile)
    this.#chunkRows = rowsOfTile * Math.max(1, Math.min(tiles, maxRowTiles))
  }

  forward(inputs: HeadsInputs, parameters: readonly HeadParameters[], keep: Keep = 'hidden'): HeadsResult {
    const { device, config } = this
    const operator = 'heads.forward'
    const capacity = checkInputs(operator, device, config, inputs)
    checkParameters(operator, device, config, 'parameters', parameters)
    const outputs = config.heads.map(({ name, outputs }) => device.empty([capacity, outputs], 'f32', name))
    const kept = keep === 'hidden'
    const chunkRows = kept ? maxRowTiles * rowsOfTile : this.#chunkRows
    const hidden = device.empty([kept ? capacity : Math.min(capacity, chunkRows), this.#stride], 'f32', 'hidden')
    const tables = tablesOf(this.#groups, parameters, outputs)
    for (const chunk of chunks(capacity, chunkRows)) {
      // Whoever keeps everything has few chunks, and the rows of each behind those of the last.
      const place = kept ? device.address(hidden) + 4 * chunk.first * this.#stride : hidden
      this.#hidden(tables, inputs, chunk, place)
      const grid = rowTiles(chunk)
      this.#groups.forEach(({ tiles }, i) => {
        const args = [...range(inputs, chunk), place, this.#stride]
        this.#launch('outputLayer', [tiles.outputs, grid], tables[i], args)
      })
    }
    if (!kept) hidden.dispose()
    return { outputs, saved: kept ? [hidden] : [] }
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
    const kept = checkKept(operator, device, result, 'f32', [capacity, this.#stride])
    const vX = device.empty([capacity, config.inputs], 'f32', 'vX')
    const rows = Math.min(capacity, this.#chunkRows)
    if (rows === 0) return vX
    using recomputed = device.empty(kept ? [0] : [rows, this.#stride], 'f32', 'hidden')
    using vHidden = device.empty([rows, this.#stride], 'f32', 'vHidden')
    const partialSize = vParameters ? Math.max(...this.#groups.map((group) => group.slots * group.partialSize)) : 0
    // Groups take turns, and each has all chunks in a row, so that one buffer of partial sums does for all.
    using partials = device.empty([partialSize], 'f32', 'partial gradients')
    const tables = tablesOf(this.#groups, parameters, outputs, vOutputs, vParameters)
    this.#groups.forEach((group, i) => {
      for (const chunk of chunks(capacity, this.#chunkRows)) {
        if (!kept) this.#hidden(tables, inputs, chunk, recomputed, i)
        const hidden = [kept ?? recomputed, kept ? 0 : chunk.first] as const
        this.#chunkBackward(group, tables[i], inputs, chunk, hidden, vHidden, vX, vParameters && partials)
      }
      if (!vParameters) return
      const args = [group.heads.length, config.inputs, partials, group.partialSize, group.slots]
      const shape = { grid: Math.ceil(group.partialSize / threads), block: threads }
      device.launch(this.reduceWeights, shape, ...(tables[i] ?? []), ...args)
    })
    return vX
  }

  /** Gradients of a chunk of rows; `hidden` is followed by the row that it begins with. */
  #chunkBackward(
    group: Group,
    table: CudaArgument[] | undefined,
    inputs: HeadsInputs,
    chunk: Chunk,
    hidden: readonly [Tensor, number],
    vHidden: Tensor,
    vX: Tensor,
    partials: Tensor | null,
  ): void {
    const { tiles, heads, slots, partialSize } = group
    const { inputs: width } = this.config
    const rows = rowTiles(chunk)
    const limits = range(inputs, chunk)
    const stride = this.#stride
    this.#launch('hiddenGradient', [tiles.hidden, rows], table, [...limits, ...hidden, vHidden, stride])
    const sum = [heads.length, ...limits, vHidden, stride, vX, width, group.start > 0]
    this.#launch('inputGradient', [tiles.inputs, rows], table, sum)
    if (!partials) return
    const behind = [width, partials, partialSize, chunk.first > 0]
    this.#launch('firstWeights', [tiles.firstWeights, slots], table, [
      ...[...limits, vHidden, stride, inputs.x],
      ...behind,
    ])
    this.#launch('secondWeights', [tiles.secondWeights, slots], table, [...limits, ...hidden, stride, ...behind])
  }

  /** hidden // [rows of the chunk, stride], of all heads or of one group. */
  #hidden(
    tables: readonly CudaArgument[][],
    inputs: HeadsInputs,
    chunk: Chunk,
    hidden: CudaArgument,
    only?: number,
  ): void {
    this.#groups.forEach(({ tiles }, i) => {
      if (only !== undefined && only !== i) return
      const args = [inputs.x, this.config.inputs, ...range(inputs, chunk), hidden, this.#stride]
      this.#launch('hiddenLayer', [tiles.hidden, rowTiles(chunk)], tables[i], args)
    })
  }

  #launch(
    name: KernelName,
    grid: readonly [number, number],
    table: readonly CudaArgument[] | undefined,
    args: readonly CudaArgument[],
  ): void {
    this.device.launch(this.kernels[name], { grid, block: threads }, ...(table ?? []), ...args)
  }
}

function groupOf(
  { inputs }: HeadsConfig,
  start: number,
  heads: readonly Head[],
  columns: readonly number[],
  multiprocessors: number,
): Group {
  const sum = (of: (head: Head) => number) => heads.reduce((total, head) => total + of(head), 0)
  const inputTiles = Math.ceil(inputs / wide)
  const tiles = {
    hidden: sum(({ hidden }) => Math.ceil(hidden / wide)),
    outputs: sum(({ outputs }) => Math.ceil(outputs / narrow)),
    inputs: inputTiles,
    firstWeights: sum(({ hidden }) => Math.ceil(hidden / rowsOfTile)) * inputTiles,
    secondWeights: sum(({ hidden, outputs }) => Math.ceil(hidden / rowsOfTile) * Math.ceil(outputs / narrow)),
  }
  const slots = Math.ceil((blocksPerMultiprocessor * multiprocessors) / tiles.firstWeights)
  return {
    ...{ start, heads, columns, tiles },
    partialSize: sum(({ hidden, outputs }) => hidden * (inputs + 1) + outputs * (hidden + 1)),
    slots: Math.min(maxSlots, slots),
  }
}

function* chunks(rows: number, most: number): Generator<Chunk> {
  for (let first = 0; first < rows; first += most) yield { first, last: Math.min(rows, first + most) }
}

function rowTiles({ first, last }: Chunk): number {
  return Math.ceil((last - first) / rowsOfTile)
}

function range({ count }: HeadsInputs, { first, last }: Chunk): CudaArgument[] {
  return [count ?? null, first, last]
}

function checkPrecision(precision: Precision): void {
  switch (precision) {
    case 'fp32':
    case 'tf32x3':
    case 'mixed':
    case 'tf32':
      return
    default:
      throw new ArgumentError('createHeads', 'precision', precision satisfies never, 'fp32, tf32x3, mixed or tf32')
  }
}

function up(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
