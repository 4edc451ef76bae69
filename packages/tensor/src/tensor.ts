import type { ArrayOf, DType, Shape } from './dtype.js'

/** A typed, contiguous, row-major block of memory on one {@link Device}. */
export interface Tensor<D extends DType = DType> extends Disposable {
  readonly device: Device
  readonly dtype: D
  readonly shape: Shape
  /** Number of elements. */
  readonly size: number
  readonly byteLength: number
  /** Says what it is in error messages. */
  readonly name: string
  readonly disposed: boolean
  /**
   * The same memory under another shape of equal size. It is valid as long as the tensor it came from; disposing it
   * does nothing.
   */
  reshape(shape: Shape): Tensor<D>
  /** Copies the elements to the host, after everything that was enqueued before. */
  read(): Promise<ArrayOf[D]>
  dispose(): void
}

/** Tensors made while it is the innermost open scope are disposed with it, last first, unless they are kept. */
export interface Scope extends Disposable {
  /** Hands the tensor (of a view, the one it came from) to the scope around, or to the caller where there is none. */
  keep<T extends Tensor>(tensor: T): T
}

/**
 * Allocates, moves and launches. Work is enqueued in order; only `read` and `synchronize` wait.
 * Bytes are those of live tensors, rounded up as the device allocates them.
 */
export interface Device extends Disposable {
  readonly kind: 'wasm' | 'webgpu' | 'cuda'
  /** For people: `wasm (2 threads)`. */
  readonly label: string
  readonly bytesInUse: number
  readonly peakBytes: number
  /** Memory with undefined contents. */
  empty<D extends DType = 'f32'>(shape: Shape, dtype?: D, name?: string): Tensor<D>
  zeros<D extends DType = 'f32'>(shape: Shape, dtype?: D, name?: string): Tensor<D>
  /** A copy of host data. The dtype follows the array class; say `f16` for bits in a Uint16Array. */
  from<A extends ArrayOf[DType]>(data: A, shape?: Shape, name?: string): Tensor<DTypeOf<A>>
  /** Overwrites elements from `offset` (in elements) on. */
  write<D extends DType>(tensor: Tensor<D>, data: ArrayOf[D], offset?: number): void
  /** Copies `length` elements from `offset` on to the host. */
  read<D extends DType>(tensor: Tensor<D>, offset?: number, length?: number): Promise<ArrayOf[D]>
  /** Copies a whole tensor onto another of the same size and dtype. */
  copy<D extends DType>(source: Tensor<D>, target: Tensor<D>): void
  fill(tensor: Tensor, value: number): void
  scope(): Scope
  synchronize(): Promise<void>
  resetPeak(): void
  /** Gives memory that is kept for later tensors back to the system, on devices that keep any. May wait. */
  trim?(): void
  dispose(): void
}

export type DTypeOf<A> = A extends Float32Array
  ? 'f32'
  : A extends Int32Array
    ? 'i32'
    : A extends Uint32Array
      ? 'u32'
      : A extends Uint16Array
        ? 'f16'
        : 'u8'
