export { type Clip, clipsOf, stepsOf, timeOf } from './clips.js'
export { type Config, configSchema, type PartialConfig } from './config.js'
export type { TrainingCamera, TrainingData } from './data.js'
export { datasetOptions, trainingData } from './dataset.js'
export {
  ClipStreamError,
  ConfigError,
  NonFiniteError,
  RunExistsError,
  RunMismatchError,
  TrainingDataError,
} from './errors.js'
export type {
  AbortedEvent,
  CameraScore,
  CheckpointEvent,
  ClipEndEvent,
  ClipFailedEvent,
  ClipSkipEvent,
  ClipStartEvent,
  DoneEvent,
  EvaluationEvent,
  EvaluationSample,
  FailedClip,
  GrowthEvent,
  StartEvent,
  StepEvent,
  TrainEvent,
  WarningEvent,
} from './events.js'
export { allVisible, type DecodedFrame, decodeFrame, renderView } from './forward.js'
export { createStepGraphs } from './graphs.js'
export type { ClipKind, Inheritance } from './initial.js'
export { initialState, kindOf } from './initial.js'
export { type Example, type Shot, type ShotInputs, type StepInputs, uploadExample } from './inputs.js'
export { crc32c } from './logs/crc32c.js'
export { type EventImage, type EventRecord, encodeEvent, encodeFileVersion } from './logs/tensorboard.js'
export type { ClipModel, Field } from './model.js'
export {
  createSceneOperators,
  createTrainingOperators,
  decoderShape,
  fieldShape,
  gridShape,
  type SceneConfig,
  type SceneOperators,
  type TrainingOperators,
} from './operators.js'
export { type ClipGradients, ClipOptimizer, type ParameterGroup } from './optimizer.js'
export {
  type ImportedIndexing,
  type ImportedStream,
  type ImportOptions,
  importedFingerprint,
  importOriginal,
} from './original/import.js'
export {
  ClipPlayer,
  disposeGaussians,
  type FrameCanvas,
  openClipStream,
  type PlayerOptions,
  type RenderedView,
  type RenderOptions,
} from './player.js'
export { type PresetName, preset, presetNames } from './presets.js'
export { type ConfigSources, parseConfig, resolveConfig, settingNames } from './resolve-config.js'
export { createSampler, type Sampler, type SamplerOptions, seedFor, type TrainingSample } from './sampler.js'
export { type AnchorArrays, type ClipState, createModel, type HeadArrays, readState } from './state.js'
export { lossAndGradient, type ShotResult, type StepResult, trainStep } from './step.js'
export type { Keep, StepGraphs, StepWork, Use } from './step-graphs.js'
export { readClip, readReference } from './stream/clip-files.js'
export {
  type ClipEntry,
  type ClipRecord,
  type ClipStreamManifest,
  clipStreamSchema,
  type FileEntry,
} from './stream/format.js'
export { readManifest } from './stream/manifest.js'
export { createMemoryRun, type RunFolder } from './stream/run-folder.js'
export { type TrainOptions, train } from './train.js'
export type { LiveClip, Watch } from './watch.js'
