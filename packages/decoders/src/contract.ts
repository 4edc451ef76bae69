import type { Tensor } from '@clipgstream/tensor'

export type Activation = 'none' | 'relu' | 'sigmoid'

export interface Head {
  name: string
  hidden: number
  outputs: number
  activation: Activation
}

/** Two-layer perceptrons that share their input; each head is `activation(W2 relu(W1 x + b1) + b2)`. */
export interface HeadsConfig {
  inputs: number
  heads: readonly Head[]
  /** Whether the layers have biases. */
  biases: boolean
}

/** Parameters, or gradients, of one head. Biases are null when the network has none. */
export interface HeadParameters {
  w1: Tensor<'f32'> // [hidden, inputs]
  b1: Tensor<'f32'> | null // [hidden]
  w2: Tensor<'f32'> // [outputs, hidden]
  b2: Tensor<'f32'> | null // [outputs]
}

export interface HeadsInputs {
  x: Tensor<'f32'> // [N, inputs]
  /** [1] rows in use; all when left out. Output rows behind it are undefined. More than N is an error. */
  count?: Tensor<'u32'>
}

/** What forward keeps for backward. `hidden` costs 4 bytes per row and hidden unit; `nothing` computes them again. */
export type Keep = 'hidden' | 'nothing'

export interface HeadsResult {
  /** One a head, in order. // [N, outputs] */
  outputs: Tensor<'f32'>[]
  /** What `backward` needs besides; tensors of the scope that was open at `forward`. Empty when nothing was kept. */
  saved: readonly Tensor<'f32'>[]
}

/**
 * Rows are independent: a NaN or an infinity in one row of x changes no other row of the outputs or of vX. Every result
 * is a sum in a fixed order, so bytes depend neither on the number of threads nor on what forward kept.
 *
 * Tolerance between devices: outputs 2e-6 + 1e-5 relative, vX 1e-5 + 1e-5 relative, gradients of parameters
 * 2e-6 sqrt(N) + 2e-5 relative, which is what another order costs a float32 sum of terms of order 1 (times N rows for the
 * last). A hidden unit within rounding of zero may fall on the other side of the ReLU, where it passes no gradient.
 */
export interface Heads {
  readonly config: HeadsConfig
  /** x // [N, inputs]; keeps `hidden` by default. */
  forward(inputs: HeadsInputs, parameters: readonly HeadParameters[], keep?: Keep): HeadsResult
  /**
   * Returns vX // [N, inputs]. Adds to `vParameters`; pass null for frozen parameters, whose gradients are then not computed.
   * vOutputs has the gradient of each head's output (after its activation). // [N, outputs]
   */
  backward(
    inputs: HeadsInputs,
    parameters: readonly HeadParameters[],
    result: HeadsResult,
    vOutputs: readonly Tensor<'f32'>[],
    vParameters: readonly HeadParameters[] | null,
  ): Tensor<'f32'>
}
