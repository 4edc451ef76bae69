import { createRasterizer } from '@clipgstream/rasterizer-wasm-reference'
import { createRandom, type Device } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, expect, it } from 'vitest'
import { frontView, randomScene, upload } from './scene.js'

const device = await createWasmDevice({ threads: 1, poison: true })
afterAll(() => device.dispose())
const view = frontView(40, 24)
const rasterizer = await createRasterizer(device)
const inputs = upload(device, randomScene(createRandom(1), 10, 40, 24))

it('names the tensor that does not fit', async () => {
  const quats = device.zeros([10, 3])
  expect(() => rasterizer.forward({ ...inputs, quats }, view)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: rasterizer.forward: quats must have shape [10, 4], got [10, 3]]`,
  )
  const colors = device.zeros([9, 3])
  expect(() => rasterizer.forward({ ...inputs, colors }, view)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: rasterizer.forward: colors must have shape [10, 3], got [9, 3]]`,
  )
  const count = device.zeros([1], 'i32') as never
  expect(() => rasterizer.forward({ ...inputs, count }, view)).toThrowErrorMatchingInlineSnapshot(
    `[DTypeError: rasterizer.forward: count must be u32, got i32]`,
  )
  using other = await createWasmDevice({ threads: 1 })
  const means = other.zeros([10, 3])
  expect(() => rasterizer.forward({ ...inputs, means }, view)).toThrowErrorMatchingInlineSnapshot(
    `[WrongDeviceError: rasterizer.forward: means lives on wasm (1 thread), but the operator runs on wasm (1 thread); copy it with device.from(await tensor.read(), shape)]`,
  )
})

it('wants gradients of the image, and the result of the same problem', () => {
  const result = rasterizer.forward(inputs, view)
  const vImage = device.zeros([24, 40, 3])
  expect(() =>
    rasterizer.backward(inputs, view, result, { vImage: device.zeros([40, 24, 3]) }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: rasterizer.backward: vImage must have shape [24, 40, 3], got [40, 24, 3]]`,
  )
  expect(() => rasterizer.backward(inputs, frontView(41, 24), result, { vImage })).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: rasterizer.backward: result.image must have shape [24, 41, 3], got [24, 40, 3]]`,
  )
  expect(() =>
    rasterizer.backward(inputs, view, { ...result, saved: [] }, { vImage }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: rasterizer.backward: result.saved must be the 7 tensors of forward, got 0]`,
  )
  result.saved[0]?.dispose()
  expect(() => rasterizer.backward(inputs, view, result, { vImage })).toThrowErrorMatchingInlineSnapshot(
    `[DisposedError: rasterizer.backward: result.saved[0] has been disposed; keep it alive until its last use]`,
  )
})

it('runs on wasm devices only', async () => {
  const elsewhere = { kind: 'webgpu', label: 'webgpu' } as Device
  await expect(createRasterizer(elsewhere)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[DeviceUnavailableError: device webgpu is not available: @clipgstream/rasterizer-wasm-reference has no kernels for it. Use the rasterizer package of that device, or a device of createWasmDevice()]`,
  )
  await expect(createRasterizer(device, { alphaMin: 2 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: createRasterizer: alphaMin must be in [1e-6, alphaMax), got 2]`,
  )
})
