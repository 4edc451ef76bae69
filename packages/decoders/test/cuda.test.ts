import { decoderHeads, fieldHead } from '@clipgstream/decoders'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { solveOracle, tolerances } from './conformance.js'
import { createProblem, solve } from './problem.js'
import { headsSuite } from './suite.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`decoders on CUDA: SKIPPED, ${error.message}`)
  return null
})

headsSuite('CUDA', device, {
  exact: ['fp32', 'tf32x3', 'mixed'],
  coarse: ['tf32'],
  counts: [0, 1, 127, 128, 129, 257, 300, 4_000_000_000],
})

describe.skipIf(!device)('fused layers on CUDA', () => {
  const gpu = device!

  it.each([decoderHeads({ features: 36, offsetsPerAnchor: 11 }), fieldHead({ inputs: 67, hidden: 150, outputs: 80 })])(
    'equal layers one by one',
    async (config) => {
      const problem = createProblem(config, 135, 12)
      const expected = solveOracle(problem)
      for (const precision of ['tf32x3', 'mixed'] as const) {
        for (const fused of [true, false]) {
          const actual = await solve(gpu, problem, { precision, fused })
          const differences = compare(actual, expected, tolerances(config, 135, precision))
          expect(differences.filter(({ passed }) => !passed)).toEqual([])
        }
      }
    },
  )

  it('take the side of a ReLU from forward, so that rounding backward moves none', async () => {
    const config = decoderHeads({ features: 64, offsetsPerAnchor: 5 })
    const problem = createProblem(config, 70, 13)
    const exact = await solve(gpu, problem, { precision: 'tf32x3' })
    const mixed = await solve(gpu, problem, { precision: 'mixed' })
    for (const { name } of config.heads) expect(mixed[name]).toEqual(exact[name])
    const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
    for (const [name, values] of Object.entries(exact)) {
      if (config.heads.some((head) => head.name === name)) continue
      const error = values.map((value, i) => value - mixed[name]![i]!)
      expect(norm(error) / norm(values), name).toBeLessThan(1e-3)
      expect(norm(error) / norm(values), name).toBeGreaterThan(1e-5)
    }
  })
})
