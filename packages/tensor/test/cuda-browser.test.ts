import { expect, it } from 'vitest'
import * as browser from '../src/cuda/browser.js'
import * as node from '../src/cuda/index.js'

it('has what bundles of device-dependent code import', () => {
  // Only tests make a driver.
  const { driverOver: _, ...names } = node
  expect(Object.keys(browser).sort()).toEqual(Object.keys(names).sort())
})

it('has no device', async () => {
  await expect(browser.createCudaDevice()).rejects.toThrowErrorMatchingInlineSnapshot(
    `[DeviceUnavailableError: device cuda is not available: browsers do not offer it. Use webgpu or wasm]`,
  )
})
