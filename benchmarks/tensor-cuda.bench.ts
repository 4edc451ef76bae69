import type { CudaDevice } from '@clipgstream/tensor/cuda'
import { createCudaPrimitives } from '@clipgstream/tensor/cuda'
import { type Benchmark, compareTimes, type Effort, type Row } from './bench.js'
import { gpuTime, memoryBandwidth, onGpu, peers, withFloor } from './gpu.js'

const launches = 1000
const megabytes = 64
const elements = 1 << 24

export const benchmark: Benchmark = {
  name: 'tensor on CUDA',
  description:
    `What the device itself costs: launches (host time of ${launches} enqueued, then until the GPU is done), copies of ` +
    `${megabytes} MiB, primitives over ${elements} elements. The rival CUDA program sorts with CUB as we do.`,
  run: (effort) => onGpu(async (device) => [...(await costs(device, effort)), ...(await primitives(device, effort))]),
}

async function costs(device: CudaDevice, effort: Effort): Promise<Row[]> {
  using small = device.zeros([32])
  using large = device.empty([megabytes << 20], 'u8')
  const data = new Uint8Array(megabytes << 20)
  const module = await device.load(
    new URL('dist/kernels/primitives.fatbin', import.meta.resolve('@clipgstream/tensor/package.json')),
  )
  using count = device.zeros([1], 'u32')
  const kernel = module.kernel('countNonFinite', 'pup')
  const launch = () => device.launch(kernel, { grid: 1, block: 256 }, small, 32, count)
  const many = () => {
    for (let i = 0; i < launches; i++) launch()
  }
  launch()
  using graph = device.capture(many)
  let enqueued = 0
  const { all, captured, one, upload, download } = await compareTimes(
    {
      all: async () => {
        const started = performance.now()
        many()
        enqueued = performance.now() - started
        await device.synchronize()
      },
      captured: async () => {
        graph.launch()
        await device.synchronize()
      },
      one: async () => {
        launch()
        await device.synchronize()
      },
      upload: async () => {
        device.write(large, data)
        await device.synchronize()
      },
      download: () => large.read(),
    },
    effort,
  )
  const bandwidth = (milliseconds: number) => (megabytes << 20) / milliseconds / 1e6
  return [
    { what: 'launch, host time', value: (1e3 * enqueued) / launches, unit: 'us' },
    { what: 'launch, until done', value: (1e3 * all.median) / launches, unit: 'us' },
    { what: 'launch in a graph, until done', value: (1e3 * captured.median) / launches, unit: 'us' },
    { what: 'one launch and the wait for it', value: 1e3 * one.median, unit: 'us' },
    { what: 'upload from an array', value: bandwidth(upload.median), unit: 'GB/s' },
    { what: 'download to a new array', value: bandwidth(download.median), unit: 'GB/s' },
  ]
}

async function primitives(device: CudaDevice, effort: Effort): Promise<Row[]> {
  const { sum, exclusiveScan, sortPairs, sortPairsInto } = await createCudaPrimitives(device)
  using _ = device.scope()
  const keys = device.from(Uint32Array.from({ length: elements }, (_, i) => Math.imul(i, 0x9e3779b1)))
  const to = { keys: device.empty([elements], 'u32'), values: device.empty([elements], 'u32') }
  const floats = device.zeros([elements])
  const time = (work: () => void) => gpuTime(device, { work }, effort)
  const sorting = await time(() => sortPairs(keys, keys))
  const sorting13 = await time(() => sortPairsInto({ keys, values: keys }, to, { endBit: 13 }))
  const floor = (bytes: number) => (1e3 * bytes * elements) / memoryBandwidth
  return [
    {
      what: 'sort of u32 pairs',
      value: elements / sorting / 1e6,
      unit: 'Gkeys/s',
      ratios: peers(device, sorting, { 'CUDA program': elements / 27.1e6 }),
    },
    { what: 'sort of u32 pairs by 13 bits', value: elements / sorting13 / 1e6, unit: 'Gkeys/s' },
    ...withFloor({ what: 'scan', value: await time(() => exclusiveScan(keys)), unit: 'ms' }, floor(8)),
    ...withFloor({ what: 'sum', value: await time(() => sum(floats)), unit: 'ms' }, floor(4)),
  ]
}
