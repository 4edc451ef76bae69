import { type Device, DeviceUnavailableError, type Tensor } from '@clipgstream/tensor'
import { type CudaArgument, CudaDevice, type CudaKernel, type LaunchShape } from '@clipgstream/tensor/cuda'
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
  const complete = kernels as Record<KernelName, CudaKernel>
  return new KernelAnchorOperators(device, config, new CudaAnchorKernels(device, config, complete))
}

/**
 * Nothing waits for the GPU, so what `visible` holds is not looked at: a count above the capacity counts as the capacity,
 * and an index that does not fit the anchors is not noticed.
 */
class CudaAnchorKernels implements AnchorKernels {
  constructor(
    private readonly device: CudaDevice,
    private readonly config: AnchorConfig,
    private readonly kernels: Readonly<Record<KernelName, CudaKernel>>,
  ) {}

  visible(
    { positions, logScaling, rotations }: AnchorInputs,
    n: number,
    views: Tensor<'f32'>,
    { indices, count }: VisibleAnchors,
  ): void {
    const { device, config } = this
    const blocks = Math.ceil(n / anchorsPerBlock)
    using flags = device.empty([(blocks * anchorsPerBlock) / anchorsPerWord], 'u32')
    using counts = device.empty([blocks], 'u32')
    const shape = (grid: number) => ({ grid, block: anchorsPerBlock })
    const cameras = [views, views.shape[0] ?? 0, config.near, config.dilation]
    this.#launch('markVisible', shape(blocks), [positions, logScaling, rotations ?? null, flags, counts, n, ...cameras])
    // Without anchors one block writes the count.
    this.#launch('listVisible', shape(Math.max(1, blocks)), [flags, counts, blocks, indices, count])
  }

  fieldPoints(
    positions: Tensor<'f32'>,
    { count, indices, rows }: AnchorList,
    { min, max }: Bounds,
    time: number | Tensor<'f32'>,
    points: Tensor<'f32'>,
  ): void {
    const times = typeof time === 'number' ? [null, time] : [time, 0]
    const args = [count, rows, indices, positions, points, ...min, ...max, ...times]
    this.#launch('fieldPoints', { grid: Math.ceil(rows / threads), block: threads }, args)
  }

  combine(
    how: FeatureCombination,
    { count, indices, rows }: AnchorList,
    { static: cs, dynamic: cd }: FeatureWidths,
    { fixed, dynamic, combined }: Features,
  ): void {
    const args = [count, rows, indices, fixed, dynamic, combined]
    if (how === 'add') this.#launchRows('add', rows, args, [cs])
    else this.#launchRows('concatenate', rows, args, [cs, cd])
  }

  combineBackward(
    how: FeatureCombination,
    { count, indices, rows }: AnchorList,
    { static: cs, dynamic: cd }: FeatureWidths,
    { vCombined, vFixed, vDynamic }: FeatureGradients,
  ): void {
    const args = [count, rows, indices, vCombined, vFixed, vDynamic]
    if (how === 'add') this.#launchRows('addBackward', rows, args, [cs])
    else this.#launchRows('concatenateBackward', rows, args, [cs, cd])
  }

  assemble(
    { positions, logScaling }: AnchorInputs,
    { count, indices, rows }: AnchorList,
    { cov, offset }: DecodedAnchors,
    k: number,
    gaussians: Pick<Gaussians, 'means' | 'quats' | 'scales' | 'count'>,
  ): void {
    const { means, quats, scales } = gaussians
    const inputs = [count, rows, indices, positions, logScaling, cov, offset]
    this.#launchShares('assemble', rows, k, [...inputs, means, quats, scales, gaussians.count])
  }

  assembleBackward(
    { logScaling }: AnchorInputs,
    { count, indices, rows }: AnchorList,
    { cov, offset }: DecodedAnchors,
    k: number,
    { means, quats, scales }: GaussianGradients,
    vDecoded: Pick<DecodedAnchors, 'cov' | 'offset'>,
    vLogScaling: Tensor<'f32'> | null,
  ): void {
    this.#launchShares('assembleBackward', rows, k, [
      ...[count, rows, indices, logScaling, cov, offset],
      ...[means, quats, scales, vDecoded.cov, vDecoded.offset, vLogScaling],
    ])
  }

  addGradients(vGaussians: GaussianGradients, more: GaussianGradients, count: Tensor<'u32'>, gaussians: number): void {
    const tensors = [vGaussians, more].flatMap(({ means, quats, scales, opacities, colors }) => {
      return [means, quats, scales, opacities, colors]
    })
    const shape = { grid: this.device.gridFor(gaussians, threads), block: threads }
    this.#launch('addGradients', shape, [count, gaussians, ...tensors])
  }

  accumulateGrowth(
    { visits, opacitySums, counts, maxGradients, maxMeans }: GrowthStatistics,
    { count, indices, rows }: AnchorList,
    k: number,
    { means, opacities, radii, vMeans2d }: GrowthStep,
  ): void {
    this.#launchShares('accumulateGrowth', rows, k, [
      ...[count, rows, indices, means, opacities, radii, vMeans2d],
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
