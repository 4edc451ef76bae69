import type { View } from '@clipgstream/camera'
import type { RasterInputs } from '@clipgstream/rasterizer'
import type { DType, Shape, Tensor } from '@clipgstream/tensor'
import type { CudaDevice, CudaPrimitives } from '@clipgstream/tensor/cuda'
import type { Kernels } from './kernels.js'
import { chunksOf, depthBits, recordWords, tilesOf } from './layout.js'

/** Threads of a block of the kernels over Gaussians and pairs. */
export const block = 256
/** Threads of a block of those that draw, and blocks of a tile. */
export const drawBlock = 64
export const halves = 2

export type Empty = <D extends DType>(shape: Shape, dtype: D, name: string) => Tensor<D>

export interface Projected {
  records: Tensor<'f32'> // [G, 12]
  order: Tensor<'u32'> // [G] nearest first
  tiles: Tensor<'u32'> // [G] how many each meets
  counters: Tensor<'u32'> // [4]
}

/** The splats of each tile, nearest first. */
export interface Lists {
  values: Tensor<'u32'> // [capacity] the index of a splat and, in the upper four bits, the quarters of its tile it meets
  ranges: Tensor<'u32'> // [tiles, 2]
  owners: Tensor<'u32'> // [chunks] the tile that enters each chunk from the one before
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

  list(
    empty: Empty,
    parameters: Tensor,
    { records, order, tiles, counters }: Projected,
    radii: Tensor<'i32'>,
    capacity: number,
    view: View,
  ): Lists {
    const { device, kernels, primitives } = this
    const { tiles: tileCount, tileBits } = tilesOf(view)
    const gaussians = order.size
    const values = empty([capacity], 'u32', 'splats of tiles')
    const ranges = empty([tileCount, 2], 'u32', 'tile ranges')
    const owners = empty([chunksOf(capacity)], 'u32', 'tiles of chunks')
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
      kernels.finishLists,
      { grid: Math.ceil(capacity / block), block },
      ...[sortedKeys, capacity, counters, ranges, owners],
    )
    return { values, ranges, owners }
  }
}
