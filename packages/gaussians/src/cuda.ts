import type { View } from '@clipgstream/camera'
import { ArgumentError, check, type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { type CudaArgument, CudaDevice, type CudaKernel, type LaunchShape } from '@clipgstream/tensor/cuda'
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

// As in the kernels.
const threads = 256
const anchorsPerBlock = 512
const anchorsPerWord = 32

const signatures = {
  visible: { markVisible: 'pppppupuff', listVisible: 'ppupp' },
  features: {
    fieldPoints: 'puppp' + 'ffffff' + 'pf',
    concatenate1: 'pupppp' + 'uu',
    concatenate4: 'pupppp' + 'uu',
    concatenateBackward1: 'pupppp' + 'uu',
    concatenateBackward4: 'pupppp' + 'uu',
    add1: 'pupppp' + 'u',
    add4: 'pupppp' + 'u',
    addBackward1: 'pupppp' + 'u',
    addBackward4: 'pupppp' + 'u',
  },
  assemble: {
    assemble: `pu${'p'.repeat(9)}uu`,
    assembleBackward: `pu${'p'.repeat(10)}uu`,
    accumulateGrowth: `pu${'p'.repeat(10)}uu`,
    addGradients: 'pupppppppppp',
  },
} as const
type Signatures = typeof signatures
type KernelName = { [Module in keyof Signatures]: keyof Signatures[Module] }[keyof Signatures]

export async function createCudaAnchorOperators(device: Device, config: AnchorConfig): Promise<AnchorOperators> {
  if (!(device instanceof CudaDevice))
    throw new DeviceUnavailableError(device.label, 'two copies of @clipgstream/tensor are loaded', 'Install only one')
  const kernels: Record<string, CudaKernel> = {}
  for (const [name, letters] of Object.entries(signatures)) {
    const module = await device.load(new URL(`../dist/kernels/${name}.fatbin`, import.meta.url))
    for (const [kernel, signature] of Object.entries(letters)) kernels[kernel] = module.kernel(kernel, signature)
  }
  return new CudaAnchorOperators(device, config, kernels as Record<KernelName, CudaKernel>)
}

/**
 * Nothing waits for the GPU, so what `visible` holds is not looked at: a count above the capacity counts as the capacity,
 * and an index that does not fit the anchors is not noticed.
 */
class CudaAnchorOperators implements AnchorOperators {
  constructor(
    readonly device: CudaDevice,
    readonly config: AnchorConfig,
    private readonly kernels: Readonly<Record<KernelName, CudaKernel>>,
  ) {}

  visible(anchors: AnchorInputs, views: View | Tensor<'f32'>): VisibleAnchors {
    const { device, config } = this
    const n = checkAnchors('visible', device, anchors)
    const { positions, logScaling, rotations = null } = anchors
    if (rotations) check('visible', device, 'rotations', rotations, 'f32', [n, 4])
    const indices = device.empty([n], 'u32', 'visible.indices')
    const count = device.empty([1], 'u32', 'visible.count')
    const blocks = Math.ceil(n / anchorsPerBlock)
    using flags = device.empty([(blocks * anchorsPerBlock) / anchorsPerWord], 'u32')
    using counts = device.empty([blocks], 'u32')
    const shape = (grid: number) => ({ grid, block: anchorsPerBlock })
    withViews(device, views, (rows) => {
      const cameras = [rows, rows.shape[0] ?? 0, config.near, config.dilation]
      this.#launch('markVisible', shape(blocks), [positions, logScaling, rotations, flags, counts, n, ...cameras])
    })
    // Without anchors one block writes the count.
    this.#launch('listVisible', shape(Math.max(1, blocks)), [flags, counts, blocks, indices, count])
    return { indices, count }
  }

  fieldPoints(
    anchors: AnchorInputs,
    visible: VisibleAnchors,
    bounds: Bounds,
    time: number | Tensor<'f32'>,
  ): Tensor<'f32'> {
    const { device } = this
    checkAnchors('fieldPoints', device, anchors)
    const rows = checkList('fieldPoints', device, visible)
    checkTime('fieldPoints', device, bounds, time)
    const points = device.empty([rows, 4], 'f32', 'fieldPoints')
    const args = [visible.count, rows, visible.indices, anchors.positions, points, ...bounds.min, ...bounds.max]
    const times = typeof time === 'number' ? [null, time] : [time, 0]
    this.#launch('fieldPoints', { grid: Math.ceil(rows / threads), block: threads }, [...args, ...times])
    return points
  }

  combine(
    staticFeatures: Tensor<'f32'>,
    dynamicFeatures: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
  ): Tensor<'f32'> {
    const { device } = this
    const [, cs = 0] = check('combine', device, 'staticFeatures', staticFeatures, 'f32', ['*', '*'])
    const rows = checkList('combine', device, visible)
    const added = isAdded('combine', how)
    const expected = [rows, added ? cs : '*'] as const
    const [, cd = 0] = check('combine', device, 'dynamicFeatures', dynamicFeatures, 'f32', expected)
    const combined = device.empty([rows, added ? cs : cs + cd], 'f32', 'features')
    const args = [visible.count, rows, visible.indices, staticFeatures, dynamicFeatures, combined]
    this.#launchRows(added ? 'add' : 'concatenate', rows, args, added ? [cs] : [cs, cd])
    return combined
  }

  combineBackward(
    vFeatures: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
    widths: { static: number; dynamic: number },
    vStaticFeatures: Tensor<'f32'> | null,
  ): Tensor<'f32'> {
    const { device } = this
    const { static: cs, dynamic: cd } = widths
    const operator = 'combineBackward'
    const added = isAdded(operator, how)
    if (added && cs !== cd) throw new ArgumentError(operator, 'widths.dynamic', cd, `the static ${cs} where added`)
    if (vStaticFeatures) check(operator, device, 'vStaticFeatures', vStaticFeatures, 'f32', ['*', cs])
    const rows = checkList(operator, device, visible)
    check(operator, device, 'vFeatures', vFeatures, 'f32', [rows, added ? cs : cs + cd])
    const vDynamicFeatures = device.empty([rows, cd], 'f32', 'vDynamicFeatures')
    const args = [visible.count, rows, visible.indices, vFeatures, vStaticFeatures, vDynamicFeatures]
    this.#launchRows(added ? 'addBackward' : 'concatenateBackward', rows, args, added ? [cs] : [cs, cd])
    return vDynamicFeatures
  }

  assemble(anchors: AnchorInputs, visible: VisibleAnchors, decoded: DecodedAnchors): Gaussians {
    const { device } = this
    checkAnchors('assemble', device, anchors)
    const rows = checkList('assemble', device, visible)
    const k = checkDecoded('assemble', device, decoded, rows)
    const means = device.empty([rows * k, 3], 'f32', 'means')
    const quats = device.empty([rows * k, 4], 'f32', 'quats')
    const scales = device.empty([rows * k, 3], 'f32', 'scales')
    const count = device.empty([1], 'u32', 'gaussians.count')
    const { positions, logScaling } = anchors
    const inputs = [visible.count, rows, visible.indices, positions, logScaling, decoded.cov, decoded.offset]
    this.#launchShares('assemble', rows, k, [...inputs, means, quats, scales, count])
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
    const { device } = this
    const operator = 'assembleBackward'
    const n = checkAnchors(operator, device, anchors)
    const rows = checkList(operator, device, visible)
    const k = checkDecoded(operator, device, decoded, rows)
    checkGradients(operator, device, vGaussians, rows * k)
    if (vLogScaling) check(operator, device, 'vLogScaling', vLogScaling, 'f32', [n, 6])
    const cov = device.empty([rows, 7 * k], 'f32', 'vCov')
    const offset = device.empty([rows, 3 * k], 'f32', 'vOffset')
    this.#launchShares('assembleBackward', rows, k, [
      ...[visible.count, rows, visible.indices, anchors.logScaling, decoded.cov, decoded.offset],
      ...[vGaussians.means, vGaussians.quats, vGaussians.scales, cov, offset, vLogScaling],
    ])
    const opacity = vGaussians.opacities.reshape([rows, k])
    return { opacity, cov, color: vGaussians.colors.reshape([rows, 3 * k]), offset }
  }

  addGradients(vGaussians: GaussianGradients, more: GaussianGradients, count: Tensor<'u32'>): void {
    const { device } = this
    const gaussians = checkSum('addGradients', device, vGaussians, more, count)
    const tensors = [vGaussians, more].flatMap(({ means, quats, scales, opacities, colors }) => {
      return [means, quats, scales, opacities, colors]
    })
    const shape = { grid: device.gridFor(gaussians, threads), block: threads }
    this.#launch('addGradients', shape, [count, gaussians, ...tensors])
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
    const { k } = checkStatistics(operator, device, statistics)
    const rows = checkList(operator, device, visible)
    checkStep(operator, device, gaussians, radii, vMeans2d, rows * k)
    const { visits, opacitySums, counts, maxGradients, maxMeans } = statistics
    this.#launchShares('accumulateGrowth', rows, k, [
      ...[visible.count, rows, visible.indices, gaussians.means, gaussians.opacities, radii, vMeans2d],
      ...[visits, opacitySums, counts, maxGradients, maxMeans],
    ])
  }

  #launch(name: KernelName, shape: LaunchShape, args: readonly CudaArgument[]): void {
    this.device.launch(this.kernels[name], shape, ...args)
  }

  /** A warp a row of features, by elements of 16 bytes where all widths allow. */
  #launchRows(
    name: 'add' | 'addBackward' | 'concatenate' | 'concatenateBackward',
    rows: number,
    args: readonly CudaArgument[],
    widths: readonly number[],
  ): void {
    const floats = widths.every((width) => width % 4 === 0) ? 4 : 1
    const shape = { grid: Math.ceil(rows / (threads / 32)), block: threads }
    this.#launch(`${name}${floats}`, shape, [...args, ...widths.map((width) => width / floats)])
  }

  /** A thread a Gaussian; the anchors of a block are a multiple of four where they can be, which aligns its rows. */
  #launchShares(
    name: 'assemble' | 'assembleBackward' | 'accumulateGrowth',
    rows: number,
    k: number,
    args: readonly CudaArgument[],
  ): void {
    const fitting = Math.max(1, Math.floor(threads / Math.max(1, k)))
    const share = fitting >= 4 ? fitting - (fitting % 4) : fitting
    // At least one block, which writes the count of Gaussians.
    this.#launch(name, { grid: Math.max(1, Math.ceil(rows / share)), block: threads }, [...args, k, share])
  }
}
