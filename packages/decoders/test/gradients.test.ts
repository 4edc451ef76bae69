import { decoderHeads, fieldHead, type HeadsConfig } from '@clipgstream/decoders'
import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'
import { forward } from './oracle.js'
import { capital, createProblem, solve } from './problem.js'

/** Central differences of sum(vOutputs . outputs) in float64. */
describe.each<[string, HeadsConfig, number]>([
  ['decoders', decoderHeads({ features: 9, offsetsPerAnchor: 2 }), 7],
  ['field', fieldHead({ inputs: 8, hidden: 12, outputs: 6 }), 10],
])('gradients of %s', (_name, config, rows) => {
  it('equal finite differences of the oracle', async () => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const problem = createProblem(config, rows, 21)
    const actual = await solve(device, problem)
    const x = Float64Array.from(problem.x)
    const parameters = problem.parameters.map(({ w1, b1, w2, b2 }) => ({
      w1: Float64Array.from(w1),
      b1: b1 && Float64Array.from(b1),
      w2: Float64Array.from(w2),
      b2: b2 && Float64Array.from(b2),
    }))
    const loss = () => {
      const { outputs } = forward(config, x, parameters)
      return outputs.reduce(
        (sum, output, i) => output.reduce((part, value, j) => part + value * problem.vOutputs[i]![j]!, sum),
        0,
      )
    }
    const random = createRandom(22)
    const variables: [string, Float64Array][] = [['vX', x]]
    for (const [i, set] of parameters.entries()) {
      for (const [key, values] of Object.entries(set)) {
        if (values) variables.push([`v${capital(config.heads[i]!.name)}.${key}`, values])
      }
    }
    for (const [name, values] of variables) {
      for (let trial = 0; trial < 12; trial++) {
        const index = random.integer(values.length)
        const kept = values[index]!
        const step = 1e-6
        values[index] = kept + step
        const above = loss()
        values[index] = kept - step
        const below = loss()
        values[index] = kept
        const expected = (above - below) / (2 * step)
        const difference = Math.abs(actual[name]![index]! - expected)
        expect(difference, `${name}[${index}] of ${expected}`).toBeLessThan(1e-5 + 1e-5 * Math.abs(expected))
      }
    }
  })
})
