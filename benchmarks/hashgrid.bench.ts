import { createHashGrid, gridLayout, type HashGridConfig, originalGrid } from '@clipgstream/hashgrid'
import { createRandom } from '@clipgstream/tensor'
import type { WasmDevice } from '@clipgstream/tensor/wasm'
import { gridShape, preset } from '@clipgstream/trainer'
import { agreeWith } from './agree.js'
import { atMost, type Benchmark, compareTimes, type Effort, type Row } from './bench.js'
import { plainEncode, plainEncodeBackward } from './plain/hashgrid.js'
import { perSecond, threadRows, withThreads } from './threads.js'

const points = 100_000

export const benchmark: Benchmark = {
  name: 'hash grid',
  description:
    `4D hash grid at ${points} uniformly random points, which are unkind to caches. There is no tfjs rival: tfjs has no ` +
    'exclusive or of integers to hash with, and its WebAssembly backend lacks the gradient of a gather.',
  async run(effort) {
    return [
      ...(await compare('16 levels x 4 features, 2^17 entries', originalGrid(17), atMost(5, effort))),
      ...(await compare('mini preset', gridShape(preset('mini').grid), atMost(5, effort))),
    ]
  },
}

async function compare(what: string, config: HashGridConfig, effort: Effort): Promise<Row[]> {
  const layout = gridLayout(config)
  const random = createRandom(1)
  const uniform = (length: number) => Float32Array.from({ length }, () => random.uniform())
  const x = uniform(4 * points)
  const table = uniform(layout.entries * config.features)
  const v = uniform(points * layout.width)
  const plainTable = new Float32Array(table.length)

  const setUp = async (device: WasmDevice) => {
    const grid = await createHashGrid(device, config)
    const inputs = { points: device.from(x, [points, 4]) }
    const entries = device.from(table, [layout.entries, config.features])
    const vEncoded = device.from(v, [points, layout.width])
    const vTable = device.zeros([layout.entries, config.features])
    return {
      device,
      vTable,
      forward: () => grid.forward(inputs, entries),
      backward: () => grid.backward(inputs, vEncoded, vTable),
    }
  }
  const forward = ({ device, forward }: Awaited<ReturnType<typeof setUp>>) => {
    using _ = device.scope()
    forward()
  }
  return withThreads(setUp, async ({ one, two }) => {
    {
      using _ = one.device.scope()
      await agreeWith(one.forward(), plainEncode(layout, x, table), 'encoded', 1e-6)
      one.backward()
      plainEncodeBackward(layout, x, v, plainTable)
      await agreeWith(one.vTable, plainTable, 'vTable', 1e-5)
    }
    const times = await compareTimes(
      {
        one: () => forward(one),
        two: () => forward(two),
        plain: () => plainEncode(layout, x, table),
        backwardOne: one.backward,
        backwardTwo: two.backward,
        backwardPlain: () => plainEncodeBackward(layout, x, v, plainTable),
      },
      effort,
    )
    const measure = perSecond(points, 'Mpoints/s')
    return [
      ...threadRows(`${what}: forward`, measure, times, { 'plain JS': { time: times.plain } }),
      ...threadRows(
        `${what}: backward`,
        measure,
        { one: times.backwardOne, two: times.backwardTwo },
        { 'plain JS': { time: times.backwardPlain } },
      ),
    ]
  })
}
