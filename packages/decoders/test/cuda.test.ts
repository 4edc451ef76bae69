import { decoderHeads, fieldHead, type HeadsConfig } from '@clipgstream/decoders'
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

/** Heads whose gradients do not depend on how outputs are rounded. */
const linear: HeadsConfig = {
  inputs: 20,
  biases: true,
  heads: [
    { name: 'a', hidden: 20, outputs: 3, activation: 'none' },
    { name: 'b', hidden: 40, outputs: 21, activation: 'relu' },
    { name: 'c', hidden: 70, outputs: 9, activation: 'none' },
  ],
}

function norm(values: Float32Array | Float64Array): number {
  let sum = 0
  for (const value of values) sum += value * value
  return Math.sqrt(sum)
}

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

  it.each(['tf32x3', 'mixed', 'tf32'] as const)(
    'scale with the gradients of outputs, bit for bit: %s',
    async (precision) => {
      const problem = createProblem(decoderHeads({ features: 36, offsetsPerAnchor: 4 }), 75, 14)
      const once = await solve(gpu, problem, { precision })
      for (const scale of [2 ** -60, 2 ** -30, 2 ** 20, 2 ** 60]) {
        const vOutputs = problem.vOutputs.map((v) => v.map((value) => value * scale))
        const scaled = await solve(gpu, { ...problem, vOutputs }, { precision })
        for (const name of ['vX', 'vOpacity.w1', 'vCov.b1', 'vColor.w2', 'vOffset.b2'])
          expect(scaled[name], `${name} times ${scale}`).toEqual(once[name]!.map((value) => value * scale))
      }
    },
  )

  it.each([
    ['heads', 1, (_row: number, head: number) => 10 ** (4 * head - 9), () => 1],
    ['heads, the other way round', 1, (_row: number, head: number) => 10 ** (6 - 4 * head), () => 1],
    ['rows', 1, (row: number) => 10 ** (((row * 37) % 67) / 5 - 9), () => 1],
    ['rows of x', 1, () => 1, (row: number) => 10 ** (((row * 37) % 67) / 5 - 9)],
    ['weights', 1e-6, () => 1, () => 1],
    ['weights, large', 1e6, () => 1e-6, () => 1],
  ] as const)('are as exact for %s of other magnitudes', async (_name, ofWeights, ofOutputs, ofInputs) => {
    const plain = createProblem(linear, 67, 15)
    const scaled = (values: Float32Array, width: number, of: (row: number) => number) =>
      Float32Array.from(values, (value, i) => value * of(Math.floor(i / width)))
    const weights = (values: Float32Array) => scaled(values, values.length, () => ofWeights)
    const problem = {
      ...plain,
      x: scaled(plain.x, linear.inputs, ofInputs),
      parameters: plain.parameters.map((set) => ({ ...set, w1: weights(set.w1), w2: weights(set.w2) })),
      vOutputs: plain.vOutputs.map((v, head) => scaled(v, linear.heads[head]!.outputs, (row) => ofOutputs(row, head))),
    }
    const expected = solveOracle(problem)
    const bounds = [
      ['tf32x3', 2e-6],
      ['mixed', 2e-3],
    ] as const
    for (const [precision, bound] of bounds) {
      const actual = await solve(gpu, problem, { precision })
      for (const [name, values] of Object.entries(expected)) {
        const error = norm(values.map((value, i) => value - actual[name]![i]!))
        expect(error, `${precision}, ${name}`).toBeLessThan(bound * norm(values))
      }
    }
  })

  it('keep rows of gradients apart, however large', async () => {
    const config = decoderHeads({ features: 20, offsetsPerAnchor: 3 })
    const problem = createProblem(config, 140, 16)
    const broken = { ...problem, vOutputs: problem.vOutputs.map((v) => v.slice()) }
    const rows = new Map([Number.NaN, Number.POSITIVE_INFINITY, 3e38, -1e30, 1e-42, 0].map((v, i) => [3 + 25 * i, v]))
    for (const [i, { outputs }] of config.heads.entries()) {
      for (const [row, value] of rows) broken.vOutputs[i]!.fill(value, row * outputs, (row + 1) * outputs)
    }
    for (const precision of ['tf32x3', 'mixed', 'tf32'] as const) {
      const clean = await solve(gpu, problem, { precision, frozen: true })
      const actual = await solve(gpu, broken, { precision, frozen: true })
      for (let row = 0; row < 140; row++) {
        const of = ({ vX }: Record<string, Float32Array>) =>
          vX!.subarray(row * config.inputs, (row + 1) * config.inputs)
        if (!rows.has(row)) expect(of(actual), `row ${row}`).toEqual(of(clean))
        else if (rows.get(row) === 0) expect(of(actual).every((value) => value === 0)).toBe(true)
        else if (Number.isNaN(rows.get(row))) expect(of(actual).every(Number.isNaN)).toBe(true)
      }
    }
  })

  it('take the side of a ReLU from forward, so that rounding backward moves none', async () => {
    const config = decoderHeads({ features: 64, offsetsPerAnchor: 5 })
    const problem = createProblem(config, 70, 13)
    const exact = await solve(gpu, problem, { precision: 'tf32x3' })
    const mixed = await solve(gpu, problem, { precision: 'mixed' })
    for (const { name } of config.heads) expect(mixed[name]).toEqual(exact[name])
    for (const [name, values] of Object.entries(exact)) {
      if (config.heads.some((head) => head.name === name)) continue
      const error = values.map((value, i) => value - mixed[name]![i]!)
      expect(norm(error) / norm(values), name).toBeLessThan(1e-3)
      expect(norm(error) / norm(values), name).toBeGreaterThan(1e-5)
    }
  })
})
