import { estimateCloud } from '@clipgstream/stereo'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, describe, expect, it } from 'vitest'
import { compare, type Values } from '../../../tools/conformance/case.js'
import { cases } from './conformance.js'
import { shots } from './inputs.js'
import { distanceToScene, sceneRadius } from './scene.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`stereo on CUDA: SKIPPED, ${error.message}`)
  return null
})

afterAll(() => device?.dispose())

function bytesOf(outputs: Record<string, Values>): Buffer {
  return Buffer.concat(Object.values(outputs).map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength)))
}

describe.skipIf(!device)('stereo on CUDA', () => {
  const gpu = device!

  it.each(cases.filter((one) => one.oracle))('$operator, $name, against float64', async (one) => {
    const before = gpu.bytesInUse
    const differences = compare(await one.run(gpu), one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
    expect(gpu.bytesInUse).toBe(before)
  })

  it.each(cases.filter((one) => one.size === 'full'))(
    '$operator, $name: as wasm, equal bytes every time',
    async (one) => {
      using wasm = await createWasmDevice({ threads: 1 })
      const once = await one.run(gpu)
      const differences = compare(once, await one.run(wasm), one.tolerance)
      expect(differences.filter((difference) => !difference.passed)).toEqual([])
      expect(bytesOf(await one.run(gpu)).equals(bytesOf(once))).toBe(true)
    },
  )

  it('finds the scene as well as wasm does', async () => {
    const captures = shots(7, 96, 72)
    const before = gpu.bytesInUse
    using wasm = await createWasmDevice({ threads: 2 })
    const clouds = [
      await estimateCloud(gpu, captures, { coarsest: 48 }),
      await estimateCloud(wasm, captures, { coarsest: 48 }),
    ]
    expect(gpu.bytesInUse).toBe(before)
    const [ours, theirs] = clouds.map(({ count, positions }) => {
      const errors = Array.from({ length: count }, (_, i) =>
        distanceToScene(positions[3 * i]!, positions[3 * i + 1]!, positions[3 * i + 2]!),
      ).sort((a, b) => a - b)
      return { count, median: errors[count >> 1]! }
    })
    expect(ours!.median).toBeLessThan(0.004 * sceneRadius)
    expect(Math.abs(ours!.count / theirs!.count - 1)).toBeLessThan(0.05)
  })
})
