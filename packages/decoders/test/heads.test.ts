import { createHash } from 'node:crypto'
import { decoderHeads, fieldHead, type HeadsConfig } from '@clipgstream/decoders'
import { createRandom } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'
import { compare } from '../../../tools/conformance/case.js'
import { solveOracle, tolerances } from './conformance.js'
import { createProblem, firstRows, solve } from './problem.js'
import { headsSuite } from './suite.js'

headsSuite('wasm', await createWasmDevice({ threads: 2, poison: true }), {
  exact: ['fp32'],
  counts: [0, 1, 128, 257, 300],
})

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
    ['tails', tails, 67],
    ['decoders', decoders, 333],
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

  it('frees what it took', async () => {
    using device = await createWasmDevice({ threads: 2, poison: true })
    const random = createRandom(3)
    for (let i = 0; i < 3; i++) await solve(device, createProblem(tails, 1 + random.integer(500), i))
    expect(device.bytesInUse).toBe(0)
  })
})

/** Digests of the bit patterns, so that -0 differs from 0 and NaN equals itself. */
function bytes(values: Record<string, Float32Array<ArrayBufferLike>>): Record<string, string> {
  const digest = (value: Float32Array<ArrayBufferLike>) =>
    createHash('sha256')
      .update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
      .digest('hex')
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, digest(value)]))
}
