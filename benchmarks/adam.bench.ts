import { type AdamStep, createAdam } from '@clipgstream/optimizers'
import { createRandom } from '@clipgstream/tensor'
import type { WasmDevice } from '@clipgstream/tensor/wasm'
import { agreeWith } from './agree.js'
import { type Benchmark, compareTimes, type Effort, type Row } from './bench.js'
import { plainAdam } from './plain/adam.js'
import { perSecond, threadRows, withThreads } from './threads.js'

const rows = 1_000_000
const width = 4

export const benchmark: Benchmark = {
  name: 'adam',
  description:
    `One step on ${rows} rows of ${width} values. GB/s count what must move: 32 bytes a value (parameter, gradient and two ` +
    'moments, read and written); of a row that lazy Adam skips, 4 bytes a value. A tenth of the rows has a gradient where it is lazy.',
  async run(effort) {
    return [...(await compare('dense', false, effort)), ...(await compare('lazy', true, effort))]
  },
}

async function compare(what: string, lazy: boolean, effort: Effort): Promise<Row[]> {
  const random = createRandom(1)
  const values = Float32Array.from({ length: rows * width }, () => random.normal())
  const used = Array.from({ length: rows }, () => !lazy || random.uniform() < 0.1)
  const gradients = values.map((value, i) => (used[Math.floor(i / width)] ? 0.01 * value : 0))
  const settings: AdamStep = { learningRate: 1e-3, step: 10, epsilon: 1e-8, lazy }

  const setUp = async (device: WasmDevice) => {
    const adam = await createAdam(device)
    const parameter = device.from(values, [rows, width])
    const gradient = device.from(gradients, [rows, width])
    const state = adam.state(parameter)
    return {
      parameter,
      prepare: () => device.write(gradient, gradients),
      work: () => adam.step(parameter, gradient, state, settings),
    }
  }
  const arrays = {
    parameter: values.slice(),
    gradient: gradients.slice(),
    m: new Float32Array(values.length),
    v: new Float32Array(values.length),
  }
  const plain = {
    prepare: () => arrays.gradient.set(gradients),
    work: () => plainAdam(arrays, settings, width),
  }
  return withThreads(setUp, async ({ one, two }) => {
    one.work()
    plain.work()
    await agreeWith(one.parameter, arrays.parameter, 'parameters', 1e-6)
    const times = await compareTimes({ one, two, plain }, effort)
    const touched = used.filter(Boolean).length
    const bytes = width * (32 * touched + 4 * (rows - touched))
    return threadRows(what, perSecond(bytes, 'GB/s'), times, { 'plain JS': { time: times.plain } })
  })
}
