import type { Tensor } from '@clipgstream/tensor'

export interface AdamState {
  /** First and second moments, shaped as the parameter. */
  m: Tensor<'f32'>
  v: Tensor<'f32'>
}

/** What stays from step to step. */
export interface AdamSettings {
  /** Positive. */
  epsilon: number
  /** Decay of the first moment, in [0, 1); 0.9 when left out. */
  beta1?: number
  /** Decay of the second moment, in [0, 1); 0.999 when left out. */
  beta2?: number
  /**
   * Skip rows whose gradient is zero throughout, moments included (entries of a hash table that no sample touched).
   * Dense Adam moves them on by their momentum.
   */
  lazy?: boolean
  /** First row (along axis 0) and one past the last that are trained; all when left out. */
  rows?: readonly [number, number]
  /** NaN gradients become 0, others are clamped to [-limit, limit]; when left out, they are used as they are. */
  gradientLimit?: number
}

/** What changes from step to step. */
export interface AdamRate {
  /** Not negative. */
  learningRate: number
  /** 1 for the first step. */
  step: number
  /** As in the settings. */
  beta1?: number
  beta2?: number
}

export type AdamStep = AdamSettings & AdamRate

/** A parameter of {@link Adam.stepAll} with what belongs to it. */
export interface AdamGroup {
  parameter: Tensor<'f32'>
  gradient: Tensor<'f32'>
  state: AdamState
  /**
   * The parameter once more in f16, for kernels that read it: rows that are stepped are written here too, rounded to
   * nearest even; others stay as they are. Beyond 65504 it is infinite, as f16 has it.
   */
  copy?: Tensor<'f16'> | null
  settings: AdamSettings
}

/**
 * Adam (Kingma and Ba 2015, algorithm 1), on every element g of the gradient:
 *
 *     m = beta1 m + (1 - beta1) g
 *     v = beta2 v + (1 - beta2) g^2
 *     p = p - learningRate m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + epsilon)
 *
 * Moments below the least normal f32 (1.2e-38) become zero: decay would leave them in denormal numbers for ever, which are
 * slow on some processors.
 *
 * Tolerance between devices, one step from equal states: parameters 1e-6 relative plus 1e-6 learningRate, v 1e-6 relative, m 1e-6
 * relative to the larger of its two terms, which may cancel (each has a few f32 roundings). A copy is the
 * rounding of the very parameter that the device wrote.
 */
export interface Adam {
  /** Zero moments. They belong to the scope that is open. */
  state(parameter: Tensor<'f32'>): AdamState
  /**
   * Updates `parameter` and its moments and sets the gradient to zero for the next step, also in rows that are not trained.
   * @throws ArgumentError, ShapeError, DTypeError, WrongDeviceError, DisposedError
   */
  step(parameter: Tensor<'f32'>, gradient: Tensor<'f32'>, state: AdamState, settings: AdamStep): void
  /**
   * The same on every group, in one launch where the device can. All are checked before the first is stepped; no tensor may
   * be in two of them. rates // [groups, 2] as `adamRates` makes them, read when the step runs and not checked: a step that
   * was captured in a graph takes what was written there since.
   * @throws ArgumentError, ShapeError, DTypeError, WrongDeviceError, DisposedError
   */
  stepAll(groups: readonly AdamGroup[], rates: Tensor<'f32'>): void
}
