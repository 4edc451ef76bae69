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
  /** [1] rows in use; all when left out. Output rows behind it are undefined. */
  count?: Tensor<'u32'>
}

export interface HeadsResult {
  /** One a head, in order. // [N, outputs] */
  outputs: Tensor<'f32'>[]
  /** What `backward` needs; tensors of the scope that was open at `forward`. */
  saved: readonly Tensor[]
}

export interface Heads {
  readonly config: HeadsConfig
  forward(inputs: HeadsInputs, parameters: readonly HeadParameters[]): HeadsResult
  /**
   * Returns vX // [N, inputs]. Adds to `vParameters`; pass null for frozen parameters, whose gradients are then not computed.
   * vOutputs has the gradient of each head's output (after its activation).
   */
  backward(
    inputs: HeadsInputs,
    parameters: readonly HeadParameters[],
    result: HeadsResult,
    vOutputs: readonly Tensor<'f32'>[],
    vParameters: readonly HeadParameters[] | null,
  ): Tensor<'f32'>
}
