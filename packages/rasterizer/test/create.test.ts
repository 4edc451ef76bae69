import { createRasterizer, type Rasterizer, rasterizerConfig } from '@clipgstream/rasterizer'
import { type Device, DeviceUnavailableError } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { expect, it } from 'vitest'

const notUsed = () => {
  throw new Error('not used here')
}

it('loads the backend of the device, and only that', async () => {
  using device = await createWasmDevice({ threads: 1 })
  const made: Rasterizer = { device, config: rasterizerConfig(), forward: notUsed, backward: notUsed }
  const seen: unknown[] = []
  const wasm = async () => ({
    createRasterizer: async (...args: unknown[]) => {
      seen.push(...args)
      return made
    },
  })
  const rasterizer = await createRasterizer(device, { wasm, webgpu: notUsed, cuda: notUsed }, { near: 0.5 })
  expect(rasterizer).toBe(made)
  expect(seen).toEqual([device, { near: 0.5 }])
})

it('names the package to install when there is no backend', async () => {
  using device = await createWasmDevice({ threads: 1 })
  await expect(createRasterizer(device, {})).rejects.toThrow(DeviceUnavailableError)
  await expect(createRasterizer(device, {})).rejects.toThrowErrorMatchingInlineSnapshot(
    `[DeviceUnavailableError: device wasm is not available: no rasterizer backend for it was given. Install @clipgstream/rasterizer-wasm-reference and pass { wasm: () => import('@clipgstream/rasterizer-wasm-reference') }]`,
  )
  const webgpu = { kind: 'webgpu', label: 'webgpu' } as Device
  await expect(createRasterizer(webgpu, { cuda: notUsed })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[DeviceUnavailableError: device webgpu is not available: no rasterizer backend for it was given. Install @clipgstream/rasterizer-webgpu and pass { webgpu: () => import('@clipgstream/rasterizer-webgpu') }]`,
  )
})
