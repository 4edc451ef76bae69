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
export type { Measured, NotAvailable } from './measured.js'
