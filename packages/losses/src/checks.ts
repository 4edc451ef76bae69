import { ArgumentError, check, type Device, DisposedError, ShapeError, type Tensor } from '@clipgstream/tensor'
import type { PhotometricResult } from './contract.js'

// What an operator was given, for every device alike.

export function checkImage(operator: string, device: Device, name: string, image: Tensor) {
  const [height = 0, width = 0] = check(operator, device, name, image, 'f32', ['*', '*', 3])
  if (height === 0 || width === 0)
    throw new ShapeError(operator, `${name} (at least one pixel)`, ['*', '*', 3], image.shape)
  return { height, width }
}

export function checkPair(operator: string, device: Device, image: Tensor<'f32'>, target: Tensor<'u8'>) {
  const { height, width } = checkImage(operator, device, 'image', image)
  check(operator, device, 'target', target, 'u8', [height, width, 3])
  return { height, width }
}

/** The derivatives that `forward` kept. */
export function checkSaved(
  operator: string,
  device: Device,
  { saved: [saved] }: PhotometricResult,
  shape: readonly number[],
): Tensor {
  if (!saved) throw new DisposedError(`${operator}: result.saved`)
  check(operator, device, 'result.saved[0]', saved, 'f32', shape)
  return saved
}

/** Rows of scales. */
export function checkCapacity(operator: string, device: Device, scales: Tensor<'f32'>, count: Tensor<'u32'>): number {
  const [capacity = 0] = check(operator, device, 'scales', scales, 'f32', ['*', 3])
  check(operator, device, 'count', count, 'u32', [1])
  return capacity
}

/** Colour matrices; returns how many. */
export function checkMatrices(operator: string, device: Device, name: string, matrices: Tensor<'f32'>): number {
  const [cameras = 0] = check(operator, device, name, matrices, 'f32', ['*', 3, 4])
  return cameras
}

export function checkCamera(
  operator: string,
  device: Device,
  name: string,
  matrices: Tensor<'f32'>,
  camera: number | Tensor<'u32'>,
): void {
  const cameras = checkMatrices(operator, device, name, matrices)
  if (typeof camera !== 'number') {
    check(operator, device, 'camera', camera, 'u32', [1])
    if (cameras === 0) throw new ShapeError(operator, `${name} (at least one camera)`, ['*', 3, 4], matrices.shape)
  } else if (!(Number.isInteger(camera) && camera >= 0 && camera < cameras))
    throw new ArgumentError(operator, 'camera', camera, `an index below ${cameras}`)
}
