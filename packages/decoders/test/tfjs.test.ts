// A second opinion on formulas and gradients: the same network in TensorFlow.js with its automatic differentiation.
import { decoderHeads, fieldHead, type HeadsConfig } from '@clipgstream/decoders'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { tolerances } from './conformance.js'
import { capital, createProblem, type Problem, solve } from './problem.js'

beforeAll(async () => {
  await tf.setBackend('cpu')
})

function solveTfjs({ config, rows, x, parameters, vOutputs }: Problem): Record<string, Float32Array> {
  const values: Record<string, Float32Array> = {}
  const input = tf.tensor2d(x, [rows, config.inputs])
  let vX: tf.Tensor = tf.zerosLike(input)
  for (const [i, head] of config.heads.entries()) {
    const { w1, b1, w2, b2 } = parameters[i]!
    const variables = [
      input,
      tf.tensor2d(w1, [head.hidden, config.inputs]),
      tf.tensor2d(w2, [head.outputs, head.hidden]),
      ...(b1 && b2 ? [tf.tensor1d(b1), tf.tensor1d(b2)] : []),
    ]
    const network = (...[at, first, second, firstBias, secondBias]: tf.Tensor[]): tf.Tensor => {
      const product = tf.matMul(at!, first!, false, true)
      const hidden = tf.relu(firstBias ? tf.add(product, firstBias) : product)
      const raw = tf.matMul(hidden, second!, false, true)
      const biased = secondBias ? tf.add(raw, secondBias) : raw
      if (head.activation === 'none') return biased
      return head.activation === 'relu' ? tf.relu(biased) : tf.sigmoid(biased)
    }
    const { value, grads } = tf.valueAndGrads((...at: tf.Tensor[]) => network(...at))(
      variables,
      tf.tensor2d(vOutputs[i]!, [rows, head.outputs]),
    ) as { value: tf.Tensor; grads: tf.Tensor[] }
    values[head.name] = value.dataSync<'float32'>()
    vX = tf.add(vX, grads[0]!)
    for (const [at, key] of ['', 'w1', 'w2', 'b1', 'b2'].entries()) {
      if (at > 0 && grads[at]) values[`v${capital(head.name)}.${key}`] = grads[at].dataSync<'float32'>()
    }
  }
  values['vX'] = vX.dataSync<'float32'>()
  return values
}

describe('TensorFlow.js', () => {
  it.each<[string, HeadsConfig, number]>([
    ['decoders', decoderHeads({ features: 32, offsetsPerAnchor: 4 }), 150],
    ['field', fieldHead({ inputs: 20, hidden: 30, outputs: 10 }), 99],
  ])('agrees on outputs and all gradients: %s', async (_name, config, rows) => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const problem = createProblem(config, rows, 31)
    const expected = tf.tidy(() => solveTfjs(problem))
    const differences = compare(await solve(device, problem), expected, tolerances(config, rows))
    expect(differences.filter(({ passed }) => !passed)).toEqual([])
    expect(differences).toHaveLength(Object.keys(expected).length)
  })
})
