// What every device must do, beside the conformance cases.
import { decoderHeads, fieldHead, type HeadsConfig, type Precision } from '@clipgstream/decoders'
import type { Device } from '@clipgstream/tensor'
import { afterAll, describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { cases, solveOracle, tolerances } from './conformance.js'
import { createProblem, firstRows, type Problem, solve } from './problem.js'

const heads = (count: number, hidden: number): HeadsConfig['heads'] =>
  Array.from({ length: count }, (_, i) => ({
    name: `h${i}`,
    hidden: hidden + 7 * i,
    outputs: 1 + 6 * i,
    activation: (['sigmoid', 'none', 'relu'] as const)[i % 3]!,
  }))
const tails: HeadsConfig = { inputs: 11, biases: true, heads: heads(5, 1) }

export interface Traits {
  /** Within the tolerances of fp32. */
  exact: readonly Precision[]
  /** Coarser ones. */
  coarse?: readonly Precision[]
  /** Numbers of rows in use, of 300. */
  counts: readonly number[]
}

/** Skips all where there is no device; disposes it in the end. */
export function headsSuite(name: string, device: Device | null, { exact, coarse = [], counts }: Traits): void {
  afterAll(() => device?.dispose())

  describe.skipIf(!device)(`heads on ${name}`, () => {
    const gpu = device!

    it.each(cases.filter(({ size }) => size === 'small'))('solves conformance case $operator, $name', async (one) => {
      const before = gpu.bytesInUse
      const differences = compare(await one.run(gpu), one.oracle!(), one.tolerance)
      expect(differences.filter(({ passed }) => !passed)).toEqual([])
      expect(gpu.bytesInUse).toBe(before)
    })

    it.each<[string, HeadsConfig, number]>([
      ['one of everything', { inputs: 1, biases: true, heads: heads(1, 1) }, 1],
      ['tails', tails, 67],
      ['tails without biases', { ...tails, biases: false }, 130],
      ['more heads than a launch takes', { inputs: 9, biases: true, heads: heads(11, 3) }, 40],
      ['several tiles of everything', decoderHeads({ features: 68, offsetsPerAnchor: 6 }), 140],
      ['wide inputs', decoderHeads({ features: 160, offsetsPerAnchor: 1 }), 5],
      ['field', fieldHead({ inputs: 32, hidden: 64, outputs: 40 }), 515],
    ])('equals the oracle: %s', async (_name, config, rows) => {
      const problem = createProblem(config, rows, 11)
      const expected = solveOracle(problem)
      for (const precision of exact) {
        for (const keep of ['hidden', 'nothing'] as const) {
          const actual = await solve(gpu, problem, { keep, precision })
          expect(Object.keys(actual)).toEqual(Object.keys(expected))
          const differences = compare(actual, expected, tolerances(config, rows, precision))
          expect(differences.filter(({ passed }) => !passed)).toEqual([])
        }
      }
    })

    it.each(exact)('reads the number of rows from the device: %s', async (precision) => {
      const problem = createProblem(tails, 300, 6)
      for (const count of counts) {
        const used = Math.min(count, 300)
        const behind = { ...problem, x: problem.x.slice(), vOutputs: problem.vOutputs.map((v) => v.slice()) }
        behind.x.fill(Number.NaN, used * tails.inputs)
        behind.vOutputs.forEach((v, i) => void v.fill(Number.NaN, used * tails.heads[i]!.outputs))
        const actual = await solve(gpu, behind, { count, precision })
        const differences = compare(actual, solveOracle(firstRows(problem, used)), tolerances(tails, 300, precision))
        expect(differences.filter(({ passed }) => !passed)).toEqual([])
      }
    })

    it.each(exact)('gives the same bytes again, whatever was kept, and adds to gradients: %s', async (precision) => {
      const problem = createProblem(tails, 150, 7)
      const once = await solve(gpu, problem, { precision })
      expect(await solve(gpu, problem, { precision, keep: 'nothing' })).toEqual(once)
      const twice = await solve(gpu, problem, { precision, repeat: 2 })
      const frozen = await solve(gpu, problem, { precision, frozen: true })
      for (const [name, values] of Object.entries(once)) {
        const isGradient = name.includes('.')
        expect(twice[name]).toEqual(isGradient ? values.map((value) => 2 * value) : values)
        expect(frozen[name]).toEqual(isGradient ? undefined : values)
      }
    })

    it.each([...exact, ...coarse])('keeps rows apart: %s', async (precision) => {
      const problem = createProblem(tails, 90, 8)
      const clean = await solve(gpu, problem, { frozen: true, precision })
      const broken = { ...problem, x: problem.x.slice() }
      const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38, 1e-42, 0]
      const rows = new Map(values.map((value, i) => [5 + 13 * i, value]))
      for (const [row, value] of rows) broken.x.fill(value, row * tails.inputs, (row + 1) * tails.inputs)
      const actual = await solve(gpu, broken, { frozen: true, precision })
      for (const [name, expected] of Object.entries(clean)) {
        const width = expected.length / problem.rows
        for (let row = 0; row < problem.rows; row++) {
          const of = (all: Float32Array) => all.subarray(row * width, (row + 1) * width)
          if (!rows.has(row)) expect(of(actual[name]!)).toEqual(of(expected))
          else if (row === 5) expect(of(actual[name]!).every(Number.isNaN)).toBe(true)
          else if (row === 57 && name === 'h0') expect(of(actual[name]!).some(Number.isNaN)).toBe(false)
        }
      }
    })

    it('lets no gradient through a unit that is exactly 0', async () => {
      const problem = createProblem(fieldHead({ inputs: 6, hidden: 10, outputs: 5 }), 9, 9)
      problem.x.fill(0)
      for (const values of Object.values(await solve(gpu, problem)))
        expect(values.every((value) => value === 0)).toBe(true)
    })

    it('keeps sigmoid in range at the ends of float32, and a ReLU at 0 closed', async () => {
      const head = { name: 'opacity', hidden: 1, outputs: 1, activation: 'sigmoid' } as const
      const problem: Problem = {
        config: { inputs: 1, biases: true, heads: [head] },
        rows: 4,
        x: Float32Array.of(-1, 0, 1, 2),
        parameters: [
          { w1: Float32Array.of(200), b1: Float32Array.of(0), w2: Float32Array.of(1), b2: Float32Array.of(-200) },
        ],
        vOutputs: [Float32Array.of(1, 1, 1, 1)],
      }
      const { opacity, vX } = await solve(gpu, problem)
      expect([...opacity!]).toEqual([0, 0, 0.5, 1])
      expect([...vX!]).toEqual([0, 0, 50, 0])
    })

    it('works with no rows at all', async () => {
      const result = await solve(gpu, createProblem(tails, 0, 1))
      expect(result['vX']).toHaveLength(0)
      expect(result['vH1.w1']!.every((value) => value === 0)).toBe(true)
    })
  })
}
