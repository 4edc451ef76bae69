import { ArgumentError, check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { type Settings, WebgpuDevice, type WebgpuKernel } from '@clipgstream/tensor/webgpu'
import { checkInputs, checkOutputs, checkParameters } from './check.js'
import type { HeadParameters, Heads, HeadsConfig, HeadsInputs, HeadsResult, Keep } from './contract.js'
import { type Chunk, maxHeads, noPacking, noProduct, type Placed, range, up4 } from './webgpu-settings.js'

// As in the kernels.
const rowsOfTile = 128
const wide = 64
const narrow = 32
const packingThreads = 256

/** Bytes of hidden activations, or of another temporary tensor, that exist at a time. */
const temporaryBytes = 256 << 20
/** Workgroups among which the rows of weight gradients are divided, and partial sums and rows of each. */
const wantedWorkgroups = 512
const maxSlots = 64
const leastRowsOfSlot = 256

const activations = { none: 0, relu: 1, sigmoid: 2 }

const products = [
  'hiddenLayer',
  'outputLayer',
  'hiddenGradient',
  'inputGradient',
  'firstWeights',
  'secondWeights',
] as const
const packings = ['pack', 'packBackward', 'beforeActivation', 'copyRows', 'reduceWeights', 'reduceAll'] as const
type KernelName = (typeof products)[number] | (typeof packings)[number]

export async function createWebgpuHeads(device: Device, config: HeadsConfig): Promise<Heads> {
  if (!(device instanceof WebgpuDevice))
    throw new DeviceUnavailableError(device.label, 'two copies of @clipgstream/tensor are loaded', 'Install only one')
  // Whole addresses, which bundlers find.
  const [product, packing] = await Promise.all([
    device.load(new URL('../dist/kernels/decoders.wgsl.json', import.meta.url)),
    device.load(new URL('../dist/kernels/packing.wgsl.json', import.meta.url)),
  ])
  const kernels = Object.fromEntries([
    ...products.map((name) => [name, product.kernel(name)]),
    ...packings.map((name) => [name, packing.kernel(name)]),
  ]) as Record<KernelName, WebgpuKernel>
  return new WebgpuHeads(device, config, kernels)
}

class WebgpuHeads implements Heads {
  readonly #heads: readonly Placed[]
  readonly #inputs4: number
  /** Elements of a row of hidden activations, and of gradients before activations. */
  readonly #stride: number
  readonly #outputStride: number
  /** Panels and partial sums: W1, b1, b2 of all heads, then W2 of each. */
  readonly #b1At: number
  readonly #b2At: number
  readonly #panelSize: number
  readonly #chunkRows: number
  readonly #mostBytes: number

  constructor(
    private readonly device: WebgpuDevice,
    readonly config: HeadsConfig,
    private readonly kernels: Readonly<Record<KernelName, WebgpuKernel>>,
  ) {
    this.#inputs4 = up4(config.inputs)
    this.#stride = config.heads.reduce((sum, { hidden }) => sum + up4(hidden), 0)
    this.#outputStride = config.heads.reduce((sum, { outputs }) => sum + up4(outputs), 0)
    this.#b1At = this.#inputs4 * this.#stride
    this.#b2At = this.#b1At + this.#stride
    let [column, outputColumn, w2At] = [0, 0, this.#b2At + this.#outputStride]
    this.#heads = config.heads.map((head) => {
      const [hidden4, outputs4] = [up4(head.hidden), up4(head.outputs)]
      const placed = { ...head, hidden4, outputs4, column, outputColumn, w2At }
      column += hidden4
      outputColumn += outputs4
      w2At += hidden4 * outputs4
      return placed
    })
    this.#panelSize = w2At
    const { maxBufferSize, maxStorageBufferBindingSize } = device.limits
    this.#mostBytes = Math.min(temporaryBytes, maxBufferSize, maxStorageBufferBindingSize)
    const widest = Math.max(this.#stride, this.#outputStride, this.#inputs4)
    this.#chunkRows = rowsOfTile * Math.max(1, Math.floor(this.#mostBytes / 4 / widest / rowsOfTile))
  }

  forward(inputs: HeadsInputs, parameters: readonly HeadParameters[], keep: Keep = 'hidden'): HeadsResult {
    const { device, config } = this
    const operator = 'heads.forward'
    const capacity = checkInputs(operator, device, config, inputs)
    checkParameters(operator, device, config, 'parameters', parameters)
    const outputs = config.heads.map(({ name, outputs }) => device.empty([capacity, outputs], 'f32', name))
    const saved: Tensor<'f32'>[] = []
    if (capacity === 0) return { outputs, saved }
    using panels = this.#pack('pack', parameters)
    for (const chunk of this.#chunks(capacity)) {
      const hidden = this.#hidden(inputs, chunk, panels)
      for (const [i, head] of this.#heads.entries()) {
        const tiles = Math.ceil(head.outputs4 / narrow)
        this.#product(
          'outputLayer',
          inputs,
          chunk,
          tiles,
          { left: hidden, right: panels, output: outputs[i] ?? null },
          {
            ...{ leftAt: head.column / 4, leftStride: this.#stride / 4, depth: head.hidden4 },
            ...{ rightAt: head.w2At / 4, rightStride: head.outputs4 / 4, columns: head.outputs4 / 4 },
            ...{ biasAt: (this.#b2At + head.outputColumn) / 4, outputs: head.outputs },
            activation: activations[head.activation],
          },
        )
      }
      if (keep === 'hidden') saved.push(hidden)
      else hidden.dispose()
    }
    return { outputs, saved }
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
    const chunks = this.#chunks(capacity)
    const kept = result.saved
    this.#checkSaved(operator, kept, chunks)
    const vX = device.empty([capacity, config.inputs], 'f32', 'vX')
    if (capacity === 0) return vX
    const slots = this.#slots(capacity)
    using panels = kept.length > 0 ? device.empty([0]) : this.#pack('pack', parameters)
    using panelsBack = this.#pack('packBackward', parameters)
    using partials = device.empty([vParameters ? slots * this.#panelSize : 0], 'f32', 'partial gradients')
    for (const [i, chunk] of chunks.entries()) {
      const hidden = kept[i] ?? this.#hidden(inputs, chunk, panels)
      this.#chunkBackward(
        inputs,
        chunk,
        hidden,
        panelsBack,
        result.outputs,
        vOutputs,
        vX,
        vParameters && partials,
        slots,
      )
      if (!kept[i]) hidden.dispose()
    }
    if (vParameters) this.#reduce(partials, slots, vParameters)
    return vX
  }

  #chunkBackward(
    inputs: HeadsInputs,
    chunk: Chunk,
    hidden: Tensor,
    panels: Tensor<'f32'>,
    outputs: readonly Tensor<'f32'>[],
    vOutputs: readonly Tensor<'f32'>[],
    vX: Tensor<'f32'>,
    partials: Tensor<'f32'> | null,
    slots: number,
  ): void {
    const { device } = this
    const [stride, outputStride, inputs4] = [this.#stride / 4, this.#outputStride / 4, this.#inputs4 / 4]
    const rows = chunk.last - chunk.first
    using vRaw = device.empty([rows, this.#outputStride], 'f32', 'vRaw')
    for (const [i, head] of this.#heads.entries()) {
      const tensors = { count: inputs.count ?? null, vOutput: vOutputs[i] ?? null, output: outputs[i] ?? null, vRaw }
      const settings = { ...range(inputs, chunk), ...this.#packing(head) }
      this.#pass('beforeActivation', rows * head.outputs4, settings, tensors)
    }
    using vHidden = device.empty([rows, this.#stride], 'f32', 'vHidden')
    for (const group of this.#groups()) {
      const tiles = group.reduce((sum, { hidden4 }) => sum + Math.ceil(hidden4 / wide), 0)
      this.#product(
        'hiddenGradient',
        inputs,
        chunk,
        tiles,
        { left: vRaw, right: panels, result: vHidden, hidden },
        {
          ...{ leftStride: outputStride, resultStride: stride },
          ...this.#table(group),
        },
      )
    }
    const padded = this.config.inputs !== this.#inputs4
    using vPadded = device.empty([padded ? rows : 0, this.#inputs4], 'f32', 'padded vX')
    const tensors = { left: vHidden, right: panels, result: padded ? vPadded : vX }
    this.#product('inputGradient', inputs, chunk, Math.ceil(this.#inputs4 / wide), tensors, {
      ...{ leftStride: stride, depth: this.#stride, rightStride: inputs4, columns: inputs4 },
      ...{ resultAt: padded ? 0 : chunk.first * inputs4, resultStride: inputs4 },
    })
    if (padded) this.#copyRows(inputs, chunk, vPadded, [this.#inputs4, 0], vX, [this.config.inputs, chunk.first])
    if (!partials) return
    const sums = { result: partials }
    const slotted = { slots, partialSize: this.#panelSize / 4, add: chunk.first > 0 }
    using x = this.#padded(inputs, chunk)
    const unitTiles = Math.ceil(this.#stride / rowsOfTile)
    const firstTiles = unitTiles * Math.ceil(this.#inputs4 / wide)
    this.#product(
      'firstWeights',
      inputs,
      chunk,
      firstTiles,
      { left: vHidden, right: x.tensor, ...sums },
      {
        ...{ leftStride: stride, rightAt: x.at, rightStride: inputs4, columns: inputs4, biasAt: this.#b1At / 4 },
        ...slotted,
      },
    )
    for (const group of this.#groups()) {
      const tiles = group.reduce(
        (sum, { hidden4, outputs4 }) => sum + Math.ceil(hidden4 / rowsOfTile) * Math.ceil(outputs4 / narrow),
        0,
      )
      this.#product(
        'secondWeights',
        inputs,
        chunk,
        tiles,
        { left: hidden, right: vRaw, ...sums },
        {
          ...{ leftStride: stride, rightStride: outputStride, biasAt: this.#b2At / 4 },
          ...this.#table(group),
          ...slotted,
        },
      )
    }
  }

  /** hidden // [rows of the chunk, stride] */
  #hidden(inputs: HeadsInputs, chunk: Chunk, panels: Tensor<'f32'>): Tensor<'f32'> {
    const hidden = this.device.empty([chunk.last - chunk.first, this.#stride], 'f32', 'hidden')
    using x = this.#padded(inputs, chunk)
    const stride = this.#stride / 4
    const tensors = { left: x.tensor, right: panels, result: hidden }
    this.#product('hiddenLayer', inputs, chunk, Math.ceil(this.#stride / wide), tensors, {
      ...{ leftAt: x.at, leftStride: this.#inputs4 / 4, depth: this.#inputs4, rightStride: stride },
      ...{ biasAt: this.#b1At / 4, resultStride: stride, columns: stride },
    })
    return hidden
  }

  /** Rows of x in whole quads: itself where they are, or a copy of the chunk; `at` is where its rows begin, in quads. */
  #padded(inputs: HeadsInputs, chunk: Chunk): { tensor: Tensor<'f32'>; at: number } & Disposable {
    const { inputs: width } = this.config
    if (width === this.#inputs4) {
      return { tensor: inputs.x, at: (chunk.first * width) / 4, [Symbol.dispose]: () => {} }
    }
    const tensor = this.device.empty([chunk.last - chunk.first, this.#inputs4], 'f32', 'padded x')
    this.#copyRows(inputs, chunk, inputs.x, [width, chunk.first], tensor, [this.#inputs4, 0])
    return { tensor, at: 0, [Symbol.dispose]: () => tensor.dispose() }
  }

  #copyRows(
    inputs: HeadsInputs,
    chunk: Chunk,
    source: Tensor<'f32'>,
    [fromStride, fromRow]: readonly [number, number],
    copied: Tensor<'f32'>,
    [toStride, toRow]: readonly [number, number],
  ): void {
    const settings = { ...range(inputs, chunk), width: toStride, fromStride, toStride, fromRow, toRow }
    const tensors = { count: inputs.count ?? null, source, copied }
    this.#pass('copyRows', (chunk.last - chunk.first) * toStride, settings, tensors)
  }

  /** Weights, and for forward biases, of all heads as the products read them. */
  #pack(kernel: 'pack' | 'packBackward', parameters: readonly HeadParameters[]): Tensor<'f32'> {
    const panels = this.device.empty([this.#panelSize], 'f32', 'panels')
    for (const [i, head] of this.#heads.entries()) {
      const { w1 = null, b1 = null, w2 = null, b2 = null } = parameters[i] ?? {}
      const size = this.#inputs4 * head.hidden4 + head.hidden4 * head.outputs4 + head.hidden4 + head.outputs4
      this.#pass(kernel, size, this.#packing(head), kernel === 'pack' ? { w1, b1, w2, b2, panels } : { w1, w2, panels })
    }
    return panels
  }

  #reduce(partials: Tensor<'f32'>, slots: number, vParameters: readonly HeadParameters[]): void {
    const { inputs, biases } = this.config
    for (const [i, head] of this.#heads.entries()) {
      const { w1: vw1 = null, b1: vb1 = null, w2: vw2 = null, b2: vb2 = null } = vParameters[i] ?? {}
      const settings = { ...this.#packing(head), slots, partialSize: this.#panelSize }
      const weights = head.hidden * (inputs + head.outputs)
      if (biases) {
        const size = weights + head.hidden + head.outputs
        this.#pass('reduceAll', size, settings, { partials, vw1, vb1, vw2, vb2 })
      } else this.#pass('reduceWeights', weights, settings, { partials, vw1, vw2 })
    }
  }

  /** What kernels of packing must know of a head. */
  #packing({ hidden, outputs, activation, column, outputColumn, w2At }: Placed) {
    return {
      ...{ inputs: this.config.inputs, hidden, outputs, activation: activations[activation], column, outputColumn },
      ...{ stride: this.#stride, outputStride: this.#outputStride, biases: this.config.biases },
      ...{ b1At: this.#b1At, b2At: this.#b2At, w2At },
    }
  }

  /** Heads for a launch that tells them apart, as the kernels' `headOf` reads them. */
  #table(group: readonly Placed[]) {
    const heads = new Uint32Array(8 * maxHeads)
    for (const [i, { column, hidden4, outputColumn, outputs4, w2At }] of group.entries()) {
      heads.set([column / 4, hidden4 / 4, outputColumn / 4, outputs4 / 4, w2At / 4, w2At / 4], 8 * i)
    }
    return { headCount: group.length, heads }
  }

  #groups(): Placed[][] {
    const groups: Placed[][] = []
    for (let i = 0; i < this.#heads.length; i += maxHeads) groups.push(this.#heads.slice(i, i + maxHeads))
    return groups
  }

  #chunks(capacity: number): Chunk[] {
    const chunks: Chunk[] = []
    for (let first = 0; first < capacity; first += this.#chunkRows) {
      chunks.push({ first, last: Math.min(capacity, first + this.#chunkRows) })
    }
    return chunks
  }

  /** Partial sums of weight gradients: enough to fill a GPU, and no more than rows and memory are worth. */
  #slots(capacity: number): number {
    const tiles = Math.ceil(this.#stride / rowsOfTile) * Math.ceil(this.#inputs4 / wide)
    const room = Math.floor(this.#mostBytes / 4 / this.#panelSize)
    const slots = [Math.ceil(wantedWorkgroups / tiles), Math.ceil(capacity / leastRowsOfSlot), maxSlots, room]
    return Math.max(1, Math.min(...slots))
  }

  #checkSaved(operator: string, saved: readonly Tensor[], chunks: readonly Chunk[]): void {
    if (saved.length === 0) return
    if (saved.length !== chunks.length)
      throw new ArgumentError(operator, 'result.saved', `${saved.length} tensors`, 'what forward returned')
    for (const [i, { first, last }] of chunks.entries()) {
      const tensor = saved[i]
      if (tensor) check(operator, this.device, `result.saved[${i}]`, tensor, 'f32', [last - first, this.#stride])
    }
  }

  /** Launches a product: `tiles` side by side, for all tiles of rows or, with `slots`, for each of those. */
  #product(
    name: (typeof products)[number],
    inputs: HeadsInputs,
    chunk: Chunk,
    tiles: number,
    tensors: Readonly<Record<string, Tensor | null>>,
    settings: Settings & { slots?: number },
  ): void {
    const down = settings.slots ?? Math.ceil((chunk.last - chunk.first) / rowsOfTile)
    const all = { ...noProduct, ...range(inputs, chunk), tiles, ...settings }
    this.device.launch(this.kernels[name], tiles * down, all, { ...tensors, count: inputs.count ?? null })
  }

  #pass(
    name: (typeof packings)[number],
    elements: number,
    settings: Settings,
    tensors: Readonly<Record<string, Tensor | null>>,
  ): void {
    const workgroups = Math.ceil(elements / packingThreads)
    this.device.launch(this.kernels[name], workgroups, { ...noPacking, ...settings }, tensors)
  }
}
