import type { ArrayOf, DType, Shape } from './dtype.js'
import { ArgumentError, DisposedError, DTypeError, ShapeError, WrongDeviceError } from './errors.js'
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

/** Extents of a new tensor are non-negative integers. */
export function checkExtents(name: string, shape: Shape): void {
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0)) {
    throw new ArgumentError('empty', `shape of ${name}`, `[${shape.join(', ')}]`, 'non-negative integers')
  }
}

/** Elements `offset` to `offset + length` must lie in `tensor`. */
export function checkRange(operator: string, tensor: Tensor, offset: number, length: number): void {
  const fits = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0
  if (!fits || offset + length > tensor.size) {
    const limit = `within the ${tensor.size} elements of ${tensor.name}`
    throw new ArgumentError(operator, 'range', `[${offset}, ${offset + length})`, limit)
  }
}

/** A copy needs equal sizes and element types. */
export function checkCopy(source: Tensor, target: Tensor): void {
  if (source.size !== target.size) throw new ShapeError('copy', target.name, source.shape, target.shape)
  if (source.dtype !== target.dtype) throw new DTypeError('copy', target.name, source.dtype, target.dtype)
}

const dtypes: Readonly<Record<string, DType>> = {
  Float32Array: 'f32',
  Uint16Array: 'f16',
  Int32Array: 'i32',
  Uint32Array: 'u32',
  Uint8Array: 'u8',
}

/** The element type that the class of `data` stands for. */
export function dtypeOf(operator: string, data: ArrayOf[DType]): DType {
  const name = Object.prototype.toString.call(data).slice('[object '.length, -1)
  const dtype = dtypes[name]
  if (!dtype) throw new ArgumentError(operator, 'data', name, `one of ${Object.keys(dtypes).join(', ')}`)
  return dtype
}
