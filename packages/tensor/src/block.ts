import { type ArrayOf, bytesPerElement, type DType, type Shape, sizeOf } from './dtype.js'
import { DisposedError, ShapeError } from './errors.js'
import type { Device, Scope, Tensor } from './tensor.js'

/** A block of a device whose memory has addresses, or a view of one (`owner`). */
export class BlockTensor<D extends DType = DType> implements Tensor<D> {
  readonly size: number
  readonly byteLength: number
  /** The scope that will dispose it. */
  scope: BlockScope | undefined
  #disposed = false

  constructor(
    readonly device: Device,
    readonly dtype: D,
    readonly shape: Shape,
    readonly name: string,
    readonly at: number,
    private readonly release: () => void,
    readonly owner?: BlockTensor<D>,
  ) {
    this.size = sizeOf(shape)
    this.byteLength = this.size * bytesPerElement(dtype)
  }

  get disposed(): boolean {
    return this.owner ? this.owner.disposed : this.#disposed
  }

  reshape(shape: Shape): Tensor<D> {
    if (this.disposed) throw new DisposedError(`tensor ${this.name}`)
    if (sizeOf(shape) !== this.size) throw new ShapeError('reshape', this.name, shape, this.shape)
    return new BlockTensor(this.device, this.dtype, [...shape], this.name, this.at, () => {}, this.owner ?? this)
  }

  read(): Promise<ArrayOf[D]> {
    return this.device.read(this)
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.scope?.remove(this)
    this.release()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

export class BlockScope implements Scope {
  readonly #tensors = new Set<BlockTensor>()

  constructor(
    private readonly outer: BlockScope | undefined,
    private readonly close: () => void,
  ) {}

  add(tensor: BlockTensor): void {
    this.#tensors.add(tensor)
    tensor.scope = this
  }

  remove(tensor: BlockTensor): void {
    this.#tensors.delete(tensor)
    tensor.scope = undefined
  }

  keep<T extends Tensor>(tensor: T): T {
    if (!(tensor instanceof BlockTensor)) return tensor
    const block: BlockTensor = tensor.owner ?? tensor
    if (block.scope === this) {
      this.remove(block)
      this.outer?.add(block)
    }
    return tensor
  }

  [Symbol.dispose](): void {
    this.close()
    for (const tensor of [...this.#tensors].reverse()) tensor.dispose()
  }
}
