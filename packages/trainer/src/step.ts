import type { Gaussians, VisibleAnchors } from '@clipgstream/gaussians'
import type { RasterGradients, RasterResult } from '@clipgstream/rasterizer'
import type { Tensor } from '@clipgstream/tensor'
import type { Config } from './config.js'
import { decodeFrame } from './forward.js'
import type { ShotInputs, StepInputs } from './inputs.js'
import type { ClipModel } from './model.js'
import type { TrainingOperators } from './operators.js'
import type { ClipGradients, ClipOptimizer } from './optimizer.js'

/** On the device, for whoever reads it later; belongs to the scope that was open at the step. */
export interface StepResult {
  /** That any of the shots may show. */
  visible: VisibleAnchors
  gaussians: Gaussians
  volume: Tensor<'f32'> // [1]
  shots: readonly ShotResult[]
}

export interface ShotResult {
  terms: Tensor<'f32'> // [2] L1 and SSIM
  image: Tensor<'f32'> // [H, W, 3]
  raster: RasterResult
  /** Of this shot's share of the loss. */
  vMeans2d: Tensor<'f32'> // [G, 2]
}

/**
 * loss = (1 - dssim) L1 + dssim (1 - SSIM) + volume V, its first two terms as means over the shots, and its gradient with
 * respect to everything that `gradients` has a buffer for. The time step is decoded once. Nothing is read back.
 */
export function lossAndGradient(
  operators: TrainingOperators,
  config: Pick<Config, 'loss' | 'decoders'>,
  model: ClipModel,
  gradients: ClipGradients,
  inputs: StepInputs,
): StepResult {
  const { anchors, grid, fieldNet, decoders, volume } = operators
  const how = config.decoders.combination
  const widths = { static: config.decoders.staticFeatures, dynamic: fieldNet.config.heads[0]!.outputs }

  const visible = anchors.visible(model.anchors, inputs.views)
  const { count } = visible
  const frame = decodeFrame(operators, model, how, visible, inputs.time, 'hidden')
  const { gaussians } = frame
  const volumeTerm = volume.forward(gaussians.scales, gaussians.count)

  const share = 1 / inputs.shots.length
  const weights = { l1: share * (1 - config.loss.dssim), dssim: share * config.loss.dssim }
  const drawn = inputs.shots.map((shot) => drawShot(operators, model, gradients, gaussians, shot, weights))
  const [first, ...others] = drawn.map(({ vRaster }) => namedGradients(vRaster))
  if (!first) throw new Error('a step needs a shot')
  for (const other of others) anchors.addGradients(first, other, gaussians.count)

  volume.backward(gaussians.scales, gaussians.count, config.loss.volume, first.scales)
  const vDecoded = anchors.assembleBackward(model.anchors, visible, frame.decoded, first, gradients.logScaling)
  const vFeatures = decoders.backward(
    { x: frame.features, count },
    model.decoders,
    frame.heads,
    [vDecoded.opacity, vDecoded.cov, vDecoded.color, vDecoded.offset],
    gradients.decoders,
  )
  const vDynamic = anchors.combineBackward(vFeatures, visible, how, widths, gradients.staticFeatures)
  const vEncoded = fieldNet.backward(
    { x: frame.encoded, count },
    [model.field.net],
    frame.dynamic,
    [vDynamic],
    [gradients.field.net],
  )
  grid.backward({ points: frame.points, count }, vEncoded, gradients.field.table)
  return { visible, gaussians, volume: volumeTerm, shots: drawn.map(({ result }) => result) }
}

/** One iteration: forward, backward, Adam. */
export function trainStep(
  operators: TrainingOperators,
  config: Config,
  model: ClipModel,
  optimizer: ClipOptimizer,
  inputs: StepInputs,
  iteration: number,
): StepResult {
  const result = lossAndGradient(operators, config, model, optimizer.gradients, inputs)
  optimizer.step(iteration)
  return result
}

/** The loss of one photograph by `weights`, and its gradient with respect to the Gaussians. */
function drawShot(
  { rasterizer, photometric, colorAffine }: TrainingOperators,
  { colors }: ClipModel,
  { colors: vColors }: ClipGradients,
  gaussians: Gaussians,
  { view, background, colorRow, target }: ShotInputs,
  weights: { l1: number; dssim: number },
): { result: ShotResult; vRaster: RasterGradients } {
  const raster = rasterizer.forward(gaussians, view, background)
  const image = colors ? colorAffine.forward(raster.image, colors, colorRow) : raster.image
  const measured = photometric.forward(image, target)
  let vImage = photometric.backward(image, target, measured, weights)
  if (colors && vColors) vImage = colorAffine.backward(raster.image, colors, colorRow, vImage, vColors)
  const vRaster = rasterizer.backward(gaussians, view, raster, { vImage }, background)
  return { result: { terms: measured.terms, image, raster, vMeans2d: vRaster.vMeans2d }, vRaster }
}

function namedGradients({ vMeans, vQuats, vScales, vOpacities, vColors }: RasterGradients) {
  return { means: vMeans, quats: vQuats, scales: vScales, opacities: vOpacities, colors: vColors }
}
