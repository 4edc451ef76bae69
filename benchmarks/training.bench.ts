import { fileURLToPath } from 'node:url'
import { sceneExtent } from '@clipgstream/camera'
import { createImageStore, openDataset } from '@clipgstream/io'
import { createNodeDecoder, nodeFolder } from '@clipgstream/io/node'
import type { WasmDevice } from '@clipgstream/tensor/wasm'
import {
  ClipOptimizer,
  type Config,
  createModel,
  createSampler,
  createTrainingOperators,
  datasetOptions,
  initialState,
  resolveConfig,
  type TrainingData,
  type TrainingOperators,
  timeOf,
  trainingData,
  trainStep,
  uploadExample,
} from '@clipgstream/trainer'
import { type Benchmark, compareTimes, type Row } from './bench.js'
import { withThreads } from './threads.js'
import { type CallTimes, timed } from './timed.js'

const steps = 40
const warmUp = 10

export const benchmark: Benchmark = {
  name: 'training',
  description:
    `Steps of the reference clip of court-mini (160x90) with the mini preset: median of ${steps} after ${warmUp}, a step on ` +
    'one thread and the same on two in turns; the photograph is there already, as in training, which decodes ahead. ' +
    'Below, the median time of a step in each operator.',
  async run({ rounds }) {
    const config = resolveConfig({ preset: 'mini' })
    const dataset = await openDataset(
      nodeFolder(fileURLToPath(new URL('../samples/court-mini', import.meta.url))),
      datasetOptions(config),
    )
    const data = await trainingData(dataset, createImageStore(dataset, createNodeDecoder()), config)
    const effort = rounds > 1 ? { rounds: steps, warmUp } : { rounds: 5, warmUp: 2 }
    return withThreads(
      (device) => createTrainer(device, config, data, effort.warmUp),
      async ({ one, two }) => {
        const times = await compareTimes({ one, two }, effort)
        const [oneThread, twoThreads] = [one.medians(), two.medians()]
        return [
          { what: '1 thread', value: 1000 / times.one.median, unit: 'iterations/s' },
          {
            what: '2 threads',
            value: 1000 / times.two.median,
            unit: 'iterations/s',
            ratios: { '1 thread': times.one.median / times.two.median },
          },
          ...splitRows('1 thread', oneThread, {}),
          ...splitRows('2 threads', twoThreads, { '1 thread': oneThread }),
        ]
      },
    )
  },
}

function splitRows(threads: string, medians: CallTimes, rivals: Record<string, CallTimes>): Row[] {
  return [...medians]
    .filter(([, time]) => time >= 0.05)
    .sort(([, a], [, b]) => b - a)
    .map(([what, value]) => ({
      what: `step on ${threads}: ${what}`,
      value,
      unit: 'ms',
      ratios: Object.fromEntries(
        Object.entries(rivals).map(([name, times]) => [name, (times.get(what) ?? Number.NaN) / value]),
      ),
    }))
}

async function createTrainer(device: WasmDevice, config: Config, data: TrainingData, ignored: number) {
  const calls: CallTimes = new Map()
  const operators = timedOperators(await createTrainingOperators(device, config), calls)
  const { state } = await initialState(config, data, 0, null)
  const model = createModel(operators, state)
  const cameras = data.cameras.filter(({ test }) => !test)
  const extent = sceneExtent(cameras.map(({ view }) => view)).radius
  const optimizer = new ClipOptimizer(operators, model, config.optimizer, extent, config.colorCompensation.rate)
  const [clip] = data.clips
  const { width, height } = data.cameras[0]!.view
  if (!clip) throw new Error('court-mini has no clip')
  const target = device.empty([height, width, 3], 'u8', 'photograph')
  const sampler = createSampler({
    seed: 0,
    clip: 0,
    cameras: cameras.length,
    frames: clip,
    viewsPerStep: 1,
    repeatLast: false,
  })
  let iteration = 0
  const history: CallTimes[] = []
  return {
    /** Loads the photograph, which training does ahead. */
    async prepare() {
      const { frame, cameras: chosen } = sampler.at(iteration)
      device.write(target, await data.image(data.cameras.indexOf(cameras[chosen[0]!]!), frame))
    },
    work() {
      calls.clear()
      const started = performance.now()
      const { frame, cameras: chosen } = sampler.at(iteration)
      const colorRow = chosen[0]!
      using _ = device.scope()
      const time = timeOf(frame, clip, config.clips, 'training')
      const example = { time, shots: [{ view: cameras[colorRow]!.view, colorRow, target }] }
      const inputs = uploadExample(device, example, config.rasterizer.background)
      trainStep(operators, config, model, optimizer, inputs, iteration++)
      const inOperators = [...calls.values()].reduce((sum, part) => sum + part, 0)
      history.push(new Map([...calls, ['between operators', performance.now() - started - inOperators]]))
    },
    /** Milliseconds a step by operator. */
    medians(): CallTimes {
      const counted = history.slice(ignored)
      const median = (name: string) => {
        const sorted = counted.map((step) => step.get(name) ?? 0).sort((a, b) => a - b)
        return sorted[sorted.length >> 1] ?? Number.NaN
      }
      return new Map([...(counted[0]?.keys() ?? [])].map((name) => [name, median(name)]))
    },
  }
}

function timedOperators(operators: TrainingOperators, times: CallTimes): TrainingOperators {
  const { device, anchors, grid, fieldNet, decoders, rasterizer, photometric, volume, colorAffine, adam } = operators
  return {
    device,
    table: operators.table,
    colorAffine,
    anchors: timed('anchors', anchors, times),
    grid: timed('hash grid', grid, times),
    fieldNet: timed('field network', fieldNet, times),
    decoders: timed('decoders', decoders, times),
    rasterizer: timed('rasterizer', rasterizer, times),
    photometric: timed('L1 and SSIM', photometric, times),
    volume: timed('volume', volume, times),
    adam: timed('adam', adam, times),
  }
}
