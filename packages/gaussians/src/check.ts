import type { View } from '@clipgstream/camera'
import { ArgumentError, check, type Device, type Tensor } from '@clipgstream/tensor'
import type {
  AnchorInputs,
  Bounds,
  DecodedAnchors,
  FeatureCombination,
  GaussianGradients,
  Gaussians,
  GrowthStatistics,
  VisibleAnchors,
} from './contract.js'

/** Checks positions and scaling; returns the number of anchors. */
export function checkAnchors(operator: string, device: Device, { positions, logScaling }: AnchorInputs): number {
  const [n = 0] = check(operator, device, 'positions', positions, 'f32', ['*', 3])
  check(operator, device, 'logScaling', logScaling, 'f32', [n, 6])
  return n
}

/** Checks the tensors of the list of visible anchors, not what they hold; returns its capacity. */
export function checkList(operator: string, device: Device, { indices, count }: VisibleAnchors): number {
  const [rows = 0] = check(operator, device, 'visible.indices', indices, 'u32', ['*'])
  check(operator, device, 'visible.count', count, 'u32', [1])
  return rows
}

/** Checks what was decoded for `rows` anchors; returns the Gaussians of each. */
export function checkDecoded(operator: string, device: Device, decoded: DecodedAnchors, rows: number): number {
  const [, k = 0] = check(operator, device, 'opacity', decoded.opacity, 'f32', [rows, '*'])
  check(operator, device, 'cov', decoded.cov, 'f32', [rows, 7 * k])
  check(operator, device, 'color', decoded.color, 'f32', [rows, 3 * k])
  check(operator, device, 'offset', decoded.offset, 'f32', [rows, 3 * k])
  return k
}

/** Checks gradients of `gaussians` Gaussians. */
export function checkGradients(operator: string, device: Device, v: GaussianGradients, gaussians: number): void {
  check(operator, device, 'vMeans', v.means, 'f32', [gaussians, 3])
  check(operator, device, 'vQuats', v.quats, 'f32', [gaussians, 4])
  check(operator, device, 'vScales', v.scales, 'f32', [gaussians, 3])
  check(operator, device, 'vOpacities', v.opacities, 'f32', [gaussians])
  check(operator, device, 'vColors', v.colors, 'f32', [gaussians, 3])
}

/** Checks gradients that are added up; returns their Gaussians. */
export function checkSum(
  operator: string,
  device: Device,
  v: GaussianGradients,
  more: GaussianGradients,
  count: Tensor<'u32'>,
): number {
  const [gaussians = 0] = check(operator, device, 'vOpacities', v.opacities, 'f32', ['*'])
  checkGradients(operator, device, v, gaussians)
  checkGradients(operator, device, more, gaussians)
  check(operator, device, 'count', count, 'u32', [1])
  return gaussians
}

/** Checks statistics; returns their anchors and the Gaussians of each. */
export function checkStatistics(
  operator: string,
  device: Device,
  { visits, opacitySums, counts, maxGradients, maxMeans }: GrowthStatistics,
): { n: number; k: number } {
  const [n = 0, k = 0] = check(operator, device, 'counts', counts, 'u32', ['*', '*'])
  check(operator, device, 'visits', visits, 'u32', [n])
  check(operator, device, 'opacitySums', opacitySums, 'f32', [n])
  check(operator, device, 'maxGradients', maxGradients, 'f32', [n, k])
  check(operator, device, 'maxMeans', maxMeans, 'f32', [n, k, 3])
  return { n, k }
}

/** Checks what one step adds to the statistics. */
export function checkStep(
  operator: string,
  device: Device,
  { means, opacities }: Pick<Gaussians, 'means' | 'opacities'>,
  radii: Tensor<'i32'>,
  vMeans2d: Tensor<'f32'>,
  gaussians: number,
): void {
  check(operator, device, 'means', means, 'f32', [gaussians, 3])
  check(operator, device, 'opacities', opacities, 'f32', [gaussians])
  check(operator, device, 'radii', radii, 'i32', [gaussians])
  check(operator, device, 'vMeans2d', vMeans2d, 'f32', [gaussians, 2])
}

export function checkTime(operator: string, device: Device, bounds: Bounds, time: number | Tensor<'f32'>): void {
  if (typeof time !== 'number') check(operator, device, 'time', time, 'f32', [1])
  else if (!Number.isFinite(time)) throw new ArgumentError(operator, 'time', time, 'a finite number')
  for (const axis of [0, 1, 2] as const) {
    if (!(bounds.min[axis] <= bounds.max[axis]))
      throw new ArgumentError(operator, `bounds.min[${axis}]`, bounds.min[axis], `at most ${bounds.max[axis]}`)
  }
}

export function isAdded(operator: string, how: FeatureCombination): boolean {
  if (how !== 'add' && how !== 'concatenate')
    throw new ArgumentError(operator, 'how', how satisfies never, "'concatenate' or 'add'")
  return how === 'add'
}

export function checkView(operator: string, view: View): void {
  for (const name of ['width', 'height'] as const) {
    if (!(Number.isInteger(view[name]) && view[name] > 0))
      throw new ArgumentError(operator, `view.${name}`, view[name], 'a positive number of whole pixels')
  }
  for (const name of ['fx', 'fy'] as const) {
    if (!(view[name] > 0 && Number.isFinite(view[name])))
      throw new ArgumentError(operator, `view.${name}`, view[name], 'a positive finite focal length')
  }
  for (const name of ['cx', 'cy'] as const) {
    if (!Number.isFinite(view[name])) throw new ArgumentError(operator, `view.${name}`, view[name], 'finite')
  }
  if (view.worldToCamera.length !== 12 || !view.worldToCamera.every(Number.isFinite))
    throw new ArgumentError(operator, 'view.worldToCamera', `[${view.worldToCamera.join(', ')}]`, '12 finite numbers')
}
