import type { View } from '@clipgstream/camera'
import type { Background, Canvas, RasterInputs } from '@clipgstream/rasterizer'
import { DisposedError, type Tensor } from '@clipgstream/tensor'
import type { CudaDevice, CudaGraph, CudaKernel } from '@clipgstream/tensor/cuda'
import { PairCapacity, pairsOf } from './capacity.js'
import { counterWords } from './layout.js'
import { drawBlock, type Empty, halves, type Passes } from './passes.js'
import type { CudaView } from './view.js'

/**
 * Draws by one call of a captured graph. Which (Gaussian, tile) pairs there are is known on the device only: as long as
 * no count has come back draws are enqueued one kernel after the other; then the graph has lists a quarter longer than
 * was needed, and is captured again when a view turns out to need more. That view is drawn whole, in the slow way.
 */
export class CudaCanvas implements Canvas {
  readonly image: Tensor<'f32'>
  readonly #counters: Tensor<'u32'>
  readonly #capacity = new PairCapacity()
  #captured: { graph: CudaGraph; capacity: number } | null = null
  #observing = false
  #disposed = false

  constructor(
    private readonly device: CudaDevice,
    private readonly kernel: CudaKernel,
    private readonly passes: Passes,
    private readonly inputs: RasterInputs,
    private readonly gaussians: number,
    private readonly view: CudaView,
    private readonly background: Background,
  ) {
    const { width, height } = view
    this.image = device.empty([height, width, 3], 'f32', 'image of a canvas')
    this.#counters = device.empty([counterWords], 'u32', 'counters of a canvas')
  }

  /** Draws known so far that were slow, since their pairs did not fit into the lists. */
  get overflows(): number {
    return this.#capacity.overflows
  }

  draw(view: View): void {
    if (this.#disposed) throw new DisposedError('the canvas')
    this.view.set(view, this.background)
    if (!this.#capacity.known) {
      const capacity = this.#capacity.next(this.gaussians)
      this.#enqueue(capacity)
      this.#observe(capacity)
      return
    }
    const { graph, capacity } = this.#suitable()
    graph.launch()
    this.#observe(capacity)
  }

  dispose(): void {
    this.#disposed = true
    this.#captured?.graph.dispose()
    this.#captured = null
    for (const tensor of [this.image, this.#counters, this.view.parameters]) tensor.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  #suitable(): { graph: CudaGraph; capacity: number } {
    if (this.#captured && this.#capacity.suits(this.#captured.capacity, this.gaussians)) return this.#captured
    this.#captured?.graph.dispose()
    this.#captured = null
    const capacity = this.#capacity.next(this.gaussians)
    this.#captured = { graph: this.device.capture(() => this.#enqueue(capacity)), capacity }
    return this.#captured
  }

  #enqueue(capacity: number): void {
    const { device, passes, view, inputs, gaussians } = this
    using _scope = device.scope()
    const empty: Empty = (shape, dtype, name) => device.empty(shape, dtype, name)
    const radii = empty([gaussians], 'i32', 'radii')
    const projected = passes.project(empty, view.parameters, inputs, gaussians, radii, this.#counters)
    const { values, ranges } = passes.list(empty, view.parameters, projected, radii, capacity, view)
    const { records, order, counters } = projected
    device.launch(
      this.kernel,
      { grid: halves * (ranges.shape[0] ?? 0), block: drawBlock },
      ...[view.parameters, records, radii, order, ranges, values, capacity, counters, this.image],
    )
  }

  /** One count at a time; one that is late by some draws serves as well. */
  #observe(capacity: number): void {
    if (this.#observing) return
    this.#observing = true
    this.device.read(this.#counters).then(
      (counters) => {
        this.#observing = false
        this.#capacity.learn(pairsOf(counters), capacity)
      },
      // The device has failed or is gone; whoever reads the image meets that too.
      () => {},
    )
  }
}
