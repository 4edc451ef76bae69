import type { DType, Shape } from './dtype.js'
import { DisposedError, DTypeError, ShapeError, WrongDeviceError } from './errors.js'
import type { Device, Tensor } from './tensor.js'

/**
 * Checks what an operator was given: alive, on `device`, of `dtype` and `shape` (`'*'` matches any extent).
 * Returns the shape, so that callers can read the free extents.
 */
export function check(
  operator: string,
  device: Device,
  name: string,
  tensor: Tensor,
  dtype: DType,
  shape: readonly (number | '*')[],
): Shape {
  if (tensor.disposed) throw new DisposedError(`${operator}: ${name}`)
  if (tensor.device !== device) throw new WrongDeviceError(operator, name, device.label, tensor.device.label)
  if (tensor.dtype !== dtype) throw new DTypeError(operator, name, dtype, tensor.dtype)
  const matches =
    tensor.shape.length === shape.length && shape.every((extent, i) => extent === '*' || extent === tensor.shape[i])
  if (!matches) throw new ShapeError(operator, name, shape, tensor.shape)
  return tensor.shape
}
