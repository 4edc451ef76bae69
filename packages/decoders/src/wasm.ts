import { ArgumentError, check, type Device, type Tensor, WrongDeviceError } from '@clipgstream/tensor'
import { type Kernel, WasmDevice } from '@clipgstream/tensor/wasm'
import { checkInputs, checkLength, checkOutputs, checkParameters } from './check.js'
import type { HeadParameters, Heads, HeadsConfig, HeadsInputs, HeadsResult, Keep } from './contract.js'

/** Rows that pass through all heads together; fewer where their activations would not fit in the scratch. */
const maxBlockRows = 64
/** Rows whose weight gradients share a partial sum, unless that makes more than `maxSlots` partial sums. */
const minSlotRows = 256
const maxSlots = 32
/** Chunks per head in which partial sums are added up. */
const reduceParts = 8
/** Words of `Head` in the kernels. */
const headWords = 19

const activations = { none: 0, relu: 1, sigmoid: 2 }

export async function createWasmHeads(device: Device, config: HeadsConfig): Promise<Heads> {
  if (!(device instanceof WasmDevice)) throw new WrongDeviceError('createHeads', 'device', 'wasm', device.label)
  const module = await device.load(new URL('../dist/kernels/decoders.wasm', import.meta.url))
  const names = ['packForward', 'packBackward', 'forward', 'backward', 'reduce'] as const
  const kernels = Object.fromEntries(names.map((name) => [name, module.kernel(name)]))
  return new WasmHeads(device, config, kernels as Record<(typeof names)[number], Kernel>)
}

class WasmHeads implements Heads {
  readonly #blockRows: number
  /** Offset of each head in a partial sum of gradients, and its size behind the last. */
  readonly #partials: number[] = [0]

  constructor(
    private readonly device: WasmDevice,
    readonly config: HeadsConfig,
    private readonly kernels: Record<'packForward' | 'packBackward' | 'forward' | 'backward' | 'reduce', Kernel>,
  ) {
    this.#blockRows = blockRows(config, device.scratchBytes)
    const inputs = up(config.inputs, 8)
    for (const { hidden, outputs } of config.heads) {
      const size = up(hidden, 8) * (inputs + 1) + up(outputs, 4) * (up(hidden, 8) + 1)
      this.#partials.push(this.#partials.at(-1)! + size)
    }
  }

  forward(inputs: HeadsInputs, parameters: readonly HeadParameters[], keep: Keep = 'hidden'): HeadsResult {
    const { device, config, kernels } = this
    const operator = 'heads.forward'
    const { capacity, rows } = this.#checkInputs(operator, inputs)
    checkParameters(operator, device, config, 'parameters', parameters)
    const { heads } = config
    const outputs = heads.map(({ name, outputs }) => device.empty([capacity, outputs], 'f32', name))
    const saved =
      keep === 'hidden'
        ? heads.map(({ name, hidden }) => device.empty([up(capacity, 4), up(hidden, 8)], 'f32', `${name}.hidden`))
        : []
    using temporary = new Temporaries(device)
    const panels = this.#forwardPanels(temporary)
    const table = this.#table(temporary, parameters, outputs, saved, panels)
    device.launch(kernels.packForward, 2 * heads.length, table, config.inputs)
    const blocks = Math.ceil(rows / this.#blockRows)
    device.launch(kernels.forward, blocks, table, heads.length, inputs.x, config.inputs, rows, this.#blockRows)
    return { outputs, saved }
  }

  backward(
    inputs: HeadsInputs,
    parameters: readonly HeadParameters[],
    result: HeadsResult,
    vOutputs: readonly Tensor<'f32'>[],
    vParameters: readonly HeadParameters[] | null,
  ): Tensor<'f32'> {
    const { device, config, kernels } = this
    const operator = 'heads.backward'
    const { capacity, rows } = this.#checkInputs(operator, inputs)
    checkParameters(operator, device, config, 'parameters', parameters)
    if (vParameters) checkParameters(operator, device, config, 'vParameters', vParameters)
    checkOutputs(operator, device, config, 'result.outputs', result.outputs, capacity)
    checkOutputs(operator, device, config, 'vOutputs', vOutputs, capacity)
    this.#checkSaved(operator, result.saved, capacity)
    const { heads } = config
    const vX = device.empty([capacity, config.inputs], 'f32', 'vX')
    if (rows === 0) return vX
    using temporary = new Temporaries(device)
    const recompute = result.saved.length === 0
    const panels = recompute ? this.#forwardPanels(temporary) : []
    const panelsBack = heads.map(({ hidden, outputs }) => [
      temporary.empty(hidden * up(config.inputs, 8)),
      temporary.empty(outputs * up(hidden, 8)),
    ])
    const slotRows = up(Math.ceil(rows / Math.min(maxSlots, Math.ceil(rows / minSlotRows))), 4)
    const slots = Math.ceil(rows / slotRows)
    const partialSize = this.#partials.at(-1)!
    const partials = vParameters && temporary.empty(slots * partialSize)
    const table = this.#table(
      temporary,
      parameters,
      result.outputs,
      result.saved,
      panels,
      panelsBack,
      vOutputs,
      vParameters,
    )
    if (recompute) device.launch(kernels.packForward, 2 * heads.length, table, config.inputs)
    device.launch(kernels.packBackward, 2 * heads.length, table, config.inputs)
    const shape = [inputs.x, config.inputs, rows, this.#blockRows, slotRows] as const
    device.launch(kernels.backward, slots, table, heads.length, ...shape, vX, partials, partialSize)
    if (partials) {
      const chunks = heads.length * reduceParts
      device.launch(kernels.reduce, chunks, table, config.inputs, partials, partialSize, slots, reduceParts)
    }
    return vX
  }

  #forwardPanels(temporary: Temporaries): Tensor[][] {
    return this.config.heads.map(({ hidden, outputs }) => [
      temporary.empty((this.config.inputs + 1) * up(hidden, 8)),
      temporary.empty((hidden + 1) * up(outputs, 8)),
    ])
  }

  /** The table of heads that the kernels read, field for field as their class `Head`. */
  #table(
    temporary: Temporaries,
    parameters: readonly HeadParameters[],
    outputs: readonly Tensor[],
    saved: readonly Tensor[],
    panels: readonly Tensor[][],
    panelsBack: readonly Tensor[][] = [],
    vOutputs: readonly Tensor[] = [],
    vParameters: readonly HeadParameters[] | null = null,
  ): Tensor {
    const address = (tensor: Tensor | null | undefined) => (tensor ? this.device.address(tensor) : 0)
    const words = this.config.heads.flatMap((head, i) => [
      ...[head.hidden, head.outputs, activations[head.activation]],
      ...addresses(parameters[i]),
      ...[address(panels[i]?.[0]), address(panels[i]?.[1])],
      ...[address(panelsBack[i]?.[0]), address(panelsBack[i]?.[1])],
      ...[address(saved[i]), address(outputs[i]), address(vOutputs[i])],
      ...addresses(vParameters?.[i]),
      this.#partials[i]!,
    ])
    function addresses(set: HeadParameters | undefined) {
      return [address(set?.w1), address(set?.b1), address(set?.w2), address(set?.b2)]
    }
    const table = temporary.empty(this.config.heads.length * headWords)
    new Uint32Array(this.device.memory.buffer, this.device.address(table), words.length).set(words)
    return table
  }

  #checkInputs(operator: string, inputs: HeadsInputs): { capacity: number; rows: number } {
    const capacity = checkInputs(operator, this.device, this.config, inputs)
    if (!inputs.count) return { capacity, rows: capacity }
    // Launches have finished when they return, so the count is there.
    const rows = this.device.view(inputs.count)[0]!
    if (rows > capacity) throw new ArgumentError(operator, 'count', rows, `at most the ${capacity} rows of x`)
    return { capacity, rows }
  }

  #checkSaved(operator: string, saved: readonly Tensor[], capacity: number): void {
    if (saved.length === 0) return
    checkLength(operator, this.config, 'result.saved', saved.length)
    this.config.heads.forEach(({ name, hidden }, i) => {
      check(operator, this.device, `result.saved[${i}] (${name})`, saved[i]!, 'f32', [up(capacity, 4), up(hidden, 8)])
    })
  }
}

/** Device memory that is freed at the end of a call. */
class Temporaries implements Disposable {
  readonly #tensors: Tensor[] = []

  constructor(private readonly device: WasmDevice) {}

  empty(size: number): Tensor<'f32'> {
    const tensor = this.device.empty([size])
    this.#tensors.push(tensor)
    return tensor
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#tensors) tensor.dispose()
  }
}

/** Rows of a block: a multiple of four whose activations and gradients of the widest head fit in the scratch. */
function blockRows({ inputs, heads }: HeadsConfig, scratchBytes: number): number {
  const widest = Math.max(...heads.map(({ hidden, outputs }) => 2 * up(hidden, 8) + up(outputs, 8)))
  const bytesPerRow = 4 * (2 * up(inputs, 8) + widest)
  const rows = Math.min(maxBlockRows, Math.floor(scratchBytes / bytesPerRow / 4) * 4)
  if (rows > 0) return rows
  const room = `at most the ${scratchBytes} bytes of scratch; use narrower heads or a device with more scratchBytes`
  throw new ArgumentError('createHeads', 'memory of four rows', 4 * bytesPerRow, room)
}

function up(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
