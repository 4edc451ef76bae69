import type { View } from '@clipgstream/camera'
import { ArgumentError, check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { type Kernel, WasmDevice } from '@clipgstream/tensor/wasm'
import type {
  AnchorConfig,
  AnchorInputs,
  AnchorOperators,
  Bounds,
  DecodedAnchors,
  FeatureCombination,
  Gaussians,
  GrowthStatistics,
  VisibleAnchors,
} from './contract.js'

const anchorsPerChunk = 1024
const rowsPerChunk = 128

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

  visible(anchors: AnchorInputs, view: View): VisibleAnchors {
    const { device, kernels, config } = this
    const n = this.#anchors('visible', anchors)
    if (anchors.rotations) check('visible', device, 'rotations', anchors.rotations, 'f32', [n, 4])
    checkView('visible', view)
    const indices = device.empty([n], 'u32', 'visible.indices')
    const count = device.empty([1], 'u32', 'visible.count')
    const chunks = Math.ceil(n / anchorsPerChunk)
    using segments = device.empty([n], 'u32')
    using counts = device.empty([chunks], 'u32')
    using offsets = device.empty([chunks], 'u32')
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
      ...view.worldToCamera,
      ...[view.fx, view.fy, view.cx, view.cy, view.width, view.height, config.near, config.dilation],
    )
    device.launch(kernels.scan, 1, counts, offsets, count, chunks)
    device.launch(kernels.gather, chunks, segments, counts, offsets, indices, anchorsPerChunk)
    return { indices, count }
  }

  fieldPoints(anchors: AnchorInputs, visible: VisibleAnchors, bounds: Bounds, time: number): Tensor<'f32'> {
    const n = this.#anchors('fieldPoints', anchors)
    const { rows, chunks } = this.#rows('fieldPoints', visible, n)
    if (!Number.isFinite(time)) throw new ArgumentError('fieldPoints', 'time', time, 'a finite number')
    for (const axis of [0, 1, 2] as const) {
      if (!(bounds.min[axis] <= bounds.max[axis]))
        throw new ArgumentError('fieldPoints', `bounds.min[${axis}]`, bounds.min[axis], `at most ${bounds.max[axis]}`)
    }
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
      time,
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
    const n = this.#anchors('assemble', anchors)
    const { rows, chunks } = this.#rows('assemble', visible, n)
    const k = this.#decoded('assemble', decoded, rows)
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
    vGaussians: Omit<Gaussians, 'count'>,
    vLogScaling: Tensor<'f32'> | null,
  ): DecodedAnchors {
    const { device, kernels } = this
    const operator = 'assembleBackward'
    const n = this.#anchors(operator, anchors)
    const { rows, chunks } = this.#rows(operator, visible, n)
    const k = this.#decoded(operator, decoded, rows)
    check(operator, device, 'vMeans', vGaussians.means, 'f32', [rows * k, 3])
    check(operator, device, 'vQuats', vGaussians.quats, 'f32', [rows * k, 4])
    check(operator, device, 'vScales', vGaussians.scales, 'f32', [rows * k, 3])
    check(operator, device, 'vOpacities', vGaussians.opacities, 'f32', [rows * k])
    check(operator, device, 'vColors', vGaussians.colors, 'f32', [rows * k, 3])
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
    const [n = 0, k = 0] = check(operator, device, 'counts', counts, 'u32', ['*', '*'])
    check(operator, device, 'visits', visits, 'u32', [n])
    check(operator, device, 'opacitySums', opacitySums, 'f32', [n])
    check(operator, device, 'maxGradients', maxGradients, 'f32', [n, k])
    check(operator, device, 'maxMeans', maxMeans, 'f32', [n, k, 3])
    const { rows, chunks } = this.#rows(operator, visible, n)
    check(operator, device, 'means', gaussians.means, 'f32', [rows * k, 3])
    check(operator, device, 'opacities', gaussians.opacities, 'f32', [rows * k])
    check(operator, device, 'radii', radii, 'i32', [rows * k])
    check(operator, device, 'vMeans2d', vMeans2d, 'f32', [rows * k, 2])
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

  /** Checks positions and scaling; returns the number of anchors. */
  #anchors(operator: string, { positions, logScaling }: AnchorInputs): number {
    const [n = 0] = check(operator, this.device, 'positions', positions, 'f32', ['*', 3])
    check(operator, this.device, 'logScaling', logScaling, 'f32', [n, 6])
    return n
  }

  /** Checks the list of visible anchors out of n; launches have finished, so the count is already known here. */
  #rows(operator: string, visible: VisibleAnchors, n: number): { rows: number; chunks: number } {
    const [rows = 0] = check(operator, this.device, 'visible.indices', visible.indices, 'u32', ['*'])
    check(operator, this.device, 'visible.count', visible.count, 'u32', [1])
    const count = this.device.view(visible.count)[0] ?? 0
    if (count > rows) throw new ArgumentError(operator, 'visible.count', count, `at most the ${rows} rows of indices`)
    const last = count > 0 ? (this.device.view(visible.indices)[count - 1] ?? 0) : -1
    if (last >= n) throw new ArgumentError(operator, 'visible.indices', last, `below the number of anchors, ${n}`)
    return { rows, chunks: Math.ceil(count / rowsPerChunk) }
  }

  /** Checks what was decoded for `rows` anchors; returns the Gaussians of each. */
  #decoded(operator: string, decoded: DecodedAnchors, rows: number): number {
    const [, k = 0] = check(operator, this.device, 'opacity', decoded.opacity, 'f32', [rows, '*'])
    check(operator, this.device, 'cov', decoded.cov, 'f32', [rows, 7 * k])
    check(operator, this.device, 'color', decoded.color, 'f32', [rows, 3 * k])
    check(operator, this.device, 'offset', decoded.offset, 'f32', [rows, 3 * k])
    return k
  }
}

function isAdded(operator: string, how: FeatureCombination): boolean {
  if (how !== 'add' && how !== 'concatenate')
    throw new ArgumentError(operator, 'how', how satisfies never, "'concatenate' or 'add'")
  return how === 'add'
}

function checkView(operator: string, view: View): void {
  for (const name of ['width', 'height'] as const) {
    if (!(Number.isInteger(view[name]) && view[name] > 0))
      throw new ArgumentError(operator, `view.${name}`, view[name], 'a positive number of whole pixels')
  }
  for (const name of ['fx', 'fy'] as const) {
    if (!(view[name] > 0 && Number.isFinite(view[name])))
      throw new ArgumentError(operator, `view.${name}`, view[name], 'a positive finite focal length')
  }
  for (const name of ['cx', 'cy'] as const) {
    if (!Number.isFinite(view[name])) throw new ArgumentError(operator, `view.${name}`, view[name], 'finite')
  }
  if (view.worldToCamera.length !== 12 || !view.worldToCamera.every(Number.isFinite))
    throw new ArgumentError(operator, 'view.worldToCamera', `[${view.worldToCamera.join(', ')}]`, '12 finite numbers')
}
