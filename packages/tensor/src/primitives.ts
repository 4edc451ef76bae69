import { DeviceUnavailableError } from './errors.js'
import type { Device, Tensor } from './tensor.js'

export interface SortedPairs {
  keys: Tensor<'u32'>
  values: Tensor<'u32'>
}

/** Building blocks over whole tensors of any shape and size, 0 included. Outputs belong to the open scope. */
export interface Primitives {
  /** Sum of all elements, accumulated in double precision. Returns [1] */
  sum(input: Tensor<'f32'>): Tensor<'f32'>
  /** How many elements of all `tensors` are NaN or infinite. Returns [1] */
  countNonFinite(tensors: readonly Tensor<'f32'>[]): Tensor<'u32'>
  /** Element i is the sum of those before i, modulo 2^32. Returns [n + 1]; the last is the sum of all. */
  exclusiveScan(input: Tensor<'u32'>): Tensor<'u32'>
  /**
   * Sorts keys // [n] in ascending order with their values // [n]; equal keys keep their order.
   * Only the lowest `bits` (32) of the keys are compared: fewer are faster.
   */
  sortPairs(keys: Tensor<'u32'>, values: Tensor<'u32'>, bits?: number): SortedPairs
}

/** @throws DeviceUnavailableError for a device without kernels */
export async function createPrimitives(device: Device): Promise<Primitives> {
  switch (device.kind) {
    case 'wasm':
      return (await import('./wasm/primitives.js')).createWasmPrimitives(device)
    case 'cuda':
      return (await import('#cuda')).createCudaPrimitives(device)
    case 'webgpu':
      throw new DeviceUnavailableError(device.kind, 'the primitives have no kernels for it', 'Use a wasm device')
    default:
      throw new DeviceUnavailableError(device.kind satisfies never, 'there is no such device', 'Use a wasm device')
  }
}
