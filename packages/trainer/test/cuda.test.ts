import type { Device } from '@clipgstream/tensor'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { createMemoryRun, type PartialConfig, readManifest, type StepEvent, train } from '@clipgstream/trainer'
import { afterAll, describe, expect, it } from 'vitest'
import { tinyConfig, tinyData } from './tiny-data.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`training on CUDA: SKIPPED, ${error.message}`)
  return null
})

afterAll(() => device?.dispose())

async function trainOn(on: Device, over: PartialConfig, sizes: Parameters<typeof tinyData>[0] = { frames: 5 }) {
  const data = tinyData(sizes)
  const run = createMemoryRun()
  const steps: StepEvent[] = []
  const types: string[] = []
  const every = { checkpointing: { every: null, logEvery: 1, evaluateAt: [20] } }
  const config = tinyConfig({ optimizer: { iterations: 20 }, ...every, ...over }, sizes.clipSize)
  for await (const event of train({ device: on, data, run, config })) {
    types.push(event.type)
    if (event.type === 'step') steps.push(event)
  }
  return { steps, types, data, manifest: await readManifest(run) }
}

/** Largest relative difference of the losses of equal steps. */
function difference(a: readonly StepEvent[], b: readonly StepEvent[]): number {
  expect(a.map(({ clip, iteration }) => `${clip} ${iteration}`)).toEqual(
    b.map(({ clip, iteration }) => `${clip} ${iteration}`),
  )
  return Math.max(...a.map(({ loss }, i) => Math.abs(loss - b[i]!.loss) / b[i]!.loss))
}

describe.skipIf(!device)('training on CUDA', () => {
  const gpu = device!

  it.each([
    ['one view', {}],
    ['colour maps', { colorCompensation: { enabled: true } }],
    ['two views of a frame', { sampling: { viewsPerStep: 2 } }],
    ['dense moments', { optimizer: { iterations: 20, lazyTable: false } }],
    ['a table in f16', { execution: { table: 'f16' } }],
  ] as [string, PartialConfig][])(
    'takes the same way in graphs, launch by launch, and on wasm: %s',
    async (_, over) => {
      const before = gpu.bytesInUse
      using wasm = await createWasmDevice({ threads: 2 })
      const reference = await trainOn(wasm, over)
      const plain = await trainOn(gpu, { ...over, execution: { ...over.execution, graph: false } })
      const graph = await trainOn(gpu, over)
      expect(graph.types).toEqual(reference.types)
      // Adam's first steps have the sign of the gradient alone, which rounding turns where it is almost nothing.
      expect(difference(plain.steps, reference.steps)).toBeLessThan(0.02)
      expect(difference(graph.steps, plain.steps)).toBeLessThan(0.02)
      expect(gpu.bytesInUse).toBe(before)
    },
  )

  it('keeps photographs on the device, or fetches them again', async () => {
    const kept = await trainOn(gpu, {})
    const fetched = await trainOn(gpu, { execution: { imageBytes: 0 } })
    const some = await trainOn(gpu, { execution: { imageBytes: 5000 } })
    expect(difference(fetched.steps, kept.steps)).toBeLessThan(0.02)
    expect(difference(some.steps, kept.steps)).toBeLessThan(0.02)
    // Three training cameras of five frames, and test views.
    const trained = (reads: string[]) => reads.filter((read) => !read.startsWith('0:'))
    expect(trained(kept.data.reads)).toHaveLength(15)
    expect(trained(fetched.data.reads)).toHaveLength(40)
    expect(trained(some.data.reads).length).toBeLessThan(40)
  })

  it('captures again when anchors grew', async () => {
    const growth = { enabled: true, statisticsFrom: 2, growFrom: 5, until: 18, interval: 5, successThreshold: 0.1 }
    const over: PartialConfig = { growth: { ...growth, gradientThreshold: 1e-5, voxelSize: 0.002 } }
    const before = gpu.bytesInUse
    const graph = await trainOn(gpu, over)
    const plain = await trainOn(gpu, { ...over, execution: { graph: false } })
    expect(graph.types.filter((type) => type === 'growth').length).toBeGreaterThan(0)
    expect(graph.types).toEqual(plain.types)
    expect(Math.abs(graph.steps.at(-1)!.loss / plain.steps.at(-1)!.loss - 1)).toBeLessThan(0.1)
    expect(gpu.bytesInUse).toBe(before)
  })
})
