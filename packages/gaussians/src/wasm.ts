import { ArgumentError, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { type Kernel, WasmDevice } from '@clipgstream/tensor/wasm'
import type {
  AnchorConfig,
  AnchorInputs,
  AnchorOperators,
  Bounds,
  DecodedAnchors,
  FeatureCombination,
  GaussianGradients,
  Gaussians,
  GrowthStatistics,
  VisibleAnchors,
} from './contract.js'
import {
  type AnchorKernels,
  type AnchorList,
  type FeatureGradients,
  type Features,
  type FeatureWidths,
  type GrowthStep,
  KernelAnchorOperators,
} from './operate.js'

const anchorsPerChunk = 1024
const rowsPerChunk = 128
const gaussiansPerChunk = 4096

export async function createWasmAnchorOperators(device: Device, config: AnchorConfig): Promise<AnchorOperators> {
  if (!(device instanceof WasmDevice))
    throw new DeviceUnavailableError(device.label, 'two copies of @clipgstream/tensor are loaded', 'Install only one')
  // Whole addresses, which bundlers find.
  const visible = await device.load(new URL('../dist/kernels/visible.wasm', import.meta.url))
  const features = await device.load(new URL('../dist/kernels/features.wasm', import.meta.url))
  const assemble = await device.load(new URL('../dist/kernels/assemble.wasm', import.meta.url))
  const kernels = new WasmAnchorKernels(device, config, {
    mark: visible.kernel('mark'),
    scan: visible.kernel('scan'),
    gather: visible.kernel('gather'),
    fieldPoints: features.kernel('fieldPoints'),
    concatenate: features.kernel('concatenate'),
    concatenateBackward: features.kernel('concatenateBackward'),
    add: features.kernel('add'),
    addBackward: features.kernel('addBackward'),
    addRows: features.kernel('addRows'),
    assemble: assemble.kernel('assemble'),
    countGaussians: assemble.kernel('countGaussians'),
    assembleBackward: assemble.kernel('assembleBackward'),
    accumulateGrowth: assemble.kernel('accumulateGrowth'),
  })
  return new KernelAnchorOperators(device, config, kernels)
}

type KernelName =
  | 'mark'
  | 'scan'
  | 'gather'
  | 'fieldPoints'
  | 'concatenate'
  | 'concatenateBackward'
  | 'add'
  | 'addBackward'
  | 'addRows'
  | 'assemble'
  | 'countGaussians'
  | 'assembleBackward'
  | 'accumulateGrowth'

/** Launches have finished when they return, so what a list holds is known when the next call is made. */
class WasmAnchorKernels implements AnchorKernels {
  constructor(
    private readonly device: WasmDevice,
    private readonly config: AnchorConfig,
    private readonly kernels: Readonly<Record<KernelName, Kernel>>,
  ) {}

  checkList(operator: string, { indices, count, rows }: AnchorList, anchors: number): void {
    const used = this.#first(count)
    if (used > rows) throw new ArgumentError(operator, 'visible.count', used, `at most the ${rows} rows of indices`)
    const last = used > 0 ? (this.device.view(indices)[used - 1] ?? 0) : -1
    if (last >= anchors)
      throw new ArgumentError(operator, 'visible.indices', last, `below the number of anchors, ${anchors}`)
  }

  visible(anchors: AnchorInputs, n: number, views: Tensor<'f32'>, { indices, count }: VisibleAnchors): void {
    const { device, kernels, config } = this
    const chunks = Math.ceil(n / anchorsPerChunk)
    using segments = device.empty([n], 'u32')
    using counts = device.empty([chunks], 'u32')
    using offsets = device.empty([chunks], 'u32')
    device.launch(
      kernels.mark,
      chunks,
      ...[anchors.positions, anchors.logScaling, anchors.rotations ?? null],
      ...[segments, counts, n, anchorsPerChunk, views, views.shape[0] ?? 0, config.near, config.dilation],
    )
    device.launch(kernels.scan, 1, counts, offsets, count, chunks)
    device.launch(kernels.gather, chunks, segments, counts, offsets, indices, anchorsPerChunk)
  }

  fieldPoints(
    positions: Tensor<'f32'>,
    list: AnchorList,
    bounds: Bounds,
    time: number | Tensor<'f32'>,
    points: Tensor<'f32'>,
  ): void {
    const at = typeof time === 'number' ? time : (this.device.view(time)[0] ?? 0)
    const box = [...bounds.min, ...bounds.max]
    this.device.launch(
      this.kernels.fieldPoints,
      this.#chunks(list),
      ...[list.count, list.indices, positions, points, rowsPerChunk, ...box, at],
    )
  }

  combine(
    how: FeatureCombination,
    list: AnchorList,
    { static: cs, dynamic: cd }: FeatureWidths,
    { fixed, dynamic, combined }: Features,
  ): void {
    const { device, kernels } = this
    const tensors = [list.count, list.indices, fixed, dynamic, combined]
    if (how === 'add') device.launch(kernels.add, this.#chunks(list), ...tensors, cs, rowsPerChunk)
    else device.launch(kernels.concatenate, this.#chunks(list), ...tensors, cs, cd, rowsPerChunk)
  }

  combineBackward(
    how: FeatureCombination,
    list: AnchorList,
    { static: cs, dynamic: cd }: FeatureWidths,
    { vCombined, vFixed, vDynamic }: FeatureGradients,
  ): void {
    const { device, kernels } = this
    const tensors = [list.count, list.indices, vCombined, vFixed, vDynamic]
    if (how === 'add') device.launch(kernels.addBackward, this.#chunks(list), ...tensors, cs, rowsPerChunk)
    else device.launch(kernels.concatenateBackward, this.#chunks(list), ...tensors, cs, cd, rowsPerChunk)
  }

  assemble(
    { positions, logScaling }: AnchorInputs,
    list: AnchorList,
    { cov, offset }: DecodedAnchors,
    k: number,
    { means, quats, scales, count }: Pick<Gaussians, 'means' | 'quats' | 'scales' | 'count'>,
  ): void {
    const { device, kernels } = this
    const inputs = [list.count, list.indices, positions, logScaling, cov, offset]
    device.launch(kernels.assemble, this.#chunks(list), ...inputs, means, quats, scales, k, rowsPerChunk)
    device.launch(kernels.countGaussians, 1, list.count, count, k)
  }

  assembleBackward(
    { logScaling }: AnchorInputs,
    list: AnchorList,
    { cov, offset }: DecodedAnchors,
    k: number,
    { means, quats, scales }: GaussianGradients,
    vDecoded: Pick<DecodedAnchors, 'cov' | 'offset'>,
    vLogScaling: Tensor<'f32'> | null,
  ): void {
    const inputs = [list.count, list.indices, logScaling, cov, offset, means, quats, scales]
    const outputs = [vDecoded.cov, vDecoded.offset, vLogScaling]
    this.device.launch(this.kernels.assembleBackward, this.#chunks(list), ...[...inputs, ...outputs, k, rowsPerChunk])
  }

  addGradients(vGaussians: GaussianGradients, more: GaussianGradients, count: Tensor<'u32'>, gaussians: number): void {
    const { device, kernels } = this
    const used = this.#first(count)
    if (used > gaussians) throw new ArgumentError('addGradients', 'count', used, `at most the ${gaussians} rows`)
    const chunks = Math.ceil(used / gaussiansPerChunk)
    for (const name of ['means', 'quats', 'scales', 'opacities', 'colors'] as const) {
      const width = vGaussians[name].shape[1] ?? 1
      device.launch(kernels.addRows, chunks, count, vGaussians[name], more[name], width, gaussiansPerChunk)
    }
  }

  accumulateGrowth(
    { visits, opacitySums, counts, maxGradients, maxMeans }: GrowthStatistics,
    list: AnchorList,
    k: number,
    { means, opacities, radii, vMeans2d }: GrowthStep,
  ): void {
    this.device.launch(
      this.kernels.accumulateGrowth,
      this.#chunks(list),
      ...[list.count, list.indices, means, opacities, radii, vMeans2d],
      ...[visits, opacitySums, counts, maxGradients, maxMeans, k, rowsPerChunk],
    )
  }

  #first(count: Tensor<'u32'>): number {
    return this.device.view(count)[0] ?? 0
  }

  /** Chunks of the rows in use. */
  #chunks({ count }: AnchorList): number {
    return Math.ceil(this.#first(count) / rowsPerChunk)
  }
}
