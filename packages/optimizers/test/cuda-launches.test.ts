import { existsSync } from 'node:fs'
import { adamRates, createAdam } from '@clipgstream/optimizers'
import { CudaDevice } from '@clipgstream/tensor/cuda'
import { expect, it } from 'vitest'
import { FakeGpu } from '../../tensor/test/fake-driver.js'

const isBuilt = existsSync(new URL('../dist/kernels/adam.fatbin', import.meta.url))
if (!isBuilt) console.warn('launches of Adam on CUDA: SKIPPED, its kernels are not built (no nvcc)')

/** What the kernels take: groups of six pointers and twelve numbers. */
const groupBytes = 96
const kernels = { adamStep: [[0, groupBytes]], adamStepAll: [[0, 32 * groupBytes]] } as const

it.skipIf(!isBuilt)('launches groups with and without a copy together', async () => {
  const gpu = new FakeGpu(undefined, undefined, undefined, kernels)
  using device = new CudaDevice(gpu.driver, { poison: true })
  using _ = device.scope()
  const adam = await createAdam(device)
  const groups = [40, 9000].map((rows, i) => {
    const parameter = device.zeros([rows, 4])
    const copy = i === 0 ? device.zeros([rows, 4], 'f16') : null
    const settings = { epsilon: 1e-8, lazy: i === 0 }
    return { parameter, gradient: device.zeros([rows, 4]), state: adam.state(parameter), copy, settings }
  })
  const rates = device.from(adamRates(groups.map(() => ({ learningRate: 1e-3, step: 1 }))), [2, 2])
  adam.stepAll(groups, rates)
  await device.synchronize()
  const [launch] = gpu.launches
  if (!launch) throw new Error('nothing was launched')
  expect(launch.kernel).toBe('adamStepAll')
  expect(launch.parameters.byteLength).toBe(32 * groupBytes)
  // That with most blocks comes first.
  const members = [groups[1], groups[0]].map((group, i) => {
    const at = i * groupBytes
    const pointer = (index: number) => Number(launch.parameters.getBigUint64(at + 8 * index, true))
    expect(pointer(0)).toBe(device.address(group!.parameter))
    return { copy: pointer(5), size: launch.parameters.getUint32(at + 48, true) }
  })
  expect(members).toEqual([
    { copy: 0, size: 36_000 },
    { copy: device.address(groups[0]!.copy!), size: 160 },
  ])
})
