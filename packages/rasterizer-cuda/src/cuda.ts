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
import { ArgumentError, check, type DType, type Tensor } from '@clipgstream/tensor'
import { CaptureError, type CudaDevice, type CudaPrimitives, createCudaPrimitives } from '@clipgstream/tensor/cuda'
import { CudaCanvas } from './canvas.js'
import { PairCapacity, pairsOf } from './capacity.js'
import { type Kernels, loadKernels } from './kernels.js'
import {
  checkGaussians,
  checkpointWords,
  chunksOf,
  counterWords,
  gradientWords,
  parameterBytes,
  parametersOf,
  recordWords,
  tilesOf,
} from './layout.js'
import { block, drawBlock, type Empty, halves, Passes } from './passes.js'
import { CudaView } from './view.js'

const black: Background = [0, 0, 0]
const anyView = { fx: 1, fy: 1, cx: 0, cy: 0, worldToCamera: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] }

/**
 * The binding of the CUDA kernels. One rasterizer can be used for any number of images and views.
 *
 * Nothing here waits for the GPU. How many (Gaussian, tile) pairs a pass has is known on the device only; their lists
 * have a capacity that is chosen before, with a quarter to spare over what earlier passes wanted. A pass whose pairs do
 * not fit sees that on the device and draws from the depth order itself, tile by tile: its results are the same, it is
 * many times slower. The count of a pass comes back to the host later, and the next pass has larger lists. So no result
 * is ever wrong or has to be repeated, and `overflows` says how often it was slow.
 *
 * A pass can be captured in a graph with a CudaView. A graph keeps the capacity it was captured with, and counts do not
 * come back by themselves: call `observe` from time to time, and capture again when the result `isOutdated`.
 */
export class CudaRasterizer implements Rasterizer {
  readonly #capacity = new PairCapacity()
  readonly #passes: Passes
  readonly #fixedCapacity: number | undefined
  #observing = false

  private constructor(
    readonly device: CudaDevice,
    readonly config: RasterizerConfig,
    private readonly kernels: Kernels,
    primitives: CudaPrimitives,
    fixedCapacity: number | undefined,
  ) {
    this.#passes = new Passes(device, kernels, primitives)
    this.#fixedCapacity = fixedCapacity
  }

  /** `pairCapacity` fixes the capacity of the lists, for tests. */
  static async create(
    device: CudaDevice,
    config: RasterizerConfig,
    { pairCapacity }: { pairCapacity?: number } = {},
  ): Promise<CudaRasterizer> {
    const kernels = await loadKernels(device)
    return new CudaRasterizer(device, config, kernels, await createCudaPrimitives(device), pairCapacity)
  }

  /** Passes known so far whose pairs did not fit into their lists. */
  get overflows(): number {
    return this.#capacity.overflows
  }

  /** A view that stays on the device, for passes that are captured. It belongs to the scope that is open. */
  createView(view: View, background: Background = black): CudaView {
    return new CudaView(this.device, this.config, view, background)
  }

  createCanvas(inputs: RasterInputs, size: { width: number; height: number }, background = black): CudaCanvas {
    const gaussians = checkGaussians(checkForward(this.device, inputs, { ...anyView, ...size }, background))
    const view = this.createView({ ...anyView, ...size }, background)
    return new CudaCanvas(this.device, this.kernels.draw, this.#passes, inputs, gaussians, view, background)
  }

  /** The background of a CudaView is its own. */
  forward(inputs: RasterInputs, view: View, background?: Background): RasterResult {
    const { device, kernels } = this
    const gaussians = checkGaussians(checkForward(device, inputs, view, background ?? black))
    if (view instanceof CudaView && background) {
      throw new ArgumentError('rasterizer.forward', 'background', `[${background.join(', ')}]`, 'set in the CudaView')
    }
    return this.#cleanly((empty, from) => {
      const { width, height } = view
      const image = empty([height, width, 3], 'f32', 'image')
      const alpha = empty([height, width], 'f32', 'alpha')
      const depth = empty([height, width], 'f32', 'depth')
      const radii = empty([gaussians], 'i32', 'radii')
      const parameters =
        view instanceof CudaView ? view.parameters : from(parametersOf(view, this.config, background ?? black))
      const counters = empty([counterWords], 'u32', 'counters')
      const projected = this.#passes.project(empty, parameters, inputs, gaussians, radii, counters)
      const { records, order, tiles } = projected
      const capacity = this.#fixedCapacity ?? this.#capacity.next(gaussians)
      const lists = this.#passes.list(empty, parameters, projected, radii, capacity, view)
      const { values, ranges, owners } = lists
      const transmittances = empty([height, width], 'f32', 'transmittances')
      const lasts = empty([height, width], 'u32', 'last splats')
      const totals = empty([height, width, 4], 'f32', 'colours and depths')
      const checkpoints = empty([chunksOf(capacity), checkpointWords], 'f32', 'checkpoints')
      device.launch(
        kernels.forward,
        { grid: halves * (ranges.shape[0] ?? 0), block: drawBlock },
        ...[parameters, records, radii, order, ranges, values, capacity, counters],
        ...[image, alpha, depth, transmittances, lasts, totals, checkpoints],
      )
      const drawn = [transmittances, lasts, totals, checkpoints]
      const saved = [parameters, counters, records, order, tiles, ranges, values, owners, ...drawn]
      const result = { image, alpha, depth, radii, saved }
      // One at a time: counts that are late by some passes serve as well.
      if (!this.#observing) this.#observeLater(result)
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
    const [parameters, counters, records, order, tiles, ranges, values, owners, ...drawn] = saved
    return this.#cleanly((empty) => {
      const vMeans = empty([gaussians, 3], 'f32', 'vMeans')
      const vQuats = empty([gaussians, 4], 'f32', 'vQuats')
      const vScales = empty([gaussians, 3], 'f32', 'vScales')
      const vOpacities = empty([gaussians], 'f32', 'vOpacities')
      const vColors = empty([gaussians, 3], 'f32', 'vColors')
      const vMeans2d = empty([gaussians, 2], 'f32', 'vMeans2d')
      using sums = device.zeros([gaussians, gradientWords], 'f32', 'gradient sums')
      device.launch(
        kernels.backward,
        { grid: halves * ((ranges.shape[0] ?? 0) + owners.size), block: drawBlock },
        ...[parameters, records, result.radii, order, ranges, values, owners, owners.size, values.size],
        ...[counters, ...drawn, vOutputs.vImage, vOutputs.vAlpha ?? null, vOutputs.vDepth ?? null, sums],
      )
      device.launch(
        kernels.gradients,
        { grid: Math.ceil(gaussians / block), block },
        ...[parameters, inputs.means, inputs.quats, inputs.scales, inputs.opacities, gaussians, tiles, sums],
        ...[vMeans, vQuats, vScales, vOpacities, vColors, vMeans2d],
      )
      return { vMeans, vQuats, vScales, vOpacities, vColors, vMeans2d }
    })
  }

  /** Waits for a pass and learns from it how large the lists must be. Returns its pairs. */
  async observe(result: RasterResult): Promise<number> {
    const [, counters] = result.saved
    const values = result.saved[6]
    if (!counters || !values) {
      throw new ArgumentError('rasterizer.observe', 'result.saved', result.saved.length, 'what forward returned')
    }
    const pairs = pairsOf(await this.device.read(counters))
    this.#capacity.learn(pairs, values.size)
    return pairs
  }

  /** Whether a pass on as many Gaussians would have much longer or shorter lists now: a graph is worth capturing again. */
  isOutdated(result: RasterResult): boolean {
    const values = result.saved[6]
    if (!values || this.#fixedCapacity !== undefined) return false
    const next = this.#capacity.next(result.radii.size)
    return next > 1.15 * values.size || next < 0.6 * values.size
  }

  #observeLater(result: RasterResult): void {
    this.#observing = true
    const done = () => {
      this.#observing = false
    }
    // A pass that is captured cannot be observed here. Any other failure is one of the device, which its user meets too.
    this.observe(result).then(done, (error: unknown) => {
      if (error instanceof CaptureError) done()
    })
  }

  #saved(result: RasterResult, view: View, gaussians: number) {
    const { width, height } = view
    const { saved } = result
    const chunks = chunksOf(saved[6]?.size ?? 0)
    const layout: readonly (readonly [DType, readonly (number | '*')[]])[] = [
      ['u8', [parameterBytes]],
      ['u32', [counterWords]],
      ['f32', [gaussians, recordWords]],
      ['u32', [gaussians]],
      ['u32', [gaussians]],
      ['u32', [tilesOf(view).tiles, 2]],
      ['u32', ['*']],
      ['u32', [chunks]],
      ['f32', [height, width]],
      ['u32', [height, width]],
      ['f32', [height, width, 4]],
      ['f32', [chunks, checkpointWords]],
    ]
    if (saved.length !== layout.length) {
      const expected = `the ${layout.length} tensors of forward`
      throw new ArgumentError('rasterizer.backward', 'result.saved', saved.length, expected)
    }
    layout.forEach(([dtype, shape], i) => {
      check('rasterizer.backward', this.device, `result.saved[${i}]`, saved[i]!, dtype, shape)
    })
    type Lists = [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
    return saved as readonly [...Lists, ...Tensor[]]
  }

  /** Runs `body` with an `empty` and a `from` whose tensors are disposed when it throws. */
  #cleanly<T>(body: (empty: Empty, from: (bytes: Uint8Array<ArrayBuffer>) => Tensor) => T): T {
    const made: Tensor[] = []
    const keep = <D extends DType>(tensor: Tensor<D>) => {
      made.push(tensor)
      return tensor
    }
    try {
      return body(
        (shape, dtype, name) => keep(this.device.empty(shape, dtype, name)),
        (bytes) => keep(this.device.from(bytes, undefined, 'rasterizer parameters')),
      )
    } catch (error) {
      for (const tensor of made) tensor.dispose()
      throw error
    }
  }
}
