import type { View } from '@clipgstream/camera'
import { ArgumentError, check, type Device } from '@clipgstream/tensor'
import type { Background, RasterInputs, RasterOutputGradients, RasterResult } from './contract.js'

/** Images have at most this many pixels a side. */
export const maxImageSide = 32768

/** What every backend checks before a forward pass; returns G. */
export function checkForward(device: Device, inputs: RasterInputs, view: View, background: Background): number {
  return checkInputs('rasterizer.forward', device, inputs, view, background)
}

/** What every backend checks before a backward pass, but for `saved`; returns G. */
export function checkBackward(
  device: Device,
  inputs: RasterInputs,
  view: View,
  result: RasterResult,
  vOutputs: RasterOutputGradients,
  background: Background,
): number {
  const operator = 'rasterizer.backward'
  const gaussians = checkInputs(operator, device, inputs, view, background)
  const { width, height } = view
  check(operator, device, 'result.image', result.image, 'f32', [height, width, 3])
  check(operator, device, 'result.radii', result.radii, 'i32', [gaussians])
  check(operator, device, 'vImage', vOutputs.vImage, 'f32', [height, width, 3])
  if (vOutputs.vAlpha) check(operator, device, 'vAlpha', vOutputs.vAlpha, 'f32', [height, width])
  if (vOutputs.vDepth) check(operator, device, 'vDepth', vOutputs.vDepth, 'f32', [height, width])
  return gaussians
}

function checkInputs(
  operator: string,
  device: Device,
  inputs: RasterInputs,
  view: View,
  background: Background,
): number {
  const { means, quats, scales, opacities, colors, count } = inputs
  const [gaussians = 0] = check(operator, device, 'means', means, 'f32', ['*', 3])
  check(operator, device, 'quats', quats, 'f32', [gaussians, 4])
  check(operator, device, 'scales', scales, 'f32', [gaussians, 3])
  check(operator, device, 'opacities', opacities, 'f32', [gaussians])
  check(operator, device, 'colors', colors, 'f32', [gaussians, 3])
  if (count) check(operator, device, 'count', count, 'u32', [1])
  checkView(operator, view)
  if (background.length !== 3 || !background.every(Number.isFinite)) {
    throw new ArgumentError(operator, 'background', `[${background.join(', ')}]`, 'three finite numbers')
  }
  return gaussians
}

function checkView(operator: string, view: View): void {
  for (const key of ['width', 'height'] as const) {
    if (!(Number.isInteger(view[key]) && view[key] >= 1 && view[key] <= maxImageSide)) {
      throw new ArgumentError(operator, `view.${key}`, view[key], `an integer in [1, ${maxImageSide}]`)
    }
  }
  for (const key of ['fx', 'fy'] as const) {
    if (!(view[key] > 0 && view[key] < Number.POSITIVE_INFINITY)) {
      throw new ArgumentError(operator, `view.${key}`, view[key], 'a positive number of pixels')
    }
  }
  for (const key of ['cx', 'cy'] as const) {
    if (!Number.isFinite(view[key])) throw new ArgumentError(operator, `view.${key}`, view[key], 'a finite number')
  }
  const { worldToCamera } = view
  if (worldToCamera.length !== 12 || !worldToCamera.every(Number.isFinite)) {
    throw new ArgumentError(operator, 'view.worldToCamera', `[${worldToCamera.join(', ')}]`, '12 finite numbers')
  }
}
