import type { ColorChange } from '@clipgstream/io'
import type { Config } from './config.js'

export interface StartEvent {
  type: 'start'
  device: string
  config: Config
  frames: number
  cameras: { train: number; test: number }
  /** Clips that will be trained, in order. */
  clips: readonly number[]
}

export interface ClipStartEvent {
  type: 'clip-start'
  clip: number
  kind: 'reference' | 'source' | 'independent'
  frames: { start: number; end: number }
  anchors: { inherited: number; own: number }
  /** Trained numbers. */
  parameters: number
  steps: number
  /** Steps that a checkpoint has already seen. */
  resumedAt: number
  /** Which of several devices trains it. */
  device?: string
}

/** A clip that the run already has. */
export interface ClipSkipEvent {
  type: 'clip-skip'
  clip: number
}

/** Means over the steps since the last `step` event; view, visible, Gaussians and PSNR are the last step's. */
export interface StepEvent {
  type: 'step'
  clip: number
  /** Steps done. */
  iteration: number
  steps: number
  loss: number
  l1: number
  ssim: number
  /** Of the last training view, dB. */
  psnr: number
  /** Steps a second since the last event. */
  rate: number
  /** Seconds left in this clip. */
  eta: number
  /** Anchors that the last view may see. */
  visible: number
  /** Gaussians that were rasterized for it. */
  gaussians: number
  /** Device memory in use, and its peak. */
  bytes: number
  peakBytes: number
  rates: { field: number; staticFeatures: number; color: number }
}

export interface CameraScore {
  camera: string
  psnr: number
  ssim: number
  /** PSNR behind the affine colour map that fits this camera best over the clip, not cut to [0, 1]. */
  psnrCompensated: number
  /** What that map does to grey. */
  colors: ColorChange
}

/** Test views of the clip, means over its frames. */
export interface EvaluationEvent {
  type: 'evaluation'
  clip: number
  iteration: number
  psnr: number
  ssim: number
  psnrCompensated: number
  cameras: readonly CameraScore[]
  seconds: number
  /** The first test view at the clip's first frame, for people. */
  sample: EvaluationSample
}

export interface EvaluationSample {
  camera: string
  frame: number
  width: number
  height: number
  /** [height, width, 3] */
  rendered: Uint8Array
  target: Uint8Array
}

export interface CheckpointEvent {
  type: 'checkpoint'
  clip: number
  iteration: number
  bytes: number
}

export interface GrowthEvent {
  type: 'growth'
  clip: number
  iteration: number
  added: number
  removed: number
  anchors: number
}

export interface ClipEndEvent {
  type: 'clip-end'
  clip: number
  seconds: number
  /** Of the clip's files. */
  bytes: number
  loss: number
  peakBytes: number
}

/** The process that trained a clip failed. The clip is tried once more, from its last checkpoint; then it is left out. */
export interface ClipFailedEvent {
  type: 'clip-failed'
  clip: number
  device: string
  reason: string
  /** Whether it is tried again. */
  again: boolean
}

export interface WarningEvent {
  type: 'warning'
  message: string
}

/** The run was stopped by its signal; it can be resumed. */
export interface AbortedEvent {
  type: 'aborted'
  clip: number
  iteration: number
}

export interface DoneEvent {
  type: 'done'
  seconds: number
  /** Clips that the run holds now. */
  clips: readonly number[]
  bytes: number
  /** Clips that were to be trained and are not, with the reason, when several devices train. */
  failed?: readonly FailedClip[]
}

export interface FailedClip {
  clip: number
  reason: string
}

export type TrainEvent =
  | StartEvent
  | ClipStartEvent
  | ClipSkipEvent
  | StepEvent
  | EvaluationEvent
  | CheckpointEvent
  | GrowthEvent
  | ClipEndEvent
  | ClipFailedEvent
  | WarningEvent
  | AbortedEvent
  | DoneEvent
