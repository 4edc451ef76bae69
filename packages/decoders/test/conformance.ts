import { decoderHeads, fieldHead, type HeadsConfig, type Precision } from '@clipgstream/decoders'
import type { ConformanceCase, Tolerance } from '../../../tools/conformance/case.js'
import * as oracle from './oracle.js'
import { capital, createProblem, type Problem, solve } from './problem.js'

/**
 * Reordered float32 sums: gradients of weights sum over the rows, and their terms of order 1 cancel. In large cases a
 * few hidden units lie so close to 0 that the ReLU falls the other way: each changes its whole row of w1's gradient, and
 * with products in three parts, which round more, two may.
 */
export function tolerances(
  config: HeadsConfig,
  rows: number,
  precision: Precision = 'fp32',
): Record<string, Tolerance> {
  if (precision === 'tf32') return rounded(config, rows)
  const flips = rows > 1000 ? { flips: 1e-3, flipLimit: 2 } : {}
  // Outputs are those of tf32x3. Terms of gradients have rounded factors; their sums are of order 1, times N rows.
  const mixed = precision === 'mixed'
  const ofX = mixed ? { absolute: 2e-3, relative: 2e-3 } : { absolute: 1e-5, relative: 1e-5 }
  const ofSums = mixed
    ? { absolute: 2e-3 * Math.sqrt(rows), relative: 2e-3 }
    : { absolute: 2e-6 * Math.sqrt(rows), relative: 2e-5 }
  const layers = config.biases ? ['w1', 'b1', 'w2', 'b2'] : ['w1', 'w2']
  const flippedRows = (hidden: number) =>
    rows > 1000 && precision !== 'fp32' ? { flips: Math.max(1e-3, 2 / hidden), flipLimit: 2 } : flips
  return Object.fromEntries([
    ...config.heads.map(({ name }) => [name, { absolute: 2e-6, relative: 1e-5 }]),
    ['vX', { ...ofX, ...flips }],
    ...config.heads.flatMap(({ name, hidden }) =>
      layers.map((key) => [`v${capital(name)}.${key}`, { ...ofSums, ...(key === 'w1' ? flippedRows(hidden) : flips) }]),
    ),
  ])
}

/**
 * Factors of 11 bits. About one hidden unit in 2000 then lies on the other side of its ReLU, which shows in vX and in
 * every sum over rows: these are bounds of gross errors only.
 */
function rounded(config: HeadsConfig, rows: number): Record<string, Tolerance> {
  const outputs = config.heads.map(({ name }) => name)
  return Object.fromEntries(
    Object.keys(tolerances(config, rows)).map((name) => {
      if (outputs.includes(name)) return [name, { absolute: 3e-3, relative: 5e-3 }]
      if (name === 'vX') return [name, { absolute: 2e-2, relative: 5e-3, flips: 5e-2, flipLimit: 1 }]
      return [name, { absolute: 0.15 * Math.sqrt(rows), relative: 5e-3 }]
    }),
  )
}

/** What `solve` returns, in float64. */
export function solveOracle(problem: Problem): Record<string, Float64Array> {
  const { config, x, parameters, vOutputs } = problem
  const { outputs } = oracle.forward(config, x, parameters)
  const { vX, vParameters } = oracle.backward(config, x, parameters, vOutputs)
  const values: Record<string, Float64Array> = {}
  for (const [i, { name }] of config.heads.entries()) values[name] = outputs[i]!
  values['vX'] = vX
  for (const [i, gradients] of vParameters.entries()) {
    for (const [key, value] of Object.entries(gradients)) {
      if (value) values[`v${capital(config.heads[i]!.name)}.${key}`] = value
    }
  }
  return values
}

function conformanceCase(
  name: string,
  config: HeadsConfig,
  rows: number,
  size: 'small' | 'full',
  precision: Precision = 'fp32',
  scale = 1,
): ConformanceCase {
  const problem = () => {
    const plain = createProblem(config, rows, rows)
    return { ...plain, vOutputs: plain.vOutputs.map((values) => values.map((value) => value * scale)) }
  }
  const outputs = config.heads.map(({ name }) => name)
  const tolerance = Object.entries(tolerances(config, rows, precision)).map(([name, bound]) => [
    name,
    outputs.includes(name) ? bound : { ...bound, absolute: bound.absolute * scale },
  ])
  return {
    operator: 'decoders.heads',
    name: `${name}, ${rows} rows${precision === 'fp32' ? '' : `, ${precision}`}${scale === 1 ? '' : `, gradients times ${scale}`}`,
    size,
    tolerance: Object.fromEntries(tolerance),
    run: (device) => solve(device, problem(), { count: rows, precision }),
    ...(size === 'small' ? { oracle: () => solveOracle(problem()) } : {}),
  }
}

const tiny = decoderHeads({ features: 16, offsetsPerAnchor: 3 })
const usual = decoderHeads({ features: 128, offsetsPerAnchor: 10 })

export const cases: ConformanceCase[] = [
  conformanceCase('decoders, 16 features, K 3', tiny, 131, 'small'),
  conformanceCase('field 12-20-9', fieldHead({ inputs: 12, hidden: 20, outputs: 9 }), 77, 'small'),
  conformanceCase('decoders, 16 features, K 3', tiny, 131, 'small', 'tf32x3'),
  conformanceCase('decoders, 16 features, K 3', tiny, 131, 'small', 'mixed'),
  conformanceCase('decoders, 16 features, K 3', tiny, 131, 'small', 'mixed', 1e-9),
  conformanceCase('decoders, 16 features, K 3', tiny, 131, 'small', 'mixed', 1e6),
  conformanceCase('decoders, 128 features, K 10', usual, 4096, 'full'),
  conformanceCase('field 64-128-64', fieldHead({ inputs: 64, hidden: 128, outputs: 64 }), 16384, 'full'),
  // Hidden activations of half a GiB, which devices cut in pieces.
  conformanceCase('field 8-16384-8', fieldHead({ inputs: 8, hidden: 16384, outputs: 8 }), 9000, 'full'),
  conformanceCase('decoders, 128 features, K 10', usual, 4096, 'full', 'tf32x3'),
  conformanceCase('decoders, 128 features, K 10', usual, 4096, 'full', 'mixed'),
  conformanceCase('field 64-128-64', fieldHead({ inputs: 64, hidden: 128, outputs: 64 }), 16384, 'full', 'mixed'),
  conformanceCase('field 8-16384-8', fieldHead({ inputs: 8, hidden: 16384, outputs: 8 }), 9000, 'full', 'tf32x3'),
  conformanceCase('decoders, 128 features, K 10', usual, 4096, 'full', 'tf32'),
]
