import type { Tensor } from '@clipgstream/tensor'

export interface AdamState {
  /** First and second moments, shaped as the parameter. */
  m: Tensor<'f32'>
  v: Tensor<'f32'>
}

export interface AdamStep {
  learningRate: number
  /** 1 for the first step. */
  step: number
  epsilon: number
  beta1?: number
  beta2?: number
  /**
   * Skip rows whose gradient is zero throughout, moments included (entries of a hash table that no sample touched).
   * Dense Adam moves them on by their momentum.
   */
  lazy?: boolean
  /** First row (along axis 0) and one past the last that are trained; all when left out. */
  rows?: readonly [number, number]
  /** NaN gradients become 0, others are clamped to [-limit, limit]; no clamping when left out. */
  gradientLimit?: number
}

/** Adam (Kingma and Ba 2015) with bias correction. */
export interface Adam {
  state(parameter: Tensor<'f32'>): AdamState
  /** Updates `parameter` and its moments and sets the gradient to zero for the next step. */
  step(parameter: Tensor<'f32'>, gradient: Tensor<'f32'>, state: AdamState, settings: AdamStep): void
}
