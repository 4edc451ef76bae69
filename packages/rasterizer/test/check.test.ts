import { type Background, checkBackward, checkForward, type RasterResult } from '@clipgstream/rasterizer'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, expect, it } from 'vitest'

const device = await createWasmDevice({ threads: 1 })
afterAll(() => device.dispose())

const view = {
  ...{ width: 8, height: 6, fx: 7, fy: 7, cx: 4, cy: 3 },
  worldToCamera: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
}
const black: Background = [0, 0, 0]
const inputs = {
  means: device.zeros([5, 3]),
  quats: device.zeros([5, 4]),
  scales: device.zeros([5, 3]),
  opacities: device.zeros([5]),
  colors: device.zeros([5, 3]),
}

it('returns the number of Gaussians', () => {
  expect(checkForward(device, inputs, view, black)).toBe(5)
  expect(checkForward(device, { ...inputs, count: device.zeros([1], 'u32') }, view, black)).toBe(5)
})

it('checks every input', () => {
  const wrong = device.zeros([4, 2])
  for (const name of ['means', 'quats', 'scales', 'opacities', 'colors']) {
    expect(() => checkForward(device, { ...inputs, [name]: wrong }, view, black)).toThrow(`rasterizer.forward: ${name}`)
  }
  const count = device.zeros([2], 'u32')
  expect(() => checkForward(device, { ...inputs, count }, view, black)).toThrow('count must have shape [1]')
})

it('checks the view and the background', () => {
  const bad = [
    { width: 0 },
    { height: 2.5 },
    { width: 40_000 },
    { fx: 0 },
    { fy: Number.NaN },
    { cx: Number.POSITIVE_INFINITY },
    { worldToCamera: [1, 2, 3] },
    { worldToCamera: new Array(12).fill(Number.NaN) },
  ]
  for (const change of bad) {
    const [name] = Object.keys(change)
    expect(() => checkForward(device, inputs, { ...view, ...change }, black)).toThrow(`view.${name}`)
  }
  expect(() => checkForward(device, inputs, { ...view, width: 40_000 }, black)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: rasterizer.forward: view.width must be an integer in [1, 32768], got 40000]`,
  )
  const background = [0, Number.NaN, 0] as const
  expect(() => checkForward(device, inputs, view, background)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: rasterizer.forward: background must be three finite numbers, got [0, NaN, 0]]`,
  )
})

it('checks gradients against the image', () => {
  const plane = device.zeros([6, 8])
  const image = device.zeros([6, 8, 3])
  const result: RasterResult = { image, alpha: plane, depth: plane, radii: device.zeros([5], 'i32'), saved: [] }
  const vOutputs = { vImage: image, vAlpha: plane, vDepth: plane }
  expect(checkBackward(device, inputs, view, result, vOutputs, black)).toBe(5)
  for (const name of ['vImage', 'vAlpha', 'vDepth']) {
    const wrong = { ...vOutputs, [name]: device.zeros([8, 6, 1]) }
    expect(() => checkBackward(device, inputs, view, result, wrong, black)).toThrow(`rasterizer.backward: ${name}`)
  }
  const other = { ...result, radii: device.zeros([4], 'i32') }
  expect(() => checkBackward(device, inputs, view, other, vOutputs, black)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: rasterizer.backward: result.radii must have shape [5], got [4]]`,
  )
})
