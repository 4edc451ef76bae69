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

export interface SortedWidePairs {
  keys: Tensor<'u32'> // [n, 2] low word, high word
  values: Tensor<'u32'> // [n]
}

export interface SortRange {
  /** Only the first `count` elements are sorted (all); the others of the outputs are left as they are. */
  count?: number
  /** Lowest bit of the keys that is compared (0). */
  firstBit?: number
  /** One above the highest bit that is compared (all). */
  endBit?: number
}

/** What GPUs add. Sizes are known on the host; temporaries come from the device's pool and go back at once. */
export interface GpuPrimitives<Range = SortRange> extends Primitives {
  /** As `sortPairs`, with 64-bit keys // [n, 2] low word, high word; the lowest `bits` (64) are compared. */
  sortWidePairs(keys: Tensor<'u32'>, values: Tensor<'u32'>, bits?: number): SortedWidePairs
  /**
   * Sorts keys // [n] or [n, 2] and values // [n] into tensors of the caller, which must be others. Stable.
   * Where the count is known on the device only: fill the rest of the keys with ones and sort the capacity.
   */
  sortPairsInto(from: SortedPairs, to: SortedPairs, range?: Range): void
  /** As `exclusiveScan`, into output // [count + 1] or more, over the first `count` (all) elements. */
  exclusiveScanInto(input: Tensor<'u32'>, output: Tensor<'u32'>, count?: number): void
  /** Indices // [n] in ascending order of the flags // [n] that are not 0, and how many: count // [1]. */
  selectIndices(flags: Tensor<'u8'>): { indices: Tensor<'u32'>; count: Tensor<'u32'> }
  /** Values // [n] whose flags // [n] are not 0, in order, and how many: count // [1]. */
  selectFlagged(values: Tensor<'u32'>, flags: Tensor<'u8'>): { values: Tensor<'u32'>; count: Tensor<'u32'> }
}

/** @throws DeviceUnavailableError for a device without kernels */
export async function createPrimitives(device: Device): Promise<Primitives> {
  switch (device.kind) {
    case 'wasm':
      return (await import('./wasm/primitives.js')).createWasmPrimitives(device)
    case 'cuda':
      return (await import('#cuda')).createCudaPrimitives(device)
    case 'webgpu':
      return (await import('./webgpu/primitives.js')).createWebgpuPrimitives(device)
    default:
      throw new DeviceUnavailableError(device.kind satisfies never, 'there is no such device', 'Use a wasm device')
  }
}
