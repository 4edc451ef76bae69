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
import type { WasmDevice } from '@clipgstream/tensor/wasm'
import { type Kernels, loadKernels } from './kernels.js'
import { gaussiansPerChunk, gradientWords, parameterBlock, recordWords } from './layout.js'

const digits = 2048
const digitBits = 11
/** Depths are positive floats: 31 bits. */
const passes = 3
const black: Background = [0, 0, 0]

/** The binding of the WebAssembly kernels. One rasterizer can be used for any number of images and views. */
export class WasmRasterizer implements Rasterizer {
  private constructor(
    readonly device: WasmDevice,
    readonly config: RasterizerConfig,
    private readonly kernels: Kernels,
  ) {}

  static async create(device: WasmDevice, config: RasterizerConfig): Promise<WasmRasterizer> {
    return new WasmRasterizer(device, config, await loadKernels(device))
  }

  forward(inputs: RasterInputs, view: View, background: Background = black): RasterResult {
    const { device } = this
    const gaussians = checkForward(device, inputs, view, background)
    return this.#cleanly((empty) => {
      const { width, height } = view
      const image = empty([height, width, 3], 'f32', 'image')
      const alpha = empty([height, width], 'f32', 'alpha')
      const depth = empty([height, width], 'f32', 'depth')
      const radii = empty([gaussians], 'i32', 'radii')
      const pairs = empty([gaussians + 1], 'u32', 'pairs')
      using parameters = parameterBlock(device, view, this.config, background)

      const splats = this.#project(empty, parameters, inputs, gaussians, radii, pairs)
      const lists = this.#list(empty, splats.records, splats.pairs, view)
      const tiles = lists.tileStarts.size - 1
      const tileEnds = empty([tiles], 'u32', 'tile ends')
      const transmittances = empty([height, width], 'f32', 'transmittances')
      const stops = empty([height, width], 'u32', 'stops')
      device.launch(
        this.kernels.forward,
        tiles,
        ...[parameters, splats.records, lists.entries, lists.tileStarts, tileEnds],
        ...[image, alpha, depth, transmittances, stops],
      )
      const saved = [pairs, splats.records, lists.entries, lists.tileStarts, tileEnds, transmittances, stops]
      return { image, alpha, depth, radii, saved }
    })
  }

  backward(
    inputs: RasterInputs,
    view: View,
    result: RasterResult,
    vOutputs: RasterOutputGradients,
    background: Background = black,
  ): RasterGradients {
    const { device } = this
    const gaussians = checkBackward(device, inputs, view, result, vOutputs, background)
    const saved = this.#saved(result, view, gaussians)
    return this.#cleanly((empty) => {
      const vMeans = empty([gaussians, 3], 'f32', 'vMeans')
      const vQuats = empty([gaussians, 4], 'f32', 'vQuats')
      const vScales = empty([gaussians, 3], 'f32', 'vScales')
      const vOpacities = empty([gaussians], 'f32', 'vOpacities')
      const vColors = empty([gaussians, 3], 'f32', 'vColors')
      const vMeans2d = empty([gaussians, 2], 'f32', 'vMeans2d')
      using parameters = parameterBlock(device, view, this.config, background)
      using pairGradients = device.empty([saved.entries.shape[0] ?? 0, gradientWords], 'f32', 'gradients of pairs')
      device.launch(
        this.kernels.backward,
        saved.tileEnds.size,
        ...[parameters, saved.records, saved.entries, saved.tileStarts, saved.tileEnds],
        ...[saved.transmittances, saved.stops],
        ...[vOutputs.vImage, vOutputs.vAlpha ?? null, vOutputs.vDepth ?? null, pairGradients],
      )
      device.launch(
        this.kernels.gradients,
        Math.ceil(gaussians / gaussiansPerChunk),
        ...[parameters, inputs.means, inputs.quats, inputs.scales, inputs.opacities, gaussians],
        ...[saved.pairs, pairGradients],
        ...[vMeans, vQuats, vScales, vOpacities, vColors, vMeans2d],
      )
      return { vMeans, vQuats, vScales, vOpacities, vColors, vMeans2d }
    })
  }

  /** Records of the visible splats in depth order; fills `radii` and `pairs`. */
  #project(
    empty: Empty,
    parameters: Tensor,
    inputs: RasterInputs,
    gaussians: number,
    radii: Tensor<'i32'>,
    pairs: Tensor<'u32'>,
  ): { records: Tensor<'f32'>; pairs: number } {
    const { device, kernels } = this
    const chunks = Math.ceil(gaussians / gaussiansPerChunk)
    using unsorted = device.empty([gaussians, recordWords], 'f32', 'projected Gaussians')
    using totals = device.empty([chunks + 1, 2], 'u32', 'totals')
    if (gaussians === 0) device.fill(pairs, 0)
    device.launch(
      kernels.project,
      chunks,
      ...[parameters, inputs.means, inputs.quats, inputs.scales, inputs.opacities, inputs.colors],
      ...[inputs.count ?? null, gaussians, unsorted, radii, pairs, totals],
    )
    device.launch(kernels.scanTotals, 1, totals, chunks)
    const [pairCount = 0, visible = 0] = device.view(totals).subarray(2 * chunks)

    using keys = device.empty([visible, 2], 'u32', 'sort keys')
    using otherKeys = device.empty([visible, 2], 'u32', 'sort keys')
    const records = empty([visible, recordWords], 'f32', 'splats in depth order')
    device.launch(kernels.numberPairs, chunks, unsorted, pairs, totals, keys, gaussians)
    const block = blockOf(visible, 8192)
    const blocks = Math.ceil(visible / block)
    using histograms = device.empty([blocks, digits], 'u32', 'histograms')
    let [from, to] = [keys, otherKeys]
    for (let pass = 0; pass < passes && visible > 1; pass++) {
      const shift = pass * digitBits
      device.launch(kernels.histogram, blocks, from, histograms, visible, block, shift)
      device.launch(kernels.scanDigits, 1, histograms, blocks)
      device.launch(kernels.scatter, blocks, from, to, histograms, visible, block, shift)
      ;[from, to] = [to, from]
    }
    device.launch(kernels.gather, blocks, from, unsorted, records, visible, block)
    return { records, pairs: pairCount }
  }

  /** The splats of each tile, nearest first. */
  #list(
    empty: Empty,
    records: Tensor<'f32'>,
    pairs: number,
    { width, height }: View,
  ): { entries: Tensor<'u32'>; tileStarts: Tensor<'u32'> } {
    const { device, kernels } = this
    const visible = records.shape[0] ?? 0
    const tilesX = Math.ceil(width / 16)
    const tiles = tilesX * Math.ceil(height / 16)
    const entries = empty([pairs, 2], 'u32', '(Gaussian, tile) pairs')
    const tileStarts = empty([tiles + 1], 'u32', 'tile starts')
    const block = blockOf(visible, 4096)
    const blocks = Math.ceil(visible / block)
    using cursors = device.empty([blocks, tiles], 'u32', 'tile cursors')
    const sizes = [visible, block, width, height, tilesX, tiles]
    device.launch(kernels.countPairs, blocks, records, cursors, ...sizes)
    device.launch(kernels.scanTiles, 1, cursors, tileStarts, tiles, blocks)
    device.launch(kernels.listPairs, blocks, records, cursors, entries, ...sizes)
    return { entries, tileStarts }
  }

  #saved(result: RasterResult, { width, height }: View, gaussians: number) {
    const operator = 'rasterizer.backward'
    const tiles = Math.ceil(width / 16) * Math.ceil(height / 16)
    const get = (index: number, dtype: DType, shape: readonly (number | '*')[]): Tensor => {
      const tensor = result.saved[index]
      if (!tensor) throw new ArgumentError(operator, 'result.saved', result.saved.length, 'the 7 tensors of forward')
      check(operator, this.device, `result.saved[${index}]`, tensor, dtype, shape)
      return tensor
    }
    return {
      pairs: get(0, 'u32', [gaussians + 1]),
      records: get(1, 'f32', ['*', recordWords]),
      entries: get(2, 'u32', ['*', 2]),
      tileStarts: get(3, 'u32', [tiles + 1]),
      tileEnds: get(4, 'u32', [tiles]),
      transmittances: get(5, 'f32', [height, width]),
      stops: get(6, 'u32', [height, width]),
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

type Empty = <D extends DType>(shape: Shape, dtype: D, name: string) => Tensor<D>

/** Items a block: at least `least`, and at most 64 blocks, whose tables are scanned on one thread. */
function blockOf(items: number, least: number): number {
  return Math.max(least, Math.ceil(items / 64))
}
