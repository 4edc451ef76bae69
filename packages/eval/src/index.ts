export { type ClipRange, clipsOf } from './clips.js'
export type { Column } from './columns.js'
export {
  createEvaluation,
  type Evaluation,
  type EvaluationOptions,
  type MissingNet,
} from './evaluation.js'
export type { Exhibit } from './gallery.js'
export { type Image, toBytes } from './image.js'
export { createLpips, type Lpips, type LpipsRange, lpipsName } from './lpips/lpips.js'
export { expectedTensors, type LpipsNet, lpipsNets, smallestSide } from './lpips/nets.js'
export {
  checkLpipsWeights,
  type LpipsWeights,
  LpipsWeightsError,
  readLpipsWeights,
  type WeightTensor,
  writeLpipsWeights,
} from './lpips/weights.js'
export type { FrameMetrics, Measured, NotAvailable } from './measured.js'
export type { ViewColors } from './metrics/colors.js'
export { defaultStaticThreshold, flicker, type Observation } from './metrics/flicker.js'
export { maskValue, psnr, type RegionPsnr, regionPsnr } from './metrics/psnr.js'
export { dssim1, dssim2, msSsim, type Similarity, similarity, ssim } from './metrics/ssim.js'
export type { Means, Summary } from './summary.js'
export { formatColors, formatTable, formatValue, summaryJson, viewCsv } from './tables.js'
