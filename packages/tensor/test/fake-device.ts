import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CudaDevice } from '@clipgstream/tensor/cuda'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { FakeGpu } from './fake-driver.js'

// A device for each test, over a GPU that is only imagined, and what it must leave behind.

export let folder: string
export let url: URL
export let gpu: FakeGpu
export let device: CudaDevice

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'clipgstream-cuda-'))
  writeFileSync(join(folder, 'fake.fatbin'), 'kernels')
  url = pathToFileURL(join(folder, 'fake.fatbin'))
})

afterAll(() => rmSync(folder, { recursive: true }))

beforeEach(() => {
  gpu = new FakeGpu()
  device = new CudaDevice(gpu.driver, { poison: true })
})

afterEach(() => {
  device.dispose()
  device.dispose()
  expect(gpu.live.size).toBe(0)
  expect(gpu.pinned.size).toBe(0)
  expect(gpu.calls.cuEventDestroy_v2 ?? 0).toBe(gpu.calls.cuEventCreate ?? 0)
  expect(gpu.calls.cuStreamDestroy_v2).toBe(gpu.calls.cuStreamCreate)
})
