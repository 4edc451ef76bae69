import type { View } from '@clipgstream/camera'
import { ArgumentError, check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { type Kernel, WasmDevice } from '@clipgstream/tensor/wasm'
import {
  checkAnchors,
  checkDecoded,
  checkGradients,
  checkList,
  checkStatistics,
  checkStep,
  checkSum,
  checkTime,
  isAdded,
} from './check.js'
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
import { withViews } from './views.js'

const anchorsPerChunk = 1024
const rowsPerChunk = 128
const gaussiansPerChunk = 4096

export async function createWasmAnchorOperators(device: Device, config: AnchorConfig): Promise<AnchorOperators> {
  if (!(device instanceof WasmDevice))
    throw new DeviceUnavailableError(device.label, 'two copies of @clipgstream/tensor are loaded', 'Install only one')
  const load = (name: string) => device.load(new URL(`../dist/kernels/${name}.wasm`, import.meta.url))
  const visible = await load('visible')
  const features = await load('features')
  const assemble = await load('assemble')
  return new WasmAnchorOperators(device, config, {
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

class WasmAnchorOperators implements AnchorOperators {
  constructor(
    readonly device: WasmDevice,
    readonly config: AnchorConfig,
    private readonly kernels: Readonly<Record<KernelName, Kernel>>,
  ) {}

  visible(anchors: AnchorInputs, views: View | Tensor<'f32'>): VisibleAnchors {
    const { device, kernels, config } = this
    const n = checkAnchors('visible', this.device, anchors)
    if (anchors.rotations) check('visible', device, 'rotations', anchors.rotations, 'f32', [n, 4])
    const indices = device.empty([n], 'u32', 'visible.indices')
    const count = device.empty([1], 'u32', 'visible.count')
    const chunks = Math.ceil(n / anchorsPerChunk)
    using segments = device.empty([n], 'u32')
    using counts = device.empty([chunks], 'u32')
    using offsets = device.empty([chunks], 'u32')
    withViews(device, views, (rows) => {
      device.launch(
        kernels.mark,
        chunks,
        anchors.positions,
        anchors.logScaling,
        anchors.rotations ?? null,
        segments,
        counts,
        n,
        anchorsPerChunk,
        ...[rows, rows.shape[0] ?? 0, config.near, config.dilation],
      )
    })
    device.launch(kernels.scan, 1, counts, offsets, count, chunks)
    device.launch(kernels.gather, chunks, segments, counts, offsets, indices, anchorsPerChunk)
    return { indices, count }
  }

  fieldPoints(
    anchors: AnchorInputs,
    visible: VisibleAnchors,
    bounds: Bounds,
    time: number | Tensor<'f32'>,
  ): Tensor<'f32'> {
    const n = checkAnchors('fieldPoints', this.device, anchors)
    const { rows, chunks } = this.#rows('fieldPoints', visible, n)
    checkTime('fieldPoints', this.device, bounds, time)
    const points = this.device.empty([rows, 4], 'f32', 'fieldPoints')
    this.device.launch(
      this.kernels.fieldPoints,
      chunks,
      visible.count,
      visible.indices,
      anchors.positions,
      points,
      rowsPerChunk,
      ...bounds.min,
      ...bounds.max,
      typeof time === 'number' ? time : this.device.view(time)[0]!,
    )
    return points
  }

  combine(
    staticFeatures: Tensor<'f32'>,
    dynamicFeatures: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
  ): Tensor<'f32'> {
    const { device, kernels } = this
    const [n = 0, cs = 0] = check('combine', device, 'staticFeatures', staticFeatures, 'f32', ['*', '*'])
    const { rows, chunks } = this.#rows('combine', visible, n)
    const [, cd = 0] = check('combine', device, 'dynamicFeatures', dynamicFeatures, 'f32', [
      rows,
      isAdded('combine', how) ? cs : '*',
    ])
    const { count, indices } = visible
    if (how === 'add') {
      const combined = device.empty([rows, cs], 'f32', 'features')
      device.launch(kernels.add, chunks, count, indices, staticFeatures, dynamicFeatures, combined, cs, rowsPerChunk)
      return combined
    }
    const combined = device.empty([rows, cs + cd], 'f32', 'features')
    const inputs = [count, indices, staticFeatures, dynamicFeatures]
    device.launch(kernels.concatenate, chunks, ...inputs, combined, cs, cd, rowsPerChunk)
    return combined
  }

  combineBackward(
    vFeatures: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
    widths: { static: number; dynamic: number },
    vStaticFeatures: Tensor<'f32'> | null,
  ): Tensor<'f32'> {
    const { device, kernels } = this
    const { static: cs, dynamic: cd } = widths
    const operator = 'combineBackward'
    const added = isAdded(operator, how)
    if (added && cs !== cd) throw new ArgumentError(operator, 'widths.dynamic', cd, `the static ${cs} where added`)
    let n = Number.POSITIVE_INFINITY
    if (vStaticFeatures) [n = 0] = check(operator, device, 'vStaticFeatures', vStaticFeatures, 'f32', ['*', cs])
    const { rows, chunks } = this.#rows(operator, visible, n)
    check(operator, device, 'vFeatures', vFeatures, 'f32', [rows, added ? cs : cs + cd])
    const vDynamicFeatures = device.empty([rows, cd], 'f32', 'vDynamicFeatures')
    const tensors = [visible.count, visible.indices, vFeatures, vStaticFeatures, vDynamicFeatures]
    if (added) device.launch(kernels.addBackward, chunks, ...tensors, cs, rowsPerChunk)
    else device.launch(kernels.concatenateBackward, chunks, ...tensors, cs, cd, rowsPerChunk)
    return vDynamicFeatures
  }

  assemble(anchors: AnchorInputs, visible: VisibleAnchors, decoded: DecodedAnchors): Gaussians {
    const { device, kernels } = this
    const n = checkAnchors('assemble', this.device, anchors)
    const { rows, chunks } = this.#rows('assemble', visible, n)
    const k = checkDecoded('assemble', this.device, decoded, rows)
    const means = device.empty([rows * k, 3], 'f32', 'means')
    const quats = device.empty([rows * k, 4], 'f32', 'quats')
    const scales = device.empty([rows * k, 3], 'f32', 'scales')
    const count = device.empty([1], 'u32', 'gaussians.count')
    device.launch(
      kernels.assemble,
      chunks,
      visible.count,
      visible.indices,
      anchors.positions,
      anchors.logScaling,
      decoded.cov,
      decoded.offset,
      means,
      quats,
      scales,
      k,
      rowsPerChunk,
    )
    device.launch(kernels.countGaussians, 1, visible.count, count, k)
    const opacities = decoded.opacity.reshape([rows * k])
    return { means, quats, scales, opacities, colors: decoded.color.reshape([rows * k, 3]), count }
  }

  assembleBackward(
    anchors: AnchorInputs,
    visible: VisibleAnchors,
    decoded: DecodedAnchors,
    vGaussians: GaussianGradients,
    vLogScaling: Tensor<'f32'> | null,
  ): DecodedAnchors {
    const { device, kernels } = this
    const operator = 'assembleBackward'
    const n = checkAnchors(operator, this.device, anchors)
    const { rows, chunks } = this.#rows(operator, visible, n)
    const k = checkDecoded(operator, this.device, decoded, rows)
    checkGradients(operator, device, vGaussians, rows * k)
    if (vLogScaling) check(operator, device, 'vLogScaling', vLogScaling, 'f32', [n, 6])
    const cov = device.empty([rows, 7 * k], 'f32', 'vCov')
    const offset = device.empty([rows, 3 * k], 'f32', 'vOffset')
    device.launch(
      kernels.assembleBackward,
      chunks,
      visible.count,
      visible.indices,
      anchors.logScaling,
      decoded.cov,
      decoded.offset,
      vGaussians.means,
      vGaussians.quats,
      vGaussians.scales,
      cov,
      offset,
      vLogScaling,
      k,
      rowsPerChunk,
    )
    const opacity = vGaussians.opacities.reshape([rows, k])
    return { opacity, cov, color: vGaussians.colors.reshape([rows, 3 * k]), offset }
  }

  addGradients(vGaussians: GaussianGradients, more: GaussianGradients, count: Tensor<'u32'>): void {
    const { device, kernels } = this
    const gaussians = checkSum('addGradients', device, vGaussians, more, count)
    const [used = 0] = device.view(count)
    if (used > gaussians) throw new ArgumentError('addGradients', 'count', used, `at most the ${gaussians} rows`)
    const chunks = Math.ceil(used / gaussiansPerChunk)
    for (const name of ['means', 'quats', 'scales', 'opacities', 'colors'] as const) {
      const width = vGaussians[name].shape[1] ?? 1
      device.launch(kernels.addRows, chunks, count, vGaussians[name], more[name], width, gaussiansPerChunk)
    }
  }

  createGrowthStatistics(anchors: number, perAnchor: number): GrowthStatistics {
    const { device } = this
    return {
      visits: device.zeros([anchors], 'u32', 'visits'),
      opacitySums: device.zeros([anchors], 'f32', 'opacitySums'),
      counts: device.zeros([anchors, perAnchor], 'u32', 'counts'),
      maxGradients: device.zeros([anchors, perAnchor], 'f32', 'maxGradients'),
      maxMeans: device.zeros([anchors, perAnchor, 3], 'f32', 'maxMeans'),
    }
  }

  accumulateGrowth(
    statistics: GrowthStatistics,
    visible: VisibleAnchors,
    gaussians: Pick<Gaussians, 'means' | 'opacities'>,
    radii: Tensor<'i32'>,
    vMeans2d: Tensor<'f32'>,
  ): void {
    const { device } = this
    const operator = 'accumulateGrowth'
    const { visits, opacitySums, counts, maxGradients, maxMeans } = statistics
    const { n, k } = checkStatistics(operator, device, statistics)
    const { rows, chunks } = this.#rows(operator, visible, n)
    checkStep(operator, device, gaussians, radii, vMeans2d, rows * k)
    device.launch(
      this.kernels.accumulateGrowth,
      chunks,
      visible.count,
      visible.indices,
      gaussians.means,
      gaussians.opacities,
      radii,
      vMeans2d,
      visits,
      opacitySums,
      counts,
      maxGradients,
      maxMeans,
      k,
      rowsPerChunk,
    )
  }

  /** Checks the list of visible anchors out of n; launches have finished, so the count is already known here. */
  #rows(operator: string, visible: VisibleAnchors, n: number): { rows: number; chunks: number } {
    const rows = checkList(operator, this.device, visible)
    const count = this.device.view(visible.count)[0] ?? 0
    if (count > rows) throw new ArgumentError(operator, 'visible.count', count, `at most the ${rows} rows of indices`)
    const last = count > 0 ? (this.device.view(visible.indices)[count - 1] ?? 0) : -1
    if (last >= n) throw new ArgumentError(operator, 'visible.indices', last, `below the number of anchors, ${n}`)
    return { rows, chunks: Math.ceil(count / rowsPerChunk) }
  }
}
