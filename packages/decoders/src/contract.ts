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

/**
 * How CUDA multiplies. `fp32`: fused multiply-adds. `tf32x3`: on tensor cores, each factor as the sum of two of 11 bits,
 * within the tolerances of fp32. `tf32`: factors rounded to 11 bits, a relative error of about 5e-4 a term. `mixed`:
 * forward as tf32x3, backward as tf32. Other devices always compute in float32.
 */
export type Precision = 'fp32' | 'tf32x3' | 'mixed' | 'tf32'

export interface HeadsOptions {
  /** fp32 when left out. GPUs before compute capability 8.0 have no other. */
  precision?: Precision
  /**
   * Whether tensor cores on CUDA keep hidden activations on the multiprocessor, where inputs are at most 128, outputs of
   * a head at most 80 and a block may have 113 KiB of shared memory (65 for 64 inputs). true when left out; false is
   * slower, and there for comparison.
   */
  fused?: boolean
}

export interface HeadsInputs {
  x: Tensor<'f32'> // [N, inputs]
  /**
   * [1] rows in use; all when left out. Output rows behind it are undefined. More than N is an error where the count is
   * known when the call is made, that is on wasm; GPUs take N for it.
   */
  count?: Tensor<'u32'>
}

/**
 * What forward keeps for backward. `hidden` costs 4 bytes per row and hidden unit, a bit where CUDA fuses the layers; with
 * `nothing` they are computed again.
 */
export type Keep = 'hidden' | 'nothing'

export interface HeadsResult {
  /** One a head, in order. // [N, outputs] */
  outputs: Tensor<'f32'>[]
  /** What `backward` needs besides; tensors of the scope that was open at `forward`. Empty when nothing was kept. */
  saved: readonly Tensor[]
}

/**
 * Rows are independent: a NaN or an infinity in one row of x changes no other row of the outputs or of vX. Every result
 * is a sum in a fixed order, so bytes depend neither on the number of threads nor on what forward kept; on CUDA, they may
 * depend on the number of multiprocessors, between which the rows of weight gradients are divided.
 *
 * Tolerance between devices: outputs 2e-6 + 1e-5 relative, vX 1e-5 + 1e-5 relative, gradients of parameters
 * 2e-6 sqrt(N) + 2e-5 relative, which is what another order costs a float32 sum of terms of order 1 (times N rows for the
 * last). A hidden unit within rounding of zero may fall on the other side of the ReLU, where it passes no gradient.
 * With `tf32`, outputs 3e-3 + 5e-3 relative; about one hidden unit in 2000 falls on the other side of its ReLU, which
 * leaves gradients with an error of some percent of what they are sums of. With `mixed`, the outputs and the side of the ReLU
 * are those of tf32x3 (where the layers are fused), and the factors of gradients are rounded to within 2^-12 of their values,
 * which leaves about 4e-4 of a gradient's usual size; the bounds are 2e-3 of it: vX 2e-3 + 2e-3 relative, gradients of
 * parameters 2e-3 sqrt(N) + 2e-3 relative, for terms of order 1.
 *
 * Fused layers on CUDA make those 11 bits f16 under common scales, powers of two that gradients of any size may have: one
 * for each row of x, one for each row of a head's gradients and one for the weights of 32 hidden units. What is below 2^-14
 * of the largest under its scale has an error of 2^-25 of that instead (2^-36 with tf32x3). Gradients of parameters sum rows
 * as multiples of the largest: one whose terms are below 2^-20 of that has an error of some 2^-31 of it.
 *
 * Floor: 2 flops a weight and row forward and 4 backward, which is 415 and 830 kflop a row at 128 features and 10 Gaussians;
 * for 100k rows 0.62 and 1.24 ms at the 67 TFLOP/s of an H100 in fp32, 0.25 and 0.5 ms at a third of its 495 in tf32. Bytes
 * of a row: 512 of x, 560 of outputs and 5120 of hidden activations where they are kept: 0.18 ms for 100k rows at 3.35 TB/s.
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
