// The decoders in TensorFlow.js on its WebAssembly backend, which has one thread in Node. Weights are stored as
// [inputs, outputs], the layout that its fast product takes. Its automatic gradients of a product multiply with
// transposed operands, which the backend does slowly; `transposesFirst` differentiates the same layer by hand with
// operands transposed beforehand, so that the fast product serves the backward pass too.
import type { HeadsConfig } from '@clipgstream/decoders'
import * as tf from '@tensorflow/tfjs'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import type { HostParameters } from '../plain/heads.js'

export async function startTfjsWasm(): Promise<void> {
  const main = import.meta.resolve('@tensorflow/tfjs-backend-wasm')
  setWasmPaths(new URL('.', main).pathname)
  if (!(await tf.setBackend('wasm'))) throw new Error('the WebAssembly backend of tfjs does not start')
}

/** Weights and biases of every head: w1, b1, w2, b2. */
export function tfjsParameters({ inputs, heads }: HeadsConfig, parameters: readonly HostParameters[]): tf.Tensor[] {
  return heads.flatMap(({ hidden, outputs }, i) => {
    const { w1, b1, w2, b2 } = parameters[i]!
    if (!b1 || !b2) throw new Error('the decoders have biases')
    return tf.tidy(() => [
      tf.keep(tf.transpose(tf.tensor2d(w1, [hidden, inputs]))),
      tf.keep(tf.tensor1d(b1)),
      tf.keep(tf.transpose(tf.tensor2d(w2, [outputs, hidden]))),
      tf.keep(tf.tensor1d(b2)),
    ])
  })
}

type Dense = (x: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor, activation?: 'relu' | 'sigmoid') => tf.Tensor

/** Fuses bias and activation where the backend does (not while gradients are taken). */
const fused: Dense = (a, b, bias, activation = undefined) =>
  tf.fused.matMul({ a: as2d(a), b: as2d(b), bias, activation: activation ?? 'linear' })

const product = tf.customGrad((...inputs) => {
  const [a, b, save] = inputs as [tf.Tensor2D, tf.Tensor2D, (kept: tf.Tensor[]) => void]
  save([a, b])
  return {
    value: tf.matMul(a, b),
    gradFunc: (vProduct, saved) => {
      const [x, w] = saved as [tf.Tensor2D, tf.Tensor2D]
      return [
        tf.matMul(as2d(vProduct as tf.Tensor), as2d(tf.transpose(w))),
        tf.matMul(as2d(tf.transpose(x)), as2d(vProduct as tf.Tensor)),
      ]
    },
  }
})

const transposesFirst: Dense = (x, weights, bias, activation) => {
  const sum = tf.add(product(x, weights), bias)
  if (!activation) return sum
  return activation === 'relu' ? tf.relu(sum) : tf.sigmoid(sum)
}

/** Outputs of the heads; the caller owns them. */
export function tfjsForward(config: HeadsConfig, x: tf.Tensor, parameters: readonly tf.Tensor[]): tf.Tensor[] {
  return tf.tidy(() => outputsOf(config, fused, x, parameters))
}

/** Gradients of the sum of outputs times vOutputs: of x, then of every parameter; the caller owns them. */
export function tfjsBackward(
  config: HeadsConfig,
  gradients: 'automatic' | 'by hand',
  x: tf.Tensor,
  parameters: readonly tf.Tensor[],
  vOutputs: readonly tf.Tensor[],
): tf.Tensor[] {
  const dense = gradients === 'automatic' ? fused : transposesFirst
  return tf.tidy(() => {
    const loss = (...[input, ...weights]: tf.Tensor[]) =>
      outputsOf(config, dense, input!, weights)
        .map((output, i) => tf.sum(tf.mul(output, vOutputs[i]!)))
        .reduce((sum, term) => tf.add(sum, term))
    return tf.grads(loss)([x, ...parameters])
  })
}

function outputsOf({ heads }: HeadsConfig, dense: Dense, x: tf.Tensor, parameters: readonly tf.Tensor[]): tf.Tensor[] {
  return heads.map(({ activation }, i) => {
    const [w1, b1, w2, b2] = parameters.slice(4 * i, 4 * i + 4) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
    return dense(dense(x, w1, b1, 'relu'), w2, b2, activation === 'none' ? undefined : activation)
  })
}

function as2d(tensor: tf.Tensor): tf.Tensor2D {
  return tensor.as2D(tensor.shape[0] ?? 1, tensor.shape[1] ?? 1)
}
