import { createPrimitives } from '@clipgstream/tensor'
import { createCudaPrimitives } from '@clipgstream/tensor/cuda'
import { createWebgpuDevice, createWebgpuPrimitives, type Ranking, type WebgpuDevice } from '@clipgstream/tensor/webgpu'
import { type Benchmark, compareTimes, type Effort, type Row } from './bench.js'
import { memoryBandwidth } from './gpu.js'
import { type Gpu, onGpus, timeOf } from './gpus.js'
import { onWebgpu, webgpuTime } from './webgpu.js'

const sizes = [1 << 16, 1 << 20, 1 << 24, 1 << 26]
const large = 1 << 24
const launches = 1000
const megabytes = 64

export const benchmark: Benchmark = {
  name: 'primitives on GPUs',
  description:
    `Radix sort of u32 pairs, exclusive scan, selection and sum over ${sizes.join(', ')} elements: CUB on CUDA, our ` +
    'kernels on WebGPU, in one run. Keys are the bits of a multiplicative hash. The floor of a sort is what four passes by ' +
    '8 bits must move (20 bytes an element each), of the others one reading (two for scans) and one writing. Then how WebGPU ' +
    `spends the sort of ${large} pairs, what its device costs (${launches} launches, copies of ${megabytes} MiB), and both ways to rank.`,
  run: async (effort) => [
    ...(await onGpus((device) => primitives(device, effort))),
    ...(await onWebgpu(async (device) => [
      ...(await costs(device, effort)),
      ...(await rankings(device, 'checked', effort)),
      ...(await unchecked(effort)),
    ])),
  ],
}

function hashed(length: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length }, (_, i) => Math.imul(i, 0x9e3779b1))
}

async function primitives(device: Gpu, effort: Effort): Promise<Row[]> {
  const rows: Row[] = []
  const { sum, exclusiveScan, sortPairs, selectIndices, sortWidePairs } =
    device.kind === 'cuda' ? await createCudaPrimitives(device) : await createWebgpuPrimitives(device)
  for (const n of sizes) {
    using _ = device.scope()
    const keys = device.from(hashed(n), [n], 'keys')
    const floats = device.zeros([n])
    const flags = device.from(Uint8Array.from({ length: n }, (_, i) => (Math.imul(i, 0x9e3779b1) >>> 31) & 1))
    const floor = (bytes: number) => (1e3 * bytes * n) / memoryBandwidth
    const measure = async (what: string, bytes: number, work: () => void) => {
      const time = await timeOf(device, { work }, effort)
      rows.push({ what: `${what}, ${n}`, value: time, unit: 'ms' })
      rows.push({ what: `${what}, ${n}`, value: n / time / 1e6, unit: 'G elements/s' })
      rows.push({ what: `${what}, ${n}, share of the floor`, value: (100 * floor(bytes)) / time, unit: '%' })
    }
    await measure('sort of pairs', 80, () => sortPairs(keys, keys))
    await measure('sort of pairs by 13 bits', 40, () => sortPairs(keys, keys, 13))
    await measure('scan', 12, () => exclusiveScan(keys))
    await measure('selection of half', 4, () => selectIndices(flags))
    await measure('sum', 4, () => sum(floats))
    if (n <= large) {
      const wide = device.from(hashed(2 * n), [n, 2], 'wide keys')
      await measure('sort of wide pairs by 45 bits', 168, () => sortWidePairs(wide, keys, 45))
    }
    device.trim()
  }
  return rows
}

/** What the device itself takes. */
async function costs(device: WebgpuDevice, effort: Effort): Promise<Row[]> {
  using _ = device.scope()
  const small = device.zeros([32])
  const big = device.empty([megabytes << 20], 'u8')
  const data = new Uint8Array(megabytes << 20)
  let recorded = 0
  const { all, one, upload, download, read } = await compareTimes(
    {
      all: async () => {
        const started = performance.now()
        for (let i = 0; i < launches; i++) device.fill(small, i)
        recorded = performance.now() - started
        await device.synchronize()
      },
      one: async () => {
        device.fill(small, 1)
        await device.synchronize()
      },
      upload: async () => {
        device.write(big, data)
        await device.synchronize()
      },
      download: () => big.read(),
      read: () => device.read(small, 0, 1),
    },
    effort,
  )
  const bandwidth = (milliseconds: number) => (megabytes << 20) / milliseconds / 1e6
  return [
    { what: 'webgpu: launch, host time', value: (1e3 * recorded) / launches, unit: 'us' },
    { what: 'webgpu: launch, until done', value: (1e3 * all.median) / launches, unit: 'us' },
    { what: 'webgpu: one launch and the wait for it', value: 1e3 * one.median, unit: 'us' },
    { what: 'webgpu: read of 4 bytes', value: 1e3 * read.median, unit: 'us' },
    { what: 'webgpu: upload from an array', value: bandwidth(upload.median), unit: 'GB/s' },
    { what: 'webgpu: download to a new array', value: bandwidth(download.median), unit: 'GB/s' },
  ]
}

/** The sort by both ways to rank, and its kernels. */
async function rankings(device: WebgpuDevice, name: string, effort: Effort): Promise<Row[]> {
  using _ = device.scope()
  const rows: Row[] = []
  const keys = device.from(hashed(large), [large], 'keys')
  const ways: Ranking[] = device.features.has('subgroups') ? ['subgroups', 'masks'] : ['masks']
  for (const ranking of ways) {
    const { sortPairs } = await createWebgpuPrimitives(device, { ranking })
    const work = () => sortPairs(keys, keys)
    const time = await webgpuTime(device, { work, repeat: 5 }, effort)
    rows.push({ what: `webgpu: sort ranked by ${ranking}, ${name}`, value: large / time / 1e6, unit: 'Gkeys/s' })
    if (!device.features.has('timestamp-query')) continue
    using _ = device.scope()
    for (const { kernel, milliseconds } of await device.profile(work))
      rows.push({ what: `webgpu: ${kernel} ranked by ${ranking}, ${name}`, value: milliseconds, unit: 'ms' })
  }
  const { sum } = await createPrimitives(device)
  const floats = device.zeros([large])
  const time = await webgpuTime(device, { work: () => sum(floats) }, effort)
  rows.push({ what: `webgpu: sum, ${name}`, value: (4 * large) / time / 1e6, unit: 'GB/s' })
  return rows
}

/** What the checks of indices cost that browsers always have. */
async function unchecked(effort: Effort): Promise<Row[]> {
  using device = await createWebgpuDevice({ robust: false })
  return await rankings(device, 'unchecked', effort)
}
