import type { View } from '@clipgstream/camera'
import type { RasterInputs } from '@clipgstream/rasterizer'
import type { DType, Shape, Tensor } from '@clipgstream/tensor'
import type { CudaDevice, CudaPrimitives } from '@clipgstream/tensor/cuda'
import type { Kernels } from './kernels.js'
import { depthBits, recordWords, tilesOf } from './layout.js'

/** Threads of a block of the kernels over Gaussians and pairs; of those that draw. */
export const block = 256
export const drawBlock = 128

export type Empty = <D extends DType>(shape: Shape, dtype: D, name: string) => Tensor<D>

export interface Projected {
  records: Tensor<'f32'> // [G, 12]
  order: Tensor<'u32'> // [G] nearest first
  tiles: Tensor<'u32'> // [G] how many each meets
  counters: Tensor<'u32'> // [4]
}

/** What comes before drawing, enqueued. Results are made by `empty`. */
export class Passes {
  constructor(
    private readonly device: CudaDevice,
    private readonly kernels: Kernels,
    private readonly primitives: CudaPrimitives,
  ) {}

  /** Records of the visible splats, and all Gaussians in depth order. */
  project(
    empty: Empty,
    parameters: Tensor,
    inputs: RasterInputs,
    gaussians: number,
    radii: Tensor<'i32'>,
    counters: Tensor<'u32'>,
  ): Projected {
    const { device, kernels } = this
    const records = empty([gaussians, recordWords], 'f32', 'projected Gaussians')
    const order = empty([gaussians], 'u32', 'depth order')
    const tiles = empty([gaussians], 'u32', 'tiles of Gaussians')
    using keys = device.empty([gaussians], 'u32', 'depths')
    using indices = device.empty([gaussians], 'u32', 'indices')
    using sortedKeys = device.empty([gaussians], 'u32', 'sorted depths')
    device.fill(counters, 0)
    device.launch(
      kernels.project,
      { grid: Math.ceil(gaussians / block), block },
      ...[parameters, inputs.means, inputs.quats, inputs.scales, inputs.opacities, inputs.colors],
      ...[inputs.count ?? null, gaussians, records, radii, keys, indices, tiles, counters],
    )
    const sorted = { keys: sortedKeys, values: order }
    this.primitives.sortPairsInto({ keys, values: indices }, sorted, { endBit: depthBits })
    return { records, order, tiles, counters }
  }

  /** The splats of each tile, nearest first. */
  list(
    empty: Empty,
    parameters: Tensor,
    { records, order, tiles, counters }: Projected,
    radii: Tensor<'i32'>,
    capacity: number,
    view: View,
  ): { values: Tensor<'u32'>; ranges: Tensor<'u32'> } {
    const { device, kernels, primitives } = this
    const { tiles: tileCount, tileBits } = tilesOf(view)
    const gaussians = order.size
    const values = empty([capacity], 'u32', 'splats of tiles')
    const ranges = empty([tileCount, 2], 'u32', 'tile ranges')
    using counts = device.empty([gaussians], 'u32', 'tiles in depth order')
    using offsets = device.empty([gaussians + 1], 'u32', 'first pairs')
    using keys = device.empty([capacity], 'u32', 'tiles of pairs')
    using unsorted = device.empty([capacity], 'u32', 'splats of pairs')
    using sortedKeys = device.empty([capacity], 'u32', 'sorted tiles')
    const grid = Math.ceil(gaussians / block)
    device.launch(kernels.countInOrder, { grid, block }, order, tiles, gaussians, counts)
    primitives.exclusiveScanInto(counts, offsets)
    device.launch(
      kernels.listPairs,
      { grid: Math.max(1, grid), block },
      ...[parameters, records, radii, order, offsets, gaussians, capacity, counters, keys, unsorted],
    )
    primitives.sortPairsInto({ keys, values: unsorted }, { keys: sortedKeys, values }, { endBit: tileBits })
    device.fill(ranges, 0)
    device.launch(
      kernels.rangeTiles,
      { grid: Math.ceil(capacity / block), block },
      ...[sortedKeys, capacity, counters, ranges],
    )
    return { values, ranges }
  }
}
