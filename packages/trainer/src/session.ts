import type { GrowthData, GrowthStatistics } from '@clipgstream/gaussians'
import { gatherRows } from '@clipgstream/gaussians'
import type { Tensor } from '@clipgstream/tensor'
import { stepsOf } from './clips.js'
import type { Config } from './config.js'
import { collectsStatistics, disposeStatistics, grow, growsAfter, readStatistics, uploadStatistics } from './growth.js'
import { type Example, uploadExample } from './inputs.js'
import type { ClipModel } from './model.js'
import type { TrainingOperators } from './operators.js'
import { ClipOptimizer } from './optimizer.js'
import { type ClipState, createModel, readState } from './state.js'
import { lossAndGradient } from './step.js'
import type { StepGraphs, StepWork, Use } from './step-graphs.js'
import { type Checkpoint, encodeCheckpoint, restoreMoments } from './stream/checkpoint.js'
import type { FloatTensors } from './stream/tensors.js'

/** Steps after which colour maps are centred again: in between they drift by a few rates. */
const centreEvery = 10

/** A clip in training on the device: its model, gradients, moments and growth statistics. */
export class ClipSession implements Disposable {
  model: ClipModel
  optimizer: ClipOptimizer
  #statistics: GrowthStatistics | null = null

  constructor(
    private readonly operators: TrainingOperators,
    private readonly config: Config,
    private readonly fieldScale: number,
    private readonly initial: ClipState,
    checkpoint: Checkpoint | null,
    private readonly graphs: StepGraphs | null,
  ) {
    this.model = createModel(operators, initial)
    this.optimizer = this.#createOptimizer()
    if (checkpoint) restoreMoments(checkpoint, this.optimizer)
    if (config.growth.enabled) {
      const k = config.decoders.gaussiansPerAnchor
      this.#statistics = checkpoint
        ? uploadStatistics(operators.device, storedStatistics(checkpoint, this.model.count, k), k)
        : operators.anchors.createGrowthStatistics(this.model.count, k)
    }
  }

  /** One iteration, counted from 0: forward, backward, Adam. `use` looks at the result while it is there. */
  async step(example: Example, iteration: number, use: Use): Promise<void> {
    const { operators, config, optimizer } = this
    const statistics = collectsStatistics(config.growth, iteration) ? this.#statistics : null
    const work: StepWork = (inputs) => {
      const result = lossAndGradient(operators, config, this.model, optimizer.gradients, inputs)
      optimizer.update()
      if (statistics) {
        for (const { raster, vMeans2d } of result.shots)
          operators.anchors.accumulateGrowth(statistics, result.visible, result.gaussians, raster.radii, vMeans2d)
      }
      return result
    }
    optimizer.setRates(iteration)
    if (this.graphs) {
      await this.graphs.step(statistics ? 'with statistics' : 'plain', example, work, use)
    } else {
      using scope = operators.device.scope()
      const result = work(uploadExample(operators.device, example, config.rasterizer.background))
      use(result, (tensor) => scope.keep(tensor))
    }
    const isLast = iteration + 1 === stepsOf(config.optimizer)
    const { colors } = this.model
    if (colors && (isLast || (iteration + 1) % centreEvery === 0)) operators.colorAffine.centre(colors)
  }

  /** Grows and prunes anchors when it is time; moments of new rows are zero. */
  async growAfter(iteration: number): Promise<{ added: number; removed: number } | null> {
    if (!this.#statistics || !growsAfter(this.config.growth, iteration)) return null
    // Captured steps work on what is going to be replaced.
    this.graphs?.clear()
    const data = await readStatistics(this.#statistics)
    const round = grow(this.config, await this.state(), data, iteration)
    const { added, removed, keptOwn } = round
    if (added > 0 || removed > 0) {
      const moments = await readMoments(this.optimizer)
      this.#disposeModel()
      this.model = createModel(this.operators, round.state)
      this.optimizer = this.#createOptimizer()
      this.#carryMoments(moments, keptOwn)
    }
    disposeStatistics(this.#statistics)
    this.#statistics = uploadStatistics(
      this.operators.device,
      round.statistics,
      this.config.decoders.gaussiansPerAnchor,
    )
    return { added, removed }
  }

  state(): Promise<ClipState> {
    return readState(this.model, this.initial.inherited)
  }

  async encode(fingerprint: string, iteration: number): Promise<{ bytes: Uint8Array; nonFinite: string | null }> {
    const extra: FloatTensors = new Map()
    if (this.#statistics) {
      for (const [name, tensor] of Object.entries<Tensor<'f32'> | Tensor<'u32'>>({ ...this.#statistics }))
        extra.set(`growth:${name}`, { shape: tensor.shape, data: Float32Array.from(await tensor.read()) })
    }
    return encodeCheckpoint(this.config, fingerprint, iteration, this.model, this.optimizer, extra)
  }

  [Symbol.dispose](): void {
    this.graphs?.clear()
    this.#disposeModel()
    if (this.#statistics) disposeStatistics(this.#statistics)
  }

  #createOptimizer(): ClipOptimizer {
    const { optimizer, colorCompensation } = this.config
    return new ClipOptimizer(this.operators, this.model, optimizer, this.fieldScale, colorCompensation.rate)
  }

  #carryMoments(moments: Map<string, { m: Float32Array; v: Float32Array }>, keptOwn: Uint32Array): void {
    const { device } = this.operators
    for (const { name, state, parameter, rows } of this.optimizer.groups) {
      const old = moments.get(name)
      if (!old) continue
      const perAnchor = name === 'staticFeatures' || name === 'logScaling'
      const width = parameter.size / Math.max(parameter.shape[0] ?? 1, 1)
      for (const key of ['m', 'v'] as const) {
        if (perAnchor)
          device.write(state[key], gatherRows(old[key].subarray(rows[0] * width), width, keptOwn), rows[0] * width)
        else device.write(state[key], old[key])
      }
    }
  }

  #disposeModel(): void {
    this.optimizer[Symbol.dispose]()
    this.model[Symbol.dispose]()
  }
}

async function readMoments(optimizer: ClipOptimizer): Promise<Map<string, { m: Float32Array; v: Float32Array }>> {
  const moments = new Map<string, { m: Float32Array; v: Float32Array }>()
  for (const { name, state } of optimizer.groups)
    moments.set(name, { m: await state.m.read(), v: await state.v.read() })
  return moments
}

/** Counts are stored as floats, which hold them exactly up to 2^24. */
function storedStatistics({ file }: Checkpoint, n: number, k: number): GrowthData {
  return {
    visits: Uint32Array.from(file.floats('growth:visits', [n])),
    opacitySums: file.floats('growth:opacitySums', [n]),
    counts: Uint32Array.from(file.floats('growth:counts', [n, k])),
    maxGradients: file.floats('growth:maxGradients', [n, k]),
    maxMeans: file.floats('growth:maxMeans', [n, k, 3]),
  }
}
