export { estimateCloud } from './cloud.js'
export {
  type ConsistencySettings,
  type Match,
  maxPixels,
  maxSources,
  type PatchSettings,
  type Pictures,
  type Place,
  type SearchSettings,
  type StereoOperators,
  type SweepSettings,
  type Work,
} from './contract.js'
export { createStereoOperators } from './create.js'
export type { StereoCloud } from './fuse.js'
export type { CloudOptions, StereoProgress } from './options.js'
export type { Capture, RgbPicture } from './pictures.js'
export { createPictures, type Grey, greyOf, halve, halveView } from './pyramid.js'
export { type DepthRange, depthRange, focusDistance } from './range.js'
export { rankSources, type Source } from './sources.js'
