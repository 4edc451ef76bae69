import { createHashGrid, gridLayout, originalGrid } from '@clipgstream/hashgrid'
import { createRandom } from '@clipgstream/tensor'
import type { CudaDevice } from '@clipgstream/tensor/cuda'
import type { Benchmark, Effort, Row } from './bench.js'
import { gpuTime, onGpu, peers, withFloor } from './gpu.js'

/** Milliseconds of tiny-cuda-nn's fp16 grid on an H100, forward and backward, by points and log2 of the entries. */
const tinyCudaNn: Record<string, readonly [number, number]> = {
  '100000 15': [0.23, 0.62],
  '1000000 15': [1.93, 6.25],
  '100000 17': [0.25, 0.73],
  '1000000 17': [2.07, 5.43],
}
/** Bytes a second of an H100's L2 cache; a figure of the literature. */
const cacheBandwidth = 5.5e12

export const benchmark: Benchmark = {
  name: 'hash grid on CUDA',
  description:
    '4D hash grid of 16 levels x 4 features in f32, at uniformly random points, which are unkind to caches. The floor is 12 ' +
    'sectors of 32 bytes a point and level at 5.5 TB/s of the L2 cache. The rival works in fp16.',
  run: (effort) =>
    onGpu(async (device) => {
      const rows: Row[] = []
      for (const log2TableSize of [15, 17]) {
        for (const points of [100_000, 1_000_000]) rows.push(...(await measure(device, log2TableSize, points, effort)))
      }
      return rows
    }),
}

async function measure(device: CudaDevice, log2TableSize: number, points: number, effort: Effort): Promise<Row[]> {
  const config = originalGrid(log2TableSize)
  const { entries } = gridLayout(config)
  const random = createRandom(1)
  const uniform = (length: number) => Float32Array.from({ length }, () => random.uniform())
  using _ = device.scope()
  const grid = await createHashGrid(device, config)
  const inputs = { points: device.from(uniform(4 * points), [points, 4]) }
  const table = device.from(uniform(entries * config.features), [entries, config.features])
  const vTable = device.zeros([entries, config.features])
  // Any gradients that are not zero.
  const vEncoded = grid.forward(inputs, table)

  const forward = await gpuTime(device, { work: () => grid.forward(inputs, table) }, effort)
  const backward = await gpuTime(device, { work: () => grid.backward(inputs, vEncoded, vTable) }, effort)
  const [theirForward, theirBackward] = tinyCudaNn[`${points} ${log2TableSize}`] ?? [Number.NaN, Number.NaN]
  const floor = (1e3 * points * config.levels * 12 * 32) / cacheBandwidth
  const row = (what: string, value: number, rival: number): Row[] => {
    const ratios = peers(device, value, { 'tiny-cuda-nn fp16': rival })
    return withFloor(
      { what: `${points / 1000}k points, 2^${log2TableSize}: ${what}`, value, unit: 'ms', ratios },
      floor,
    )
  }
  const both = forward + backward
  return [
    ...row('forward', forward, theirForward),
    ...row('backward', backward, theirBackward),
    {
      what: `${points / 1000}k points, 2^${log2TableSize}: forward and backward`,
      value: points / 1e3 / both,
      unit: 'Mpoints/s',
      ratios: peers(device, both, { 'tiny-cuda-nn fp16': theirForward + theirBackward }),
    },
  ]
}
