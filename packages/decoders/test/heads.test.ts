import { createHash } from 'node:crypto'
import { decoderHeads, fieldHead, type HeadsConfig } from '@clipgstream/decoders'
import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { cases, solveOracle, tolerances } from './conformance.js'
import { createProblem, type Problem, solve } from './problem.js'

/** Every tail: widths around multiples of 4 and 8, and a single unit of everything. */
const tails: HeadsConfig = {
  inputs: 11,
  biases: true,
  heads: [
    { name: 'a', hidden: 16, outputs: 8, activation: 'sigmoid' },
    { name: 'b', hidden: 17, outputs: 7, activation: 'none' },
    { name: 'c', hidden: 1, outputs: 1, activation: 'relu' },
    { name: 'd', hidden: 23, outputs: 13, activation: 'relu' },
    { name: 'e', hidden: 8, outputs: 2, activation: 'sigmoid' },
  ],
}
const decoders = decoderHeads({ features: 24, offsetsPerAnchor: 3 })

describe('heads', () => {
  it.each<[string, HeadsConfig, number]>([
    ['one of everything', { inputs: 1, biases: true, heads: [tails.heads[2]!] }, 1],
    ['tails', tails, 67],
    ['tails without biases', { ...tails, biases: false }, 130],
    ['decoders', decoders, 333],
    ['wide inputs', decoderHeads({ features: 160, offsetsPerAnchor: 1 }), 5],
    ['field', fieldHead({ inputs: 32, hidden: 64, outputs: 16 }), 515],
    ['blocks shortened to fit in the scratch', fieldHead({ inputs: 9, hidden: 4100, outputs: 3 }), 41],
  ])('equals the oracle: %s', async (_name, config, rows) => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const problem = createProblem(config, rows, 11)
    const expected = solveOracle(problem)
    for (const keep of ['hidden', 'nothing'] as const) {
      const actual = await solve(device, problem, { keep })
      expect(Object.keys(actual)).toEqual(Object.keys(expected))
      expect(compare(actual, expected, tolerances(config, rows)).filter(({ passed }) => !passed)).toEqual([])
    }
    expect(device.bytesInUse).toBe(0)
  })

  it.each(cases.filter(({ size }) => size === 'small'))('solves conformance case $operator, $name', async (one) => {
    using device = await createWasmDevice({ threads: 2, poison: true })
    const differences = compare(await one.run(device), one.oracle!(), one.tolerance)
    expect(differences.filter(({ passed }) => !passed)).toEqual([])
  })

  it('gives equal bytes for any number of threads, and whether or not hidden activations were kept', async () => {
    const problem = createProblem(decoders, 1501, 5)
    const results: unknown[] = []
    for (const threads of [1, 2, 3]) {
      using device = await createWasmDevice({ threads, poison: true })
      for (const keep of ['hidden', 'nothing'] as const) results.push(bytes(await solve(device, problem, { keep })))
    }
    for (const result of results) expect(result).toEqual(results[0])
  })

  it('reads the number of rows from the device', async () => {
    using device = await createWasmDevice({ threads: 2, poison: true })
    const problem = createProblem(tails, 300, 6)
    for (const count of [0, 1, 63, 64, 257, 300]) {
      const behind = { ...problem, x: problem.x.slice(), vOutputs: problem.vOutputs.map((v) => v.slice()) }
      behind.x.fill(Number.NaN, count * tails.inputs)
      behind.vOutputs.forEach((v, i) => void v.fill(Number.NaN, count * tails.heads[i]!.outputs))
      expect(bytes(await solve(device, behind, { count }))).toEqual(
        bytes(await solve(device, firstRows(problem, count))),
      )
    }
  })

  it('adds to gradients, leaves frozen ones out, and can run backward twice', async () => {
    using device = await createWasmDevice({ threads: 2, poison: true })
    const problem = createProblem(tails, 70, 7)
    const once = await solve(device, problem)
    const twice = await solve(device, problem, { repeat: 2 })
    const frozen = await solve(device, problem, { frozen: true })
    for (const [name, values] of Object.entries(once)) {
      const isGradient = name.includes('.')
      expect(twice[name]).toEqual(isGradient ? values.map((value) => 2 * value) : values)
      expect(frozen[name]).toEqual(isGradient ? undefined : values)
    }
  })

  it('keeps rows apart: NaN, infinite, huge and denormal rows change no other row', async () => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const problem = createProblem(tails, 90, 8)
    const clean = await solve(device, problem, { frozen: true })
    const broken = { ...problem, x: problem.x.slice() }
    const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38, 1e-42, 0]
    const rows = new Map(values.map((value, i) => [5 + 13 * i, value]))
    for (const [row, value] of rows) broken.x.fill(value, row * tails.inputs, (row + 1) * tails.inputs)
    const actual = await solve(device, broken, { frozen: true })
    for (const [name, expected] of Object.entries(clean)) {
      const width = expected.length / problem.rows
      for (let row = 0; row < problem.rows; row++) {
        if (rows.has(row)) continue
        expect(actual[name]!.subarray(row * width, (row + 1) * width)).toEqual(
          expected.subarray(row * width, (row + 1) * width),
        )
      }
    }
    const width = tails.heads[0]!.outputs
    expect(actual['a']!.subarray(5 * width, 6 * width).every(Number.isNaN)).toBe(true)
    expect(actual['a']!.subarray(57 * width, 58 * width).some(Number.isNaN)).toBe(false)
  })

  it('lets no gradient through a unit that is exactly 0', async () => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const problem = createProblem(fieldHead({ inputs: 6, hidden: 10, outputs: 5 }), 9, 9)
    problem.x.fill(0)
    const result = await solve(device, problem)
    for (const values of Object.values(result)) expect(values.every((value) => value === 0)).toBe(true)
  })

  it('keeps sigmoid in range at the ends of float32', async () => {
    using device = await createWasmDevice({ threads: 1, poison: true })
    const config: HeadsConfig = {
      inputs: 1,
      biases: true,
      heads: [{ name: 'opacity', hidden: 1, outputs: 1, activation: 'sigmoid' }],
    }
    const problem: Problem = {
      config,
      rows: 4,
      x: Float32Array.of(-1, 0, 1, 2),
      parameters: [
        { w1: Float32Array.of(200), b1: Float32Array.of(0), w2: Float32Array.of(1), b2: Float32Array.of(-200) },
      ],
      vOutputs: [Float32Array.of(1, 1, 1, 1)],
    }
    const { opacity, vX } = await solve(device, problem)
    expect([...opacity!]).toEqual([0, 0, 0.5, 1])
    expect([...vX!]).toEqual([0, 0, 50, 0])
  })

  it('works with no rows at all', async () => {
    using device = await createWasmDevice({ threads: 2, poison: true })
    const result = await solve(device, createProblem(tails, 0, 1))
    expect(result['vX']).toHaveLength(0)
    expect(result['vA.w1']!.every((value) => value === 0)).toBe(true)
  })

  it('frees what it took', async () => {
    using device = await createWasmDevice({ threads: 2, poison: true })
    const random = createRandom(3)
    for (let i = 0; i < 3; i++) await solve(device, createProblem(tails, 1 + random.integer(500), i))
    expect(device.bytesInUse).toBe(0)
  })
})

function firstRows(problem: Problem, rows: number): Problem {
  return {
    ...problem,
    rows,
    x: problem.x.slice(0, rows * problem.config.inputs),
    vOutputs: problem.vOutputs.map((v, i) => v.slice(0, rows * problem.config.heads[i]!.outputs)),
  }
}

/** Digests of the bit patterns, so that -0 differs from 0 and NaN equals itself. */
function bytes(values: Record<string, Float32Array<ArrayBufferLike>>): Record<string, string> {
  const digest = (value: Float32Array<ArrayBufferLike>) =>
    createHash('sha256')
      .update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
      .digest('hex')
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, digest(value)]))
}
