import { createRasterizer } from '@clipgstream/rasterizer-webgpu'
import type { Device } from '@clipgstream/tensor'
import { expect, it } from 'vitest'

it('runs on webgpu devices only', async () => {
  const elsewhere = { kind: 'wasm', label: 'wasm' } as Device
  await expect(createRasterizer(elsewhere)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[DeviceUnavailableError: device wasm is not available: @clipgstream/rasterizer-webgpu has no kernels for it. Use the rasterizer package of that device, or a device of createWebgpuDevice()]`,
  )
  await expect(createRasterizer(elsewhere, { alphaMin: 2 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: createRasterizer: alphaMin must be in [1e-6, alphaMax), got 2]`,
  )
})
