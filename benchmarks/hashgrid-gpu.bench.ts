import { createHashGrid, gridLayout, originalGrid } from '@clipgstream/hashgrid'
import { createRandom, toF16 } from '@clipgstream/tensor'
import type { Benchmark, Effort, Row } from './bench.js'
import { peers, withFloor } from './gpu.js'
import { type Gpu, onGpus, timeOf } from './gpus.js'

/** Milliseconds of tiny-cuda-nn's fp16 grid on an H100, forward and backward, by points and log2 of the entries. */
const tinyCudaNn: Record<string, readonly [number, number]> = {
  '100000 15': [0.23, 0.62],
  '1000000 15': [1.93, 6.25],
  '100000 17': [0.25, 0.73],
  '1000000 17': [2.07, 5.43],
}
/** Bytes a second of an H100's L2 cache; a figure of the literature. */
const cacheBandwidth = 5.5e12

/** Uniformly random points, or those of one frame: a common time, and crowded in the middle. */
type Spread = 'uniform' | 'one frame'

export const benchmark: Benchmark = {
  name: 'hash grid on GPUs',
  description:
    '4D hash grid of 16 levels x 4 features in f32, at uniformly random points, which are unkind to caches, and at points of ' +
    'one frame that crowd in the middle, where gradients meet in the same entries. The floor is 12 sectors of 32 bytes a point ' +
    'and level at 5.5 TB/s of the L2 cache, 10 sectors where the table is in f16. tiny-cuda-nn works in fp16, at ' +
    'uniform points. WebGPU adds gradients in fixed point, or in floats by compare-and-swap.',
  run: (effort) =>
    onGpus(async (device) => {
      const rows: Row[] = []
      for (const log2TableSize of [15, 17]) {
        for (const points of [100_000, 1_000_000]) {
          rows.push(...(await measure(device, log2TableSize, points, 'uniform', effort)))
        }
      }
      for (const log2TableSize of [17, 19, 20]) {
        rows.push(...(await measure(device, log2TableSize, 100_000, 'one frame', effort)))
      }
      return rows
    }),
}

async function measure(
  device: Gpu,
  log2TableSize: number,
  points: number,
  spread: Spread,
  effort: Effort,
): Promise<Row[]> {
  const config = originalGrid(log2TableSize)
  const { entries } = gridLayout(config)
  const random = createRandom(1)
  const uniform = (length: number) => Float32Array.from({ length }, () => random.uniform())
  const crowded = (_: unknown, i: number) =>
    i % 4 === 3 ? 0.35 : Math.min(1, Math.max(0, 0.5 + 0.08 * random.normal()))
  using _ = device.scope()
  const grid = await createHashGrid(device, config)
  const places = spread === 'uniform' ? uniform(4 * points) : Float32Array.from({ length: 4 * points }, crowded)
  const inputs = { points: device.from(places, [points, 4]) }
  const values = uniform(1 << 20)
  const shape = [entries, config.features]
  const table = device.from(repeated(values, new Float32Array(entries * config.features)), shape)
  const halves = Uint16Array.from(values, toF16)
  const halfTable = device.from(repeated(halves, new Uint16Array(entries * config.features)), shape)
  const vTable = device.zeros(shape)
  // Any gradients that are not zero.
  const vEncoded = grid.forward(inputs, table)

  const forward = await timeOf(device, { work: () => grid.forward(inputs, table) }, effort)
  const half = await timeOf(device, { work: () => grid.forward(inputs, halfTable) }, effort)
  const backward = await timeOf(device, { work: () => grid.backward(inputs, vEncoded, vTable) }, effort)
  const known = spread === 'uniform' ? tinyCudaNn[`${points} ${log2TableSize}`] : undefined
  const floorOf = (sectors: number) => (1e3 * points * config.levels * sectors * 32) / cacheBandwidth
  const floor = floorOf(12)
  const where = `${points / 1000}k points${spread === 'uniform' ? '' : ' of one frame'}, 2^${log2TableSize}`
  const rivals = (value: number, rival: number | undefined) =>
    rival === undefined ? {} : peers(device, value, { 'tiny-cuda-nn fp16': rival })
  const row = (what: string, value: number, rival: number | undefined): Row[] =>
    withFloor({ what: `${where}: ${what}`, value, unit: 'ms', ratios: rivals(value, rival) }, floor)
  const ofHalf = {
    what: `${where}: forward, table in f16`,
    value: half,
    unit: 'ms',
    ratios: { 'table in f32': forward / half },
  }
  const both = forward + backward
  const rows: Row[] = [
    ...row('forward', forward, known?.[0]),
    ...withFloor(ofHalf, floorOf(10)),
    ...row('backward', backward, known?.[1]),
    {
      what: `${where}: forward and backward`,
      value: points / 1e3 / both,
      unit: 'Mpoints/s',
      ratios: rivals(both, known && known[0] + known[1]),
    },
  ]
  if (device.kind === 'cuda') return rows
  const other = await createHashGrid(device, config, { gradients: 'float' })
  const swapping = await timeOf(device, { work: () => other.backward(inputs, vEncoded, vTable), repeat: 5 }, effort)
  const ratios = { 'fixed point': backward / swapping }
  return [...rows, { what: `${where}: backward by compare-and-swap`, value: swapping, unit: 'ms', ratios }]
}

/** `values` over and over, as often as they fit: drawing as many would take longer than what is measured. */
function repeated<T extends Float32Array | Uint16Array>(values: T, into: T): T {
  for (let at = 0; at < into.length; at += values.length) into.set(values.subarray(0, into.length - at), at)
  return into
}
