import './polyfill.js'

export { check } from './check.js'
export { type ArrayOf, arrayClass, bytesPerElement, type DType, fromF16, type Shape, sizeOf, toF16 } from './dtype.js'
export {
  ArgumentError,
  ClipgstreamError,
  DeviceUnavailableError,
  DisposedError,
  DTypeError,
  KernelError,
  OutOfMemoryError,
  ShapeError,
  WrongDeviceError,
} from './errors.js'
export {
  createPrimitives,
  type GpuPrimitives,
  type Primitives,
  type SortedPairs,
  type SortedWidePairs,
  type SortRange,
} from './primitives.js'
export { createRandom, type Random } from './random.js'
export {
  chooseDevice,
  type DeviceChoice,
  type DeviceName,
  deviceNames,
  isDeviceName,
  type SelectOptions,
  selectDevice,
} from './select.js'
export type { Device, DTypeOf, Scope, Tensor } from './tensor.js'
