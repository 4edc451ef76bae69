import { existsSync } from 'node:fs'
import { createHashGrid, originalGrid } from '@clipgstream/hashgrid'
import { CudaDevice } from '@clipgstream/tensor/cuda'
import { expect, it } from 'vitest'
import { FakeGpu } from '../../tensor/test/fake-driver.js'

const isBuilt = existsSync(new URL('../dist/kernels/hashgrid.fatbin', import.meta.url))
if (!isBuilt) console.warn('launches of the hash grid on CUDA: SKIPPED, its kernels are not built (no nvcc)')

/** Four pointers, two numbers, 32 levels of eight. */
const parameters = [...[0, 8, 16, 24].map((at) => [at, 8] as const), [32, 4], [36, 4], [40, 1024]] as const
const kernels = { encode4: parameters, encodeHalves4: parameters, encodeBackward4: parameters }

it.skipIf(!isBuilt)('launches the kernel of the table that it is given', async () => {
  const gpu = new FakeGpu(undefined, undefined, undefined, kernels)
  using device = new CudaDevice(gpu.driver, { poison: true })
  using _ = device.scope()
  const grid = await createHashGrid(device, { ...originalGrid(10), levels: 3 })
  const points = device.zeros([300, 4])
  const tables = [device.zeros([grid.entries, 4]), device.zeros([grid.entries, 4], 'f16')]
  for (const table of tables) grid.forward({ points }, table)
  await device.synchronize()
  expect(gpu.launches.map(({ kernel, shape, parameters }) => [kernel, shape.slice(0, 2), tableOf(parameters)])).toEqual(
    [
      ['encode4', [3, 2], device.address(tables[0]!)],
      ['encodeHalves4', [3, 2], device.address(tables[1]!)],
    ],
  )
})

function tableOf(parameters: DataView): number {
  return Number(parameters.getBigUint64(16, true))
}
