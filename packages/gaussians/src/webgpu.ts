import { type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { WebgpuDevice, type WebgpuKernel } from '@clipgstream/tensor/webgpu'
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

// As in the kernels.
const threads = 256
const anchorsPerWorkgroup = 1024
const wordsPerWorkgroup = 32

const entries = {
  visible: ['markVisible', 'listVisible'],
  points: ['fieldPoints', 'fieldPointsAt'],
  assemble: [
    ...(['assembleMeans', 'assembleShapes', 'assembleMeansBackward', 'assembleShapesBackward'] as const),
    ...(['accumulateVisits', 'accumulateGradients', 'addGradients'] as const),
  ],
} as const
type KernelName = (typeof entries)[keyof typeof entries][number]

const rowEntries = ['concatenate', 'add', 'take', 'give'] as const
type RowKernels = Readonly<Record<(typeof rowEntries)[number], WebgpuKernel>>

export async function createWebgpuAnchorOperators(device: Device, config: AnchorConfig): Promise<AnchorOperators> {
  if (!(device instanceof WebgpuDevice))
    throw new DeviceUnavailableError(device.label, 'two copies of @clipgstream/tensor are loaded', 'Install only one')
  const load = async <Name extends string>(url: URL, names: readonly Name[]) => {
    const module = await device.load(url)
    const kernels = names.map((name) => [name, module.kernel(name)] as const)
    return Object.fromEntries(kernels) as Record<Name, WebgpuKernel>
  }
  // Whole addresses, which bundlers find.
  const visible = new URL('../dist/kernels/visible.wgsl.json', import.meta.url)
  const points = new URL('../dist/kernels/points.wgsl.json', import.meta.url)
  const assemble = new URL('../dist/kernels/assemble.wgsl.json', import.meta.url)
  const features = new URL('../dist/kernels/features.wgsl.json', import.meta.url)
  const features4 = new URL('../dist/kernels/features4.wgsl.json', import.meta.url)
  const kernels = new WebgpuAnchorKernels(
    device,
    config,
    {
      ...(await load(visible, entries.visible)),
      ...(await load(points, entries.points)),
      ...(await load(assemble, entries.assemble)),
    },
    { 1: await load(features, rowEntries), 4: await load(features4, rowEntries) },
  )
  return new KernelAnchorOperators(device, config, kernels)
}

/** As on CUDA, what `visible` holds is not looked at. */
class WebgpuAnchorKernels implements AnchorKernels {
  constructor(
    private readonly device: WebgpuDevice,
    private readonly config: AnchorConfig,
    private readonly kernels: Readonly<Record<KernelName, WebgpuKernel>>,
    /** By floats an element. */
    private readonly rows: Readonly<Record<1 | 4, RowKernels>>,
  ) {}

  visible(
    { positions, logScaling, rotations }: AnchorInputs,
    n: number,
    views: Tensor<'f32'>,
    { indices, count }: VisibleAnchors,
  ): void {
    const { device, kernels, config } = this
    const workgroups = Math.ceil(n / anchorsPerWorkgroup)
    using flags = device.empty([workgroups * wordsPerWorkgroup], 'u32')
    using counts = device.empty([workgroups], 'u32')
    const { near, dilation } = config
    const settings = { anchors: n, views: views.shape[0] ?? 0, rotated: rotations !== undefined, near, dilation }
    const inputs = { positions, logScaling, rotations: rotations ?? null, views }
    device.launch(kernels.markVisible, workgroups, settings, { ...inputs, flags, counts })
    // Without anchors one workgroup writes the count.
    const lists = { marked: flags, found: counts, indices, count }
    device.launch(kernels.listVisible, Math.max(1, workgroups), { workgroups }, lists)
  }

  fieldPoints(
    positions: Tensor<'f32'>,
    { count, indices, rows }: AnchorList,
    { min, max }: Bounds,
    time: number | Tensor<'f32'>,
    points: Tensor<'f32'>,
  ): void {
    const { device, kernels } = this
    const settings = { low: min, high: max, rows }
    const tensors = { count, indices, positions, points }
    const workgroups = Math.ceil(rows / threads)
    if (typeof time === 'number') device.launch(kernels.fieldPoints, workgroups, { ...settings, time }, tensors)
    else device.launch(kernels.fieldPointsAt, workgroups, settings, { ...tensors, time })
  }

  combine(
    how: FeatureCombination,
    { count, indices, rows }: AnchorList,
    widths: FeatureWidths,
    features: Features,
  ): void {
    const { staticWidth, dynamicWidth, kernels } = this.#elements(widths)
    const width = how === 'add' ? staticWidth : staticWidth + dynamicWidth
    const kernel = how === 'add' ? kernels.add : kernels.concatenate
    // Sums need no width of the dynamic part, whose rows are as wide.
    const settings = how === 'add' ? { rows, staticWidth } : { rows, staticWidth, dynamicWidth }
    this.device.launch(kernel, Math.ceil((rows * width) / threads), settings, { count, indices, ...features })
  }

  combineBackward(
    how: FeatureCombination,
    { count, indices, rows }: AnchorList,
    widths: FeatureWidths,
    { vCombined, vFixed, vDynamic }: FeatureGradients,
  ): void {
    const { staticWidth, dynamicWidth, kernels } = this.#elements(widths)
    const [stride, offset] = how === 'add' ? [staticWidth, 0] : [staticWidth + dynamicWidth, staticWidth]
    const workgroups = (width: number) => Math.ceil((rows * width) / threads)
    const taken = { rows, stride, offset, width: dynamicWidth }
    this.device.launch(kernels.take, workgroups(dynamicWidth), taken, { count, vCombined, vDynamic })
    if (!vFixed) return
    const given = { rows, stride, width: staticWidth }
    this.device.launch(kernels.give, workgroups(staticWidth), given, { count, indices, vCombined, vFixed })
  }

  assemble(
    { positions, logScaling }: AnchorInputs,
    { count, indices, rows }: AnchorList,
    { cov, offset }: DecodedAnchors,
    k: number,
    { means, quats, scales, count: total }: Pick<Gaussians, 'means' | 'quats' | 'scales' | 'count'>,
  ): void {
    const { device, kernels } = this
    const { share, workgroups } = shares(rows, k)
    const settings = { rows, k, share }
    const list = { count, indices, logScaling }
    device.launch(kernels.assembleMeans, workgroups, settings, { ...list, positions, offset, means, total })
    device.launch(kernels.assembleShapes, workgroups, settings, { ...list, cov, scales, quats })
  }

  assembleBackward(
    { logScaling }: AnchorInputs,
    { count, indices, rows }: AnchorList,
    { cov, offset }: DecodedAnchors,
    k: number,
    { means: vMeans, quats: vQuats, scales: vScales }: GaussianGradients,
    { cov: vCov, offset: vOffset }: Pick<DecodedAnchors, 'cov' | 'offset'>,
    vLogScaling: Tensor<'f32'> | null,
  ): void {
    const { device, kernels } = this
    const { share, workgroups } = shares(rows, k)
    const settings = { rows, k, share, trains: vLogScaling !== null }
    const list = { count, indices, logScaling, vLogScaling }
    device.launch(kernels.assembleMeansBackward, workgroups, settings, { ...list, vMeans, offset, vOffset })
    device.launch(kernels.assembleShapesBackward, workgroups, settings, { ...list, cov, vScales, vQuats, vCov })
  }

  addGradients(vGaussians: GaussianGradients, from: GaussianGradients, count: Tensor<'u32'>, rows: number): void {
    const { device, kernels } = this
    for (const name of ['means', 'quats', 'scales', 'opacities', 'colors'] as const) {
      const [sums, more] = [vGaussians[name], from[name]]
      const width = sums.shape[1] ?? 1
      device.launch(kernels.addGradients, Math.ceil((rows * width) / threads), { rows, width }, { count, sums, more })
    }
  }

  accumulateGrowth(
    { visits, opacitySums, counts, maxGradients, maxMeans }: GrowthStatistics,
    { count, indices, rows }: AnchorList,
    k: number,
    { means: drawn, opacities, radii, vMeans2d }: GrowthStep,
  ): void {
    const { device, kernels } = this
    const list = { count, indices }
    const visited = { ...list, opacities, visits, opacitySums }
    device.launch(kernels.accumulateVisits, Math.ceil(rows / threads), { rows, k }, visited)
    const moved = { ...list, radii, vMeans2d, drawn, counts, maxGradients, maxMeans }
    device.launch(kernels.accumulateGradients, Math.ceil((rows * k) / threads), { rows, k }, moved)
  }

  /** Widths in elements, which have 16 bytes where all widths allow. */
  #elements({ static: cs, dynamic: cd }: FeatureWidths) {
    const floats = cs % 4 === 0 && cd % 4 === 0 ? 4 : 1
    return { staticWidth: cs / floats, dynamicWidth: cd / floats, kernels: this.rows[floats] }
  }
}

/** Anchors of a workgroup, whose Gaussians are about as many as its invocations; at least one workgroup. */
function shares(rows: number, k: number): { share: number; workgroups: number } {
  const share = Math.max(1, Math.floor(threads / Math.max(1, k)))
  return { share, workgroups: Math.max(1, Math.ceil(rows / share)) }
}
