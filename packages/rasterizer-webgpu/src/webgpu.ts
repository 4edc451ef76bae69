import type { View } from '@clipgstream/camera'
import {
  type Background,
  checkBackward,
  checkForward,
  type RasterGradients,
  type RasterInputs,
  type Rasterizer,
  type RasterizerConfig,
  type RasterOutputGradients,
  type RasterResult,
} from '@clipgstream/rasterizer'
import { ArgumentError, check, type DType, type Shape, type Tensor } from '@clipgstream/tensor'
import { createWebgpuPrimitives, type WebgpuDevice, type WebgpuPrimitives } from '@clipgstream/tensor/webgpu'
import { PairCapacity } from './capacity.js'
import { bestReduction, type Kernels, loadKernels, type Reduction } from './kernels.js'
import {
  counterWords,
  depthBits,
  pairLimit,
  recordWords,
  type Settings,
  settingsOf,
  sumsOf,
  tilesOf,
} from './layout.js'

/** Invocations of a workgroup of the kernels over Gaussians and pairs. */
const block = 256
/** Pairs of words that a workgroup of `clear` writes. */
const clearedPairs = 4096
const black: Background = [0, 0, 0]

export interface WebgpuRasterizerOptions {
  /** Fixes the capacity of the lists, for tests. */
  pairCapacity?: number
  /**
   * How `backward` adds pixels up: by shuffles, which ask for the feature subgroups, or through workgroup memory. By default
   * the first where subgroups have 16 lanes or more.
   */
  reduction?: Reduction
  /** Splats of a quarter of a tile that 'staged' has at once: 4 takes 24 KiB of workgroup memory, 2 (the default) 20. */
  round?: 2 | 4
  /**
   * Bytes for sums of (tile, Gaussian) pairs, 40 a pair that is reached, while `backward` runs; 256 MiB by default. Tiles that
   * find none left add to the Gaussians by compare-and-swap, which is slower; with 0 all do.
   */
  rowBudget?: number
}

/**
 * The binding of the WGSL kernels. One rasterizer can be used for any number of images and views.
 *
 * Nothing here waits for the GPU. How many (Gaussian, tile) pairs a pass has is known on the device only; their lists
 * have a capacity that is chosen before, with a quarter to spare over what earlier passes wanted. A pass whose pairs do
 * not fit sees that on the device and draws from the depth order itself, tile by tile: its results are the same, it is
 * many times slower. The count of some passes comes back to the host later, and the next pass has larger lists. So no
 * result is ever wrong or has to be repeated, and `overflows` says how often it was seen to be slow.
 */
export class WebgpuRasterizer implements Rasterizer {
  readonly #capacity: PairCapacity
  readonly #fixedCapacity: number | undefined
  #observing = false

  private constructor(
    readonly device: WebgpuDevice,
    readonly config: RasterizerConfig,
    private readonly kernels: Kernels,
    private readonly primitives: WebgpuPrimitives,
    private readonly rowBudget: number,
    fixedCapacity: number | undefined,
  ) {
    this.#fixedCapacity = fixedCapacity
    this.#capacity = new PairCapacity(mostPairs(device))
  }

  static async create(
    device: WebgpuDevice,
    config: RasterizerConfig,
    options: WebgpuRasterizerOptions = {},
  ): Promise<WebgpuRasterizer> {
    const { pairCapacity, reduction = bestReduction(device), round = 2, rowBudget = 2 ** 28 } = options
    const operator = 'WebgpuRasterizer.create'
    if (reduction === 'subgroups' && !device.features.has('subgroups')) {
      throw new ArgumentError(operator, 'reduction', reduction, "'staged' on a device without subgroups")
    }
    if (!(rowBudget >= 0)) throw new ArgumentError(operator, 'rowBudget', rowBudget, 'a number of bytes, 0 for none')
    const kernels = await loadKernels(device, { reduction, round })
    const primitives = await createWebgpuPrimitives(device)
    return new WebgpuRasterizer(device, config, kernels, primitives, rowBudget, pairCapacity)
  }

  /** Passes known so far whose pairs did not fit into their lists. */
  get overflows(): number {
    return this.#capacity.overflows
  }

  forward(inputs: RasterInputs, view: View, background: Background = black): RasterResult {
    const { device, kernels } = this
    const gaussians = checkForward(device, inputs, view, background)
    return this.#cleanly((empty) => {
      const { width, height } = view
      const image = empty([height, width, 3], 'f32', 'image')
      const alphas = empty([height, width], 'f32', 'alpha')
      const depths = empty([height, width], 'f32', 'depth')
      const radii = empty([gaussians], 'i32', 'radii')
      const capacity = this.#fixedCapacity ?? Math.max(gaussians, this.#capacity.next(gaussians))
      const settings = settingsOf(view, this.config, background, gaussians, capacity)

      const counters = empty([counterWords], 'u32', 'counters')
      const records = empty([gaussians, recordWords], 'f32', 'projected Gaussians')
      device.fill(counters, 0)
      const order = empty([gaussians], 'u32', 'depth order')
      const finals = empty([settings.tiles + height * width, 2], 'u32', 'tile ranges and final transmittances')
      this.#project(inputs, settings, { records, radii, counters, finals, order })
      const { values, keys, offsets } = this.#list(empty, settings, records, order, counters, finals)
      device.launch(kernels.forward, settings.tiles, settings, { records, values, image, alphas, depths, finals })
      const saved = [counters, records, finals, values, keys, order, offsets]
      const result = { image, alpha: alphas, depth: depths, radii, saved }
      // One at a time: counts that are late by some passes serve as well.
      if (this.#capacity.isWorthALook() && !this.#observing) this.#observeLater(result)
      return result
    })
  }

  backward(
    inputs: RasterInputs,
    view: View,
    result: RasterResult,
    vOutputs: RasterOutputGradients,
    background: Background = black,
  ): RasterGradients {
    const { device, kernels } = this
    const gaussians = checkBackward(device, inputs, view, result, vOutputs, background)
    const saved = this.#saved(result, view, gaussians)
    const { counters, records, finals, values, keys, order, offsets } = saved
    return this.#cleanly((empty) => {
      const vMeans = empty([gaussians, 3], 'f32', 'vMeans')
      const vQuats = empty([gaussians, 4], 'f32', 'vQuats')
      const vScales = empty([gaussians, 3], 'f32', 'vScales')
      const vOpacities = empty([gaussians], 'f32', 'vOpacities')
      const vColors = empty([gaussians, 3], 'f32', 'vColors')
      const vMeans2d = empty([gaussians, 2], 'f32', 'vMeans2d')
      const { vImage, vAlpha, vDepth } = vOutputs
      const flags = { hasAlpha: vAlpha ? 1 : 0, hasDepth: vDepth ? 1 : 0 }
      const capacity = this.#fixedCapacity ?? values.size
      const passed = { ...settingsOf(view, this.config, background, gaussians, capacity), ...flags }
      const { words, cleared, rows } = sumsOf(passed, this.rowBudget, bindingLimit(device))
      const settings = { ...passed, rows }
      using sums = device.empty([words], 'u32', 'gradient sums')
      if (rows > 0) device.launch(kernels.clear, Math.ceil(cleared / 2 / clearedPairs), settings, { sums })
      else device.fill(sums, 0)
      const outputs = { vImage, vAlpha: vAlpha ?? null, vDepth: vDepth ?? null }
      device.launch(kernels.backward, settings.tiles, settings, { records, values, keys, finals, ...outputs, sums })
      const { means, quats, scales, opacities } = inputs
      const grid = Math.ceil(gaussians / block)
      if (rows > 0) device.launch(kernels.collect, grid, settings, { sums, order, offsets, totals: counters })
      const geometry = { sums, means, quats, scales, vMeans, vQuats, vScales, vMeans2d }
      device.launch(kernels.gradients, grid, settings, geometry)
      device.launch(kernels.gradientsOfColors, grid, settings, { sums, opacities, vOpacities, vColors })
      return { vMeans, vQuats, vScales, vOpacities, vColors, vMeans2d }
    })
  }

  /** Waits for a pass and learns from it how large the lists must be. Returns its pairs. */
  async observe(result: RasterResult): Promise<number> {
    const counters = result.saved[0]
    const values = result.saved[3]
    if (!counters || !values) {
      throw new ArgumentError('rasterizer.observe', 'result.saved', result.saved.length, 'what forward returned')
    }
    const capacity = this.#fixedCapacity ?? values.size
    const [low = 0, high = 0] = await this.device.read(counters)
    const pairs = low + high * 2 ** 32
    this.#capacity.learn(pairs, capacity)
    return pairs
  }

  #observeLater(result: RasterResult): void {
    this.#observing = true
    const done = () => {
      this.#observing = false
    }
    // A failure is one of the device, which its user meets too.
    this.observe(result).then(done, () => {})
  }

  /** Fills records, radii and the depth order of all Gaussians, counts visible ones and empties the ranges of tiles. */
  #project(
    { means, quats, scales, opacities, colors, count }: RasterInputs,
    settings: Settings,
    outputs: Projected,
  ): void {
    const { device, kernels } = this
    const { gaussians, tiles } = settings
    const { records, radii, counters, finals, order } = outputs
    const grid = Math.ceil(gaussians / block)
    using keys = device.empty([gaussians], 'u32', 'depths')
    using indices = device.empty([gaussians], 'u32', 'indices')
    using sortedKeys = device.empty([gaussians], 'u32', 'sorted depths')
    const geometry = { means, quats, scales, opacities, count: count ?? null, records, radii, keys }
    device.launch(kernels.project, grid, { ...settings, hasCount: count ? 1 : 0 }, geometry)
    const painted = Math.ceil(Math.max(gaussians, tiles) / block)
    device.launch(kernels.paint, painted, settings, { colors, indices, counters, records, radii, keys, finals })
    // What lies behind the count is culled and never looked at.
    const range = { endBit: depthBits, ...(count && { count }) }
    this.primitives.sortPairsInto({ keys, values: indices }, { keys: sortedKeys, values: order }, range)
  }

  /** The splats of each tile, nearest first, and their ranges in `finals`. */
  #list(
    empty: Empty,
    settings: Settings,
    records: Tensor<'f32'>,
    order: Tensor<'u32'>,
    counters: Tensor<'u32'>,
    finals: Tensor<'u32'>,
  ): { values: Tensor<'u32'>; keys: Tensor<'u32'>; offsets: Tensor<'u32'> } {
    const { device, kernels, primitives } = this
    const { gaussians, capacity, tiles, tileBits } = settings
    const grid = Math.max(1, Math.ceil(gaussians / block))
    // Room for the depth order too, which takes the lists' place where the pairs do not fit.
    const room = Math.max(capacity, gaussians)
    const values = empty([room], 'u32', 'splats of tiles')
    const sortedKeys = empty([room], 'u32', 'sorted tiles')
    const offsets = empty([gaussians + 1], 'u32', 'first pairs')
    using counts = device.empty([gaussians], 'u32', 'tiles in depth order')
    using keys = device.empty([room], 'u32', 'tiles of pairs')
    using splats = device.empty([room], 'u32', 'splats of pairs')
    using listed = device.empty([1], 'u32', 'listed pairs')
    const tensors = { records, order, counters, offsets, counts: null, keys, splats, listed }
    const nothing = { offsets: null, keys: null, splats: null, listed: null }
    device.launch(kernels.listTiles, grid, settings, { ...tensors, ...nothing, counts })
    primitives.exclusiveScanInto(counts, offsets)
    device.launch(kernels.listTiles, grid, { ...settings, listing: 1 }, tensors)
    const range = { count: listed, endBit: tileBits }
    primitives.sortPairsInto({ keys, values: splats }, { keys: sortedKeys, values }, range)
    const everything = Math.ceil(Math.max(room, tiles) / block)
    device.launch(kernels.rangeTiles, everything, settings, { sortedKeys, order, totals: counters, values, finals })
    return { values, keys: sortedKeys, offsets }
  }

  #saved({ saved }: RasterResult, view: View, gaussians: number) {
    const operator = 'rasterizer.backward'
    const { width, height } = view
    const get = <D extends DType>(index: number, dtype: D, shape: readonly (number | '*')[]): Tensor<D> => {
      const tensor = saved[index]
      if (!tensor) throw new ArgumentError(operator, 'result.saved', saved.length, 'the 7 tensors of forward')
      check(operator, this.device, `result.saved[${index}]`, tensor, dtype, shape)
      return tensor as Tensor<D>
    }
    return {
      counters: get(0, 'u32', [counterWords]),
      records: get(1, 'f32', [gaussians, recordWords]),
      finals: get(2, 'u32', [tilesOf(view).tiles + height * width, 2]),
      values: get(3, 'u32', ['*']),
      keys: get(4, 'u32', ['*']),
      order: get(5, 'u32', [gaussians]),
      offsets: get(6, 'u32', [gaussians + 1]),
    }
  }

  /** Runs `body` with an `empty` whose tensors are disposed when it throws. */
  #cleanly<T>(body: (empty: Empty) => T): T {
    const made: Tensor[] = []
    try {
      return body((shape, dtype, name) => {
        const tensor = this.device.empty(shape, dtype, name)
        made.push(tensor)
        return tensor
      })
    } catch (error) {
      for (const tensor of made) tensor.dispose()
      throw error
    }
  }
}

interface Projected {
  records: Tensor<'f32'>
  radii: Tensor<'i32'>
  counters: Tensor<'u32'>
  finals: Tensor<'u32'>
  order: Tensor<'u32'>
}

type Empty = <D extends DType>(shape: Shape, dtype: D, name: string) => Tensor<D>

/** Pairs that a list can hold at most: what can be bound, in words, and what can be numbered. */
function mostPairs(device: WebgpuDevice): number {
  return Math.min(pairLimit, Math.floor(bindingLimit(device) / 4))
}

/** Bytes of a tensor at most: kernels may read the vector that its last word is part of. */
function bindingLimit({ limits }: WebgpuDevice): number {
  return Math.floor(Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize) / 256) * 256
}
