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
export { type CoverOptions, coverHoles } from './cover.js'
export { createStereoOperators } from './create.js'
export { type DistantOptions, distantPoints } from './distant.js'
export type { StereoCloud } from './fuse.js'
export { matchLight } from './light.js'
export {
  type MotionOptions,
  motionMask,
  type StillOptions,
  type StillPicture,
  stillPicture,
  temporalMedian,
} from './motion.js'
export type { CloudOptions, StereoProgress } from './options.js'
export { type CloudsOverTime, mergeClouds, type OverTimeOptions, splitOverTime } from './over-time.js'
export { transferMatrix } from './pairs.js'
export type { Capture, RgbPicture } from './pictures.js'
export { createPictures, type Grey, greyOf, halve, halveView } from './pyramid.js'
export { type DepthRange, depthRange, focusDistance } from './range.js'
export { defaultAgreement, rankSources, type Source } from './sources.js'
export { cloudOfTracks, type SparseOptions, sparseCloud } from './sparse/cloud.js'
export { type Corner, findCorners } from './sparse/corners.js'
export { type CornerMatch, type CornerView, type MatchOptions, matchCorners } from './sparse/match.js'
export { joinPairs, type Pair } from './sparse/tracks.js'
export {
  type Observation,
  type TriangulatedPoint,
  type TriangulationOptions,
  triangulate,
} from './sparse/triangulate.js'
