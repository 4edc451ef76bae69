import { createHashGrid, gridLayout, type HashGridConfig, originalGrid } from '@clipgstream/hashgrid'
import { createRandom, type Device, fromF16, toF16 } from '@clipgstream/tensor'
import type { ConformanceCase } from '../../../tools/conformance/case.js'
import { oracleBackward, oracleForward } from './oracle.js'

interface Problem {
  points: Float32Array<ArrayBuffer>
  table: Float32Array<ArrayBuffer>
  vEncoded: Float32Array<ArrayBuffer>
}

/** Uniform points with borders, the outside and NaN among them; values of the table and gradients in (-1, 1). */
export function problem(config: HashGridConfig, n: number, seed: number): Problem {
  const random = createRandom(seed)
  const { entries, width } = gridLayout(config)
  const values = (length: number) => Float32Array.from({ length }, () => random.uniform() * 2 - 1)
  const points = Float32Array.from({ length: n * 4 }, () => random.uniform())
  const special = [0, 1, -0, 0.5, 2 ** -149, 1 - 2 ** -24, -(2 ** -149), 1 + 2 ** -23, Number.NaN, Infinity, -Infinity]
  for (let i = 0; i < n * 4; i += 37) points[i] = special[random.integer(special.length)]!
  return { points, table: values(entries * config.features), vEncoded: values(n * width) }
}

/** Binary16 bits of the table's values, of which every other is denormal or nearly so. */
function halvesOf(table: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(table, (value, i) => toF16(i % 2 ? value : value * 2 ** -13))
}

async function forward(device: Device, config: HashGridConfig, n: number, seed: number, isHalf: boolean) {
  const { points, table } = problem(config, n, seed)
  using _scope = device.scope()
  const grid = await createHashGrid(device, config)
  const values = isHalf ? halvesOf(table) : table
  const encoded = grid.forward(
    { points: device.from(points, [n, 4]) },
    device.from(values, [grid.entries, config.features]),
  )
  return { encoded: await encoded.read() }
}

async function backward(device: Device, config: HashGridConfig, n: number, seed: number) {
  const { points, vEncoded } = problem(config, n, seed)
  using _scope = device.scope()
  const grid = await createHashGrid(device, config)
  const vTable = device.zeros([grid.entries, config.features])
  grid.backward({ points: device.from(points, [n, 4]) }, device.from(vEncoded, [n, grid.width]), vTable)
  return { vTable: await vTable.read() }
}

const small = { levels: 5, log2TableSize: 10, baseResolution: 3, growth: 1.5, indexing: 'exact' } as const
const configs: { name: string; size: ConformanceCase['size']; n: number; config: HashGridConfig }[] = [
  ...[1, 2, 4, 8].map((features) => ({
    name: `300 points, 5 levels of ${features}`,
    size: 'small' as const,
    n: 300,
    config: { ...small, features },
  })),
  {
    name: '200 points, coarse time axis',
    size: 'small',
    n: 200,
    config: { ...small, features: 4, timeBaseResolution: 2, timeGrowth: 1 },
  },
  {
    name: '200 points, finest levels, wrapping',
    size: 'small',
    n: 200,
    config: { levels: 4, features: 4, log2TableSize: 17, baseResolution: 2 ** 15, growth: 2, indexing: 'wrapping' },
  },
  { name: '60 points, original grid, T 2^15', size: 'small', n: 60, config: originalGrid(15) },
  { name: '100k points, original grid, T 2^17', size: 'full', n: 100_000, config: originalGrid(17) },
  // On WebGPU more than 65,535 workgroups, and sums of gradients in several pieces.
  { name: '150k points, original grid, T 2^19', size: 'full', n: 150_000, config: originalGrid(19) },
]

export const cases: ConformanceCase[] = configs.flatMap(({ name, size, n, config }, seed) => [
  ...[false, true].map(
    (isHalf): ConformanceCase => ({
      operator: 'hashgrid.forward',
      name: isHalf ? `${name}, table in f16` : name,
      size,
      tolerance: { encoded: { absolute: 1e-6, relative: 0 } },
      run: (device) => forward(device, config, n, seed, isHalf),
      ...(size === 'small' && {
        oracle: () => {
          const { points, table } = problem(config, n, seed)
          const values = isHalf ? Float32Array.from(halvesOf(table), fromF16) : table
          return { encoded: oracleForward(config, points, values) }
        },
      }),
    }),
  ),
  {
    operator: 'hashgrid.backward',
    name,
    size,
    tolerance: { vTable: { absolute: 1e-5, relative: 1e-5 } },
    run: (device) => backward(device, config, n, seed),
    ...(size === 'small' && {
      oracle: () => {
        const { points, vEncoded } = problem(config, n, seed)
        return { vTable: oracleBackward(config, points, vEncoded) }
      },
    }),
  },
])
