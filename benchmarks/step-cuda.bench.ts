import { fileURLToPath } from 'node:url'
import { sceneExtent } from '@clipgstream/camera'
import { createImageStore, openDataset } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import type { CudaDevice, KernelTime } from '@clipgstream/tensor/cuda'
import {
  ClipOptimizer,
  type Config,
  createMemoryRun,
  createModel,
  createSampler,
  createStepGraphs,
  createTrainingOperators,
  datasetOptions,
  type Example,
  initialState,
  lossAndGradient,
  resolveConfig,
  type Shot,
  type StepWork,
  type TrainingData,
  type TrainingOperators,
  timeOf,
  train,
  trainingData,
  uploadExample,
} from '@clipgstream/trainer'
import type { Benchmark, Effort, Row } from './bench.js'
import { onGpu } from './gpu.js'

const folder = process.env['STEP_DATASET'] ?? fileURLToPath(new URL('../samples/court-mini', import.meta.url))
const preset = process.env['STEP_PRESET'] ?? 'default'
const overrides = (process.env['STEP_SET'] ?? '').split(' ').filter(Boolean)
const views = (process.env['STEP_VIEWS'] ?? '1 2 4').split(' ').map(Number)
/** Steps of the training that is timed, the first fifth of them to warm up. */
const trainedSteps = Number(process.env['STEP_STEPS'] ?? 500)

export const benchmark: Benchmark = {
  name: 'a training step on CUDA',
  description:
    `The reference clip of ${folder} with the ${preset} preset. \`training\` is \`train\` as it is, photographs and events ` +
    'included. `enqueued` is what the host does for a step while the GPU has nothing to do; `step alone` the way of a step ' +
    'through an idle GPU. Operators and kernels are GPU time between events, behind work that keeps the GPU busy until all is ' +
    'enqueued. STEP_DATASET, STEP_PRESET, STEP_SET="key=value ...", STEP_VIEWS="1 2 4" and STEP_STEPS choose others.',
  run: (effort) =>
    onGpu(async (device) => {
      const rows: Row[] = []
      for (const viewsPerStep of views) {
        const config = (graph: boolean) =>
          resolveConfig({
            preset,
            overrides: [
              ...overrides,
              `sampling.viewsPerStep=${viewsPerStep}`,
              `execution.graph=${graph}`,
              'checkpointing.every=null',
              'checkpointing.evaluateAt=[]',
            ],
          })
        const data = await load(config(true))
        const name = viewsPerStep === 1 ? '1 view' : `${viewsPerStep} views`
        const graph = await training(device, config(true), data, effort)
        const plain = await training(device, config(false), data, effort)
        const ratios = { 'launch by launch': graph / plain }
        rows.push({ what: `${name}: training`, value: graph, unit: 'iterations/s', ratios })
        rows.push({ what: `${name}: training, launch by launch`, value: plain, unit: 'iterations/s' })
        rows.push(...(await single(device, config(true), data, effort, name)))
      }
      return rows
    }),
}

async function load(config: Config): Promise<TrainingData> {
  const dataset = await openDataset(nodeFolder(folder), datasetOptions(config))
  const store = createImageStore(dataset, createNodeDecoder(), { maxBytes: 2 ** 31, concurrency: 8 })
  return trainingData(dataset, store, config)
}

/** Iterations a second of `train`, from its own events. */
async function training(device: CudaDevice, config: Config, data: TrainingData, effort: Effort): Promise<number> {
  const iterations = effort.rounds > 1 ? trainedSteps : 20
  const logEvery = Math.max(1, Math.round(iterations / 20))
  const shortened = {
    ...config,
    optimizer: { ...config.optimizer, iterations },
    checkpointing: { ...config.checkpointing, logEvery },
  }
  const rates: number[] = []
  for await (const event of train({ data, device, run: createMemoryRun(), config: shortened, clips: [0] })) {
    if (event.type === 'step' && event.iteration > iterations / 5) rates.push(event.rate)
  }
  return median(rates)
}

/** One step at a time: on the host, through the GPU, and by operator and kernel. */
async function single(
  device: CudaDevice,
  config: Config,
  data: TrainingData,
  effort: Effort,
  name: string,
): Promise<Row[]> {
  const spans: Span[] = []
  const operators = await createTrainingOperators(device, config)
  const spanned = spannedOperators(device, operators, spans)
  const { state } = await initialState(config, data, 0, null)
  using model = createModel(operators, state)
  const cameras = data.cameras.filter(({ test }) => !test)
  const extent = sceneExtent(cameras.map(({ view }) => view)).radius
  const rate = config.colorCompensation.rate
  using optimizer = new ClipOptimizer(operators, model, config.optimizer, extent, rate)
  using observed = new ClipOptimizer(spanned, model, config.optimizer, extent, rate)
  using _ = device.scope()
  const examples = await someExamples(device, config, data, 16)
  const work =
    (through: TrainingOperators, of: ClipOptimizer): StepWork =>
    (inputs) => {
      const result = lossAndGradient(through, config, model, of.gradients, inputs)
      of.update()
      return result
    }
  const { background } = config.rasterizer
  const exampleAt = (i: number): Example => examples[i % examples.length]!
  const rows: Row[] = []

  for (const graph of [true, false]) {
    using graphs = await createStepGraphs(operators, { ...config, execution: { ...config.execution, graph } })
    const step = async (i: number) => {
      optimizer.setRates(i)
      if (graphs) await graphs.step('benchmark', exampleAt(i), work(operators, optimizer), () => {})
      else {
        using _step = device.scope()
        work(operators, optimizer)(uploadExample(device, exampleAt(i), background))
      }
    }
    for (let i = 0; i < 20; i++) await step(i)
    const host: number[] = []
    const whole: number[] = []
    for (let i = 0; i < 8 * effort.rounds; i++) {
      await device.synchronize()
      const started = performance.now()
      await step(i)
      host.push(performance.now() - started)
      await device.synchronize()
      whole.push(performance.now() - started)
    }
    const how = graph ? '' : ', launch by launch'
    rows.push({ what: `${name}: enqueued${how}`, value: median(host), unit: 'ms' })
    rows.push({ what: `${name}: step alone${how}`, value: median(whole), unit: 'ms' })
  }

  const rounds = Math.max(2, effort.rounds)
  const profiled = async (through: TrainingOperators, of: ClipOptimizer) => {
    const times: KernelTime[] = []
    for (let i = 0; i < rounds; i++) {
      using _step = device.scope()
      of.setRates(i)
      const inputs = uploadExample(device, exampleAt(i), background)
      keepBusy(device)
      times.push(...(await device.profile(() => work(through, of)(inputs))))
    }
    return times
  }
  const kernels = new Map<string, { time: number; launches: number }>()
  for (const { kernel, milliseconds, launches } of await profiled(operators, optimizer)) {
    const sum = kernels.get(kernel) ?? { time: 0, launches: 0 }
    kernels.set(kernel, { time: sum.time + milliseconds / rounds, launches: sum.launches + launches / rounds })
  }
  for (let i = 0; i < rounds; i++) {
    using _step = device.scope()
    const inputs = uploadExample(device, exampleAt(i), background)
    keepBusy(device)
    work(spanned, observed)(inputs)
  }
  const byOperator = new Map<string, number>()
  for (const { what, start, end } of spans.splice(0)) {
    await end.reached()
    byOperator.set(what, (byOperator.get(what) ?? 0) + end.millisecondsSince(start) / rounds)
    start[Symbol.dispose]()
    end[Symbol.dispose]()
  }
  const descending = ([, a]: [string, number], [, b]: [string, number]) => b - a
  const total = [...byOperator.values()].reduce((sum, time) => sum + time, 0)
  rows.push({ what: `${name}: all operators`, value: total, unit: 'ms' })
  for (const [what, time] of [...byOperator].sort(descending)) {
    rows.push({ what: `${name}: ${what}, ${((100 * time) / total).toFixed(1)} %`, value: time, unit: 'ms' })
  }
  for (const [kernel, { time, launches }] of [...kernels].sort(([, a], [, b]) => b.time - a.time)) {
    if (time >= 0.002) rows.push({ what: `${name}: kernel ${kernel} x ${launches}`, value: time, unit: 'ms' })
  }
  return rows
}

/** Steps of the first epoch with their photographs on the device. */
async function someExamples(device: CudaDevice, config: Config, data: TrainingData, count: number): Promise<Example[]> {
  const trainCameras = data.cameras.flatMap(({ test }, index) => (test ? [] : [index]))
  const [clip] = data.clips
  if (!clip) throw new Error('there is no clip')
  const sampler = createSampler({
    seed: 0,
    clip: 0,
    cameras: trainCameras.length,
    frames: clip,
    viewsPerStep: config.sampling.viewsPerStep,
    repeatLast: false,
  })
  const examples: Example[] = []
  for (let i = 0; i < count; i++) {
    const { frame, cameras } = sampler.at(i)
    const shots: Shot[] = []
    for (const colorRow of cameras) {
      const camera = trainCameras[colorRow]!
      const { view } = data.cameras[camera]!
      const bytes = new Uint8Array(await data.image(camera, frame))
      shots.push({ view, colorRow, target: device.from(bytes, [view.height, view.width, 3]) })
    }
    examples.push({ time: timeOf(frame, clip, config.clips, 'training'), shots })
  }
  return examples
}

/** About ten milliseconds of work: what is enqueued meanwhile then runs without gaps. */
function keepBusy(device: CudaDevice): void {
  using block = device.empty([1 << 28], 'u8')
  for (let i = 0; i < 100; i++) device.fill(block, 0)
}

interface Span {
  what: string
  start: ReturnType<CudaDevice['record']>
  end: ReturnType<CudaDevice['record']>
}

function spannedOperators(device: CudaDevice, operators: TrainingOperators, spans: Span[]): TrainingOperators {
  const spanned = <T extends object>(name: string, operator: T): T =>
    new Proxy(operator, {
      get(target, key) {
        const member: unknown = Reflect.get(target, key, target)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          const start = device.record()
          const result: unknown = Reflect.apply(member, target, args)
          if (key === 'state') start[Symbol.dispose]()
          else spans.push({ what: `${name}.${String(key)}`, start, end: device.record() })
          return result
        }
      },
    })
  return {
    device,
    table: operators.table,
    anchors: spanned('anchors', operators.anchors),
    grid: spanned('hash grid', operators.grid),
    fieldNet: spanned('field network', operators.fieldNet),
    decoders: spanned('decoders', operators.decoders),
    rasterizer: spanned('rasterizer', operators.rasterizer),
    photometric: spanned('L1 and SSIM', operators.photometric),
    volume: spanned('volume', operators.volume),
    colorAffine: spanned('colour maps', operators.colorAffine),
    adam: spanned('adam', operators.adam),
  }
}

function median(values: number[]): number {
  values.sort((a, b) => a - b)
  return values[values.length >> 1] ?? Number.NaN
}
