export {
  averageCloud,
  type ColoredCloud,
  createResidual,
  mergeClouds,
  mergeOver,
  originalThreshold,
  originalVoxel,
} from './clouds/merge.js'
export { chooseScale } from './clouds/step.js'
export { type CalibrateOptions, calibrate } from './colmap/calibrate.js'
export { type ColmapProgram, findColmap, type RunOptions } from './colmap/run.js'
export type { Solution } from './colmap/solution.js'
export { ColmapError, DiskFullError, ProcessError, VideoError } from './errors.js'
export { checkDisk, type Estimate } from './estimate.js'
export { type ProcessHooks, processRecordings } from './process.js'
export { findMisfits, type Misfit, type Offsets, offsetsOf } from './timing/align.js'
export { findLag, type Lag } from './timing/correlate.js'
export { type CameraFrames, type FramePlan, type PlanOptions, planFrames } from './timing/plan.js'
export type { Calibrated } from './types.js'
export {
  type CloudSource,
  type ColmapOptions,
  cloudSources,
  type EstimatePart,
  type ProcessEvent,
  type ProcessOptions,
  type Report,
  type StepName,
  stepNames,
} from './types.js'
export { type DecodedFrame, type DecodeOptions, decodeVideo } from './video/decode.js'
export { probeVideo, type VideoInfo } from './video/probe.js'
