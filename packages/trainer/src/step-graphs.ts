import { viewRows } from '@clipgstream/gaussians'
import type { Background } from '@clipgstream/rasterizer'
import { CudaRasterizer, type CudaView } from '@clipgstream/rasterizer-cuda'
import type { DType, Tensor } from '@clipgstream/tensor'
import { CudaDevice, type CudaGraph } from '@clipgstream/tensor/cuda'
import { type Example, type ShotInputs, type StepInputs, uploadExample } from './inputs.js'
import type { TrainingOperators } from './operators.js'
import type { StepResult } from './step.js'

/** Enqueues a step and nothing else: no uploads, no reads. */
export type StepWork = (inputs: StepInputs) => StepResult

/** Makes a tensor of the result outlive the step. */
export type Keep = <D extends DType>(tensor: Tensor<D>) => Tensor<D>

/** Looks at a result before its memory is used again. */
export type Use = (result: StepResult, keep: Keep) => void

/** Each graph has the memory of a step; steps beyond are launched kernel by kernel. */
const mostGraphs = 4
/** Steps between looks at what the rasterizer needed; the host is at most three times as many ahead of the GPU. */
const observedSteps = 4
const pendingObservations = 2

/**
 * Training steps on CUDA as graphs: a step is launched kernel by kernel the first time, captured the second time, and then
 * repeated by one call. What differs from step to step is written to tensors before. There is a graph for each
 * combination of image sizes and of what `kind` says.
 *
 * The rasterizer's lists of a graph keep their length. What passes wanted comes back every few steps; when that has become
 * much more, or much less, the step is captured again. Where lists were too short the rasterizer has drawn without them: slower,
 * with the same result (see its README).
 */
export class StepGraphs implements Disposable {
  readonly #graphs = new Map<string, StepGraph>()
  readonly #warm = new Set<string>()
  readonly #observations: Promise<unknown>[] = []
  #steps = 0
  #captures = 0

  private constructor(
    private readonly device: CudaDevice,
    private readonly rasterizer: CudaRasterizer,
    private readonly background: Background,
  ) {}

  /** Null where steps cannot be captured: on another device than cuda. */
  static for({ device, rasterizer }: TrainingOperators, background: Background): StepGraphs | null {
    if (!(device instanceof CudaDevice && rasterizer instanceof CudaRasterizer)) return null
    return new StepGraphs(device, rasterizer, background)
  }

  /** How often a step was captured. */
  get captures(): number {
    return this.#captures
  }

  /** Runs `work` on the example; waits only for the GPU to come near. */
  async step(kind: string, example: Example, work: StepWork, use: Use): Promise<void> {
    const sizes = example.shots.map(({ view: { width, height } }) => `${width}x${height}`)
    const key = [kind, ...sizes].join(' ')
    while (this.#observations.length > pendingObservations) await this.#observations.shift()
    const graph = this.#graphFor(key, example, work)
    if (!graph) {
      const isFirst = !this.#warm.has(key)
      this.#warm.add(key)
      await Promise.all(this.#plain(example, work, use, isFirst))
      return
    }
    graph.set(example)
    graph.launch()
    use(graph.result, (tensor) => this.#copyOf(tensor))
    if (this.#steps++ % observedSteps === 0) this.#observe(graph.result)
  }

  /** Forgets the graphs: what their steps work on is going to be replaced. */
  clear(): void {
    for (const graph of this.#graphs.values()) graph[Symbol.dispose]()
    this.#graphs.clear()
  }

  [Symbol.dispose](): void {
    this.clear()
  }

  #graphFor(key: string, example: Example, work: StepWork): StepGraph | null {
    const known = this.#graphs.get(key)
    const isFit = known?.result.shots.every(({ raster }) => !this.rasterizer.isOutdated(raster))
    if (known && isFit) return known
    if (known) {
      known[Symbol.dispose]()
      this.#graphs.delete(key)
    } else if (!this.#warm.has(key) || this.#graphs.size >= mostGraphs) return null
    const graph = StepGraph.capture(this.device, this.rasterizer, this.background, example, work)
    this.#captures++
    this.#graphs.set(key, graph)
    return graph
  }

  /** Launches kernel by kernel; of a first step, returns what tells how much the rasterizer wanted. */
  #plain(example: Example, work: StepWork, use: Use, isFirst: boolean): Promise<unknown>[] {
    using scope = this.device.scope()
    const result = work(uploadExample(this.device, example, this.background))
    use(result, (tensor) => scope.keep(tensor))
    return isFirst ? result.shots.map(({ raster }) => this.rasterizer.observe(raster)) : []
  }

  #observe({ shots }: StepResult): void {
    const shot = shots[Math.floor(this.#steps / observedSteps) % shots.length]
    if (!shot) return
    const observation = this.rasterizer.observe(shot.raster)
    // A failure is reported where it is waited for.
    observation.catch(() => {})
    this.#observations.push(observation)
  }

  #copyOf<D extends DType>(tensor: Tensor<D>): Tensor<D> {
    const copy = this.device.empty(tensor.shape, tensor.dtype, tensor.name)
    this.device.copy(tensor, copy)
    return copy
  }
}

interface GraphInputs extends StepInputs {
  shots: readonly (ShotInputs & { view: CudaView })[]
}

/** A captured step with the tensors that it reads. */
class StepGraph implements Disposable {
  private constructor(
    private readonly device: CudaDevice,
    private readonly inputs: GraphInputs,
    private readonly background: Background,
    private readonly graph: CudaGraph,
    readonly result: StepResult,
    private readonly kept: readonly Tensor[],
  ) {}

  static capture(
    device: CudaDevice,
    rasterizer: CudaRasterizer,
    background: Background,
    example: Example,
    work: StepWork,
  ): StepGraph {
    const uploaded = uploadExample(device, example, background)
    const shots = example.shots.map(({ view, target }, i) => ({
      view: rasterizer.createView(view, background),
      background: undefined,
      colorRow: uploaded.shots[i]!.colorRow,
      target: device.empty(target.shape, 'u8', 'photograph of a step'),
    }))
    const inputs = { ...uploaded, shots }
    const kept: Tensor[] = []
    const results: StepResult[] = []
    try {
      const graph = device.capture(() => {
        using scope = device.scope()
        const result = work(inputs)
        results.push(result)
        for (const tensor of tensorsOf(result)) kept.push(scope.keep(tensor))
      })
      return new StepGraph(device, inputs, background, graph, results[0]!, kept)
    } catch (error) {
      disposeAll(inputs, kept)
      throw error
    }
  }

  /** Puts an example of the same sizes where the next launch reads it. */
  set({ time, shots }: Example): void {
    const { device, inputs } = this
    device.write(inputs.views, viewRows(shots.map(({ view }) => view)))
    device.write(inputs.time, Float32Array.of(time))
    shots.forEach(({ view, colorRow, target }, i) => {
      const to = inputs.shots[i]!
      to.view.set(view, this.background)
      device.write(to.colorRow, Uint32Array.of(colorRow))
      device.copy(target, to.target)
    })
  }

  launch(): void {
    this.graph.launch()
  }

  [Symbol.dispose](): void {
    disposeAll(this.inputs, this.kept)
    this.graph.dispose()
  }
}

function disposeAll({ views, time, shots }: GraphInputs, kept: readonly Tensor[]): void {
  for (const tensor of [...kept, views, time]) tensor.dispose()
  for (const { view, colorRow, target } of shots)
    for (const tensor of [view.parameters, colorRow, target]) tensor.dispose()
}

/** What is looked at after a step. */
function tensorsOf({ volume, visible, gaussians, shots }: StepResult): Tensor[] {
  const ofShots = shots.flatMap(({ terms, image, raster }) => [terms, image, ...raster.saved])
  return [volume, visible.count, gaussians.count, ...ofShots]
}
