import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { createMemoryRun, train } from '@clipgstream/trainer'
import { expect, it } from 'vitest'
import { tinyConfig, tinyData } from './tiny-data.js'

it('training many clips needs no more device memory than training two', async () => {
  const config = tinyConfig({ optimizer: { iterations: 3 }, checkpointing: { every: 2, logEvery: 3, evaluateAt: [3] } })
  const peaks = async (frames: number) => {
    using device = await createWasmDevice({ threads: 1 })
    const found: number[] = []
    const held = new Set<number>()
    for await (const event of train({ data: tinyData({ frames }), device, run: createMemoryRun(), config })) {
      if (event.type === 'clip-end') found.push(event.peakBytes)
      if (event.type === 'clip-start') held.add(device.memory.buffer.byteLength)
    }
    expect(device.bytesInUse).toBe(0)
    return { peak: Math.max(...found), address: [...held].at(-1) }
  }
  expect(await peaks(24)).toEqual(await peaks(6))
})
