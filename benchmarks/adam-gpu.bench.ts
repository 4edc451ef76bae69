import { type AdamGroup, type AdamStep, adamRates, createAdam } from '@clipgstream/optimizers'
import { createRandom, type Tensor } from '@clipgstream/tensor'
import type { Benchmark, Effort, Row } from './bench.js'
import { memoryBandwidth } from './gpu.js'
import { type Gpu, onGpus, timeOf } from './gpus.js'

const rows = 2_000_000
const width = 4
const usual: AdamStep = { learningRate: 1e-3, step: 10, epsilon: 1e-8 }

export const benchmark: Benchmark = {
  name: 'adam on GPUs',
  description:
    `One step on ${rows} rows of ${width} values. GB/s count what must move: 32 bytes a value (parameter, gradient and two ` +
    'moments, read and written), 34 with a copy in f16; of a row that lazy Adam skips, 4 bytes a value. A tenth of the ' +
    'rows has a gradient where it is lazy. ' +
    'Then 24 groups of the sizes of decoders and fields, together (on CUDA in one launch) and one by one.',
  run: (effort) =>
    onGpus(async (device) => [
      ...(await single(device, false, effort)),
      ...(await single(device, true, effort)),
      ...(await single(device, false, effort, true)),
      ...(await single(device, true, effort, true)),
      ...(await many(device, effort)),
    ]),
}

async function single(device: Gpu, lazy: boolean, effort: Effort, copied = false): Promise<Row[]> {
  const random = createRandom(1)
  const values = Float32Array.from({ length: rows * width }, () => random.normal())
  const used = Array.from({ length: rows }, () => !lazy || random.uniform() < 0.1)
  const touched = used.filter(Boolean).length
  using _ = device.scope()
  const adam = await createAdam(device)
  const parameter = device.from(values, [rows, width])
  const state = adam.state(parameter)
  const gradients = device.from(
    values.map((value, i) => (used[Math.floor(i / width)] ? 0.01 * value : 0)),
    [rows, width],
  )
  const gradient = device.zeros([rows, width])
  const copy: Tensor<'f16'> | null = copied ? device.zeros([rows, width], 'f16') : null
  const groups = [{ parameter, gradient, state, copy, settings: { ...usual, lazy } }]
  const rates = device.from(adamRates([usual]), [1, 2])
  // Captured on CUDA, so that the time is the GPU's and not that of a host that has just started.
  adam.stepAll(groups, rates)
  using graph = device.kind === 'cuda' ? device.capture(() => adam.stepAll(groups, rates)) : null
  // A step clears the gradient: each gets a new one before.
  const time = await timeOf(
    device,
    {
      prepare: () => device.copy(gradients, gradient),
      work: () => (graph ? graph.launch() : adam.stepAll(groups, rates)),
    },
    effort,
  )
  const bytes = width * ((copied ? 34 : 32) * touched + 4 * (rows - touched))
  const speed = bytes / 1e6 / time
  const what = `${lazy ? 'lazy' : 'dense'}${copied ? ', with a copy in f16' : ''}`
  return [
    { what, value: time, unit: 'ms' },
    { what, value: speed, unit: 'GB/s' },
    { what: `${what}, share of the floor`, value: (100 * speed * 1e9) / memoryBandwidth, unit: '%' },
  ]
}

async function many(device: Gpu, effort: Effort): Promise<Row[]> {
  const layer = (inputs: number, outputs: number) => [[outputs, inputs], [outputs]]
  const shapes = [
    ...[10, 30, 70, 30].flatMap((outputs) => [...layer(128, 256), ...layer(256, outputs)]),
    ...[...layer(64, 128), ...layer(128, 64)],
    ...[
      [100_000, 32],
      [100_000, 6],
      [36, 12],
    ],
    [500_000, 4],
  ]
  using _ = device.scope()
  const adam = await createAdam(device)
  const groups = shapes.map((shape, i): AdamGroup => {
    const parameter = device.zeros(shape)
    const gradient = device.empty(shape)
    device.fill(gradient, 1e-3)
    return { parameter, gradient, state: adam.state(parameter), settings: { ...usual, lazy: i === shapes.length - 1 } }
  })
  const rates = device.from(adamRates(groups.map(() => usual)), [groups.length, 2])
  const together = await timeOf(device, { work: () => adam.stepAll(groups, rates) }, effort)
  const apart = await timeOf(
    device,
    {
      work: () => {
        for (const { parameter, gradient, state, settings } of groups)
          adam.step(parameter, gradient, state, { ...usual, ...settings })
      },
    },
    effort,
  )
  const ratios = { 'one by one': apart / together }
  return [{ what: `${groups.length} groups together`, value: together, unit: 'ms', ratios }]
}
