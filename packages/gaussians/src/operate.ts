import type { View } from '@clipgstream/camera'
import { ArgumentError, check, type Device, type Tensor } from '@clipgstream/tensor'
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

/** The list of visible anchors and its capacity. */
export interface AnchorList extends VisibleAnchors {
  rows: number
}

/** Elements of a row of features. */
export interface FeatureWidths {
  static: number
  dynamic: number
}

export interface Features {
  fixed: Tensor<'f32'> // [N, static]
  dynamic: Tensor<'f32'> // [V, dynamic]
  combined: Tensor<'f32'> // [V, both, or static where added]
}

export interface FeatureGradients {
  vCombined: Tensor<'f32'>
  vFixed: Tensor<'f32'> | null
  vDynamic: Tensor<'f32'>
}

export interface GrowthStep extends Pick<Gaussians, 'means' | 'opacities'> {
  radii: Tensor<'i32'>
  vMeans2d: Tensor<'f32'>
}

/**
 * What devices do differently: they launch. Arguments have been checked and results have memory; names and shapes are those
 * of {@link AnchorOperators}, k is the number of Gaussians an anchor has.
 */
export interface AnchorKernels {
  /**
   * Throws for a list that does not fit `anchors` anchors, on devices that know by then what it holds; Infinity where no
   * row of an anchor is touched.
   */
  checkList?(operator: string, list: AnchorList, anchors: number): void
  visible(anchors: AnchorInputs, n: number, views: Tensor<'f32'>, list: VisibleAnchors): void
  fieldPoints(
    positions: Tensor<'f32'>,
    list: AnchorList,
    bounds: Bounds,
    time: number | Tensor<'f32'>,
    points: Tensor<'f32'>,
  ): void
  combine(how: FeatureCombination, list: AnchorList, widths: FeatureWidths, features: Features): void
  combineBackward(how: FeatureCombination, list: AnchorList, widths: FeatureWidths, gradients: FeatureGradients): void
  assemble(
    anchors: AnchorInputs,
    list: AnchorList,
    decoded: DecodedAnchors,
    k: number,
    gaussians: Pick<Gaussians, 'means' | 'quats' | 'scales' | 'count'>,
  ): void
  assembleBackward(
    anchors: AnchorInputs,
    list: AnchorList,
    decoded: DecodedAnchors,
    k: number,
    vGaussians: GaussianGradients,
    vDecoded: Pick<DecodedAnchors, 'cov' | 'offset'>,
    vLogScaling: Tensor<'f32'> | null,
  ): void
  /** Of `gaussians` rows, of which count says how many are in use. */
  addGradients(vGaussians: GaussianGradients, more: GaussianGradients, count: Tensor<'u32'>, gaussians: number): void
  accumulateGrowth(statistics: GrowthStatistics, list: AnchorList, k: number, step: GrowthStep): void
}

/** The operators of a device out of its kernels: checks and allocates. */
export class KernelAnchorOperators implements AnchorOperators {
  constructor(
    readonly device: Device,
    readonly config: AnchorConfig,
    private readonly kernels: AnchorKernels,
  ) {}

  visible(anchors: AnchorInputs, views: View | Tensor<'f32'>): VisibleAnchors {
    const { device, kernels } = this
    const n = checkAnchors('visible', device, anchors)
    if (anchors.rotations) check('visible', device, 'rotations', anchors.rotations, 'f32', [n, 4])
    const indices = device.empty([n], 'u32', 'visible.indices')
    const count = device.empty([1], 'u32', 'visible.count')
    withViews(device, views, (rows) => kernels.visible(anchors, n, rows, { indices, count }))
    return { indices, count }
  }

  fieldPoints(
    anchors: AnchorInputs,
    visible: VisibleAnchors,
    bounds: Bounds,
    time: number | Tensor<'f32'>,
  ): Tensor<'f32'> {
    const operator = 'fieldPoints'
    const n = checkAnchors(operator, this.device, anchors)
    const list = this.#list(operator, visible, n)
    checkTime(operator, this.device, bounds, time)
    const points = this.device.empty([list.rows, 4], 'f32', 'fieldPoints')
    this.kernels.fieldPoints(anchors.positions, list, bounds, time, points)
    return points
  }

  combine(
    fixed: Tensor<'f32'>,
    dynamic: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
  ): Tensor<'f32'> {
    const { device } = this
    const [n = 0, cs = 0] = check('combine', device, 'staticFeatures', fixed, 'f32', ['*', '*'])
    const list = this.#list('combine', visible, n)
    const added = isAdded('combine', how)
    const expected = [list.rows, added ? cs : '*'] as const
    const [, cd = 0] = check('combine', device, 'dynamicFeatures', dynamic, 'f32', expected)
    const combined = device.empty([list.rows, added ? cs : cs + cd], 'f32', 'features')
    this.kernels.combine(how, list, { static: cs, dynamic: cd }, { fixed, dynamic, combined })
    return combined
  }

  combineBackward(
    vCombined: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
    widths: FeatureWidths,
    vFixed: Tensor<'f32'> | null,
  ): Tensor<'f32'> {
    const { device } = this
    const { static: cs, dynamic: cd } = widths
    const operator = 'combineBackward'
    const added = isAdded(operator, how)
    if (added && cs !== cd) throw new ArgumentError(operator, 'widths.dynamic', cd, `the static ${cs} where added`)
    let n = Number.POSITIVE_INFINITY
    if (vFixed) [n = 0] = check(operator, device, 'vStaticFeatures', vFixed, 'f32', ['*', cs])
    const list = this.#list(operator, visible, n)
    check(operator, device, 'vFeatures', vCombined, 'f32', [list.rows, added ? cs : cs + cd])
    const vDynamic = device.empty([list.rows, cd], 'f32', 'vDynamicFeatures')
    this.kernels.combineBackward(how, list, widths, { vCombined, vFixed, vDynamic })
    return vDynamic
  }

  assemble(anchors: AnchorInputs, visible: VisibleAnchors, decoded: DecodedAnchors): Gaussians {
    const { device } = this
    const n = checkAnchors('assemble', device, anchors)
    const list = this.#list('assemble', visible, n)
    const k = checkDecoded('assemble', device, decoded, list.rows)
    const means = device.empty([list.rows * k, 3], 'f32', 'means')
    const quats = device.empty([list.rows * k, 4], 'f32', 'quats')
    const scales = device.empty([list.rows * k, 3], 'f32', 'scales')
    const count = device.empty([1], 'u32', 'gaussians.count')
    this.kernels.assemble(anchors, list, decoded, k, { means, quats, scales, count })
    const opacities = decoded.opacity.reshape([list.rows * k])
    return { means, quats, scales, opacities, colors: decoded.color.reshape([list.rows * k, 3]), count }
  }

  assembleBackward(
    anchors: AnchorInputs,
    visible: VisibleAnchors,
    decoded: DecodedAnchors,
    vGaussians: GaussianGradients,
    vLogScaling: Tensor<'f32'> | null,
  ): DecodedAnchors {
    const { device } = this
    const operator = 'assembleBackward'
    const n = checkAnchors(operator, device, anchors)
    const list = this.#list(operator, visible, n)
    const k = checkDecoded(operator, device, decoded, list.rows)
    checkGradients(operator, device, vGaussians, list.rows * k)
    if (vLogScaling) check(operator, device, 'vLogScaling', vLogScaling, 'f32', [n, 6])
    const cov = device.empty([list.rows, 7 * k], 'f32', 'vCov')
    const offset = device.empty([list.rows, 3 * k], 'f32', 'vOffset')
    this.kernels.assembleBackward(anchors, list, decoded, k, vGaussians, { cov, offset }, vLogScaling)
    const opacity = vGaussians.opacities.reshape([list.rows, k])
    return { opacity, cov, color: vGaussians.colors.reshape([list.rows, 3 * k]), offset }
  }

  addGradients(vGaussians: GaussianGradients, more: GaussianGradients, count: Tensor<'u32'>): void {
    const gaussians = checkSum('addGradients', this.device, vGaussians, more, count)
    this.kernels.addGradients(vGaussians, more, count, gaussians)
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
    const operator = 'accumulateGrowth'
    const { n, k } = checkStatistics(operator, this.device, statistics)
    const list = this.#list(operator, visible, n)
    checkStep(operator, this.device, gaussians, radii, vMeans2d, list.rows * k)
    this.kernels.accumulateGrowth(statistics, list, k, { ...gaussians, radii, vMeans2d })
  }

  /** Checks the list of visible anchors out of n. */
  #list(operator: string, { indices, count }: VisibleAnchors, n: number): AnchorList {
    const list = { indices, count, rows: checkList(operator, this.device, { indices, count }) }
    this.kernels.checkList?.(operator, list, n)
    return list
  }
}
