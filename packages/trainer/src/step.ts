import type { View } from '@clipgstream/camera'
import type { Gaussians, VisibleAnchors } from '@clipgstream/gaussians'
import type { Tensor } from '@clipgstream/tensor'
import type { Config } from './config.js'
import { decodeFrame } from './forward.js'
import type { ClipModel } from './model.js'
import type { TrainingOperators } from './operators.js'
import type { ClipGradients, ClipOptimizer } from './optimizer.js'

/** What a step is shown. */
export interface Example {
  view: View
  /** Inside the clip. */
  time: number
  /** Row of the camera's colour map. */
  colorRow: number
  target: Tensor<'u8'> // [H, W, 3]
}

/** On the device, for whoever reads it later; belongs to the scope that was open at the step. */
export interface StepResult {
  terms: Tensor<'f32'> // [2] L1 and SSIM
  volume: Tensor<'f32'> // [1]
  image: Tensor<'f32'> // [H, W, 3]
  visible: VisibleAnchors
  gaussians: Gaussians
  radii: Tensor<'i32'> // [G]
  vMeans2d: Tensor<'f32'> // [G, 2]
}

/**
 * loss = (1 - dssim) L1 + dssim (1 - SSIM) + volume V of one view, and its gradient with respect to everything that
 * `gradients` has a buffer for. Nothing is read back.
 */
export function lossAndGradient(
  operators: TrainingOperators,
  config: Pick<Config, 'loss' | 'rasterizer' | 'decoders'>,
  model: ClipModel,
  gradients: ClipGradients,
  { view, time, colorRow, target }: Example,
): StepResult {
  const { anchors, grid, fieldNet, decoders, rasterizer, photometric, volume, colorAffine } = operators
  const { background } = config.rasterizer
  const how = config.decoders.combination
  const widths = { static: config.decoders.staticFeatures, dynamic: fieldNet.config.heads[0]!.outputs }
  const weights = { l1: 1 - config.loss.dssim, dssim: config.loss.dssim }

  const visible = anchors.visible(model.anchors, view)
  const { count } = visible
  const frame = decodeFrame(operators, model, how, visible, time, 'hidden')
  const { gaussians } = frame
  const raster = rasterizer.forward(gaussians, view, background)
  const image = model.colors ? colorAffine.forward(raster.image, model.colors, colorRow) : raster.image
  const photometricResult = photometric.forward(image, target)
  const volumeTerm = volume.forward(gaussians.scales, gaussians.count)

  let vImage = photometric.backward(image, target, photometricResult, weights)
  if (model.colors && gradients.colors)
    vImage = colorAffine.backward(raster.image, model.colors, colorRow, vImage, gradients.colors)
  const vRaster = rasterizer.backward(gaussians, view, raster, { vImage }, background)
  volume.backward(gaussians.scales, gaussians.count, config.loss.volume, vRaster.vScales)
  const vDecoded = anchors.assembleBackward(
    model.anchors,
    visible,
    frame.decoded,
    {
      means: vRaster.vMeans,
      quats: vRaster.vQuats,
      scales: vRaster.vScales,
      opacities: vRaster.vOpacities,
      colors: vRaster.vColors,
    },
    gradients.logScaling,
  )
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

  return {
    terms: photometricResult.terms,
    volume: volumeTerm,
    image,
    visible,
    gaussians,
    radii: raster.radii,
    vMeans2d: vRaster.vMeans2d,
  }
}

/** One iteration: forward, backward, Adam. */
export function trainStep(
  operators: TrainingOperators,
  config: Config,
  model: ClipModel,
  optimizer: ClipOptimizer,
  example: Example,
  iteration: number,
): StepResult {
  const result = lossAndGradient(operators, config, model, optimizer.gradients, example)
  optimizer.step(iteration)
  return result
}
