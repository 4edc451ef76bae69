// Lists of splats per tile, nearest first: splats in depth order write (tile, splat) pairs, which a stable sort by tile
// then groups. Two sorts with small keys, 31 bits of depth a Gaussian and 13 bits of tile a pair (at 1920x1080), read and
// write a third of what one sort of 64-bit keys a pair does.
//
// The lists have a capacity that the host chose before it knew the number of pairs. Where the pairs do not fit, all
// kernels here return at once, and the ones that draw go through the depth order itself (batch.cuh): slower, the same
// result. Pairs behind the last have the key `tiles`, which sorts behind all.
// A pair's value says which splat and which quarters of the tile it meets (batch.cuh), so that nothing has to look at the
// splats again before they are drawn.
// Floor: 12 bytes a Gaussian and 8 bytes a pair written, 4 a pair read; 0.02 ms for a million Gaussians with 4 pairs.
#include "batch.cuh"

constexpr uint32_t BLOCK = 256;
/// More pairs than this are written by the whole warp.
constexpr uint32_t FEW = 24;

/// counts[rank] = tiles of the splat of that rank. order, tiles, counts // [G]. A thread is a rank.
extern "C" __global__ void __launch_bounds__(BLOCK) countInOrder(
    const uint32_t* __restrict__ order, const uint32_t* __restrict__ tiles, uint32_t gaussians,
    uint32_t* __restrict__ counts) {
  const uint32_t rank = threadIndex();
  if (rank < gaussians) counts[rank] = tiles[order[rank]];
}

/// Pairs of a splat with a row of tiles, from place `at` on and before `end`.
__device__ __forceinline__ uint32_t listRow(
    const Footprint& footprint, int row, Range columns, int tilesX, uint32_t index, uint32_t at, uint32_t end,
    uint32_t* keys, uint32_t* values) {
  const HalfRows halves = halfRowsOf(footprint, row);
  for (int column = columns.first; column < columns.end && at < end; column++) {
    keys[at] = static_cast<uint32_t>(row * tilesX + column);
    values[at++] = index | quartersOf(footprint, halves, column) << INDEX_BITS;
  }
  return at;
}

/// offsets // [G + 1] of each rank's pairs; keys, values // [capacity]. A thread is a rank; a lane is a row of tiles where
/// a splat has many.
extern "C" __global__ void __launch_bounds__(BLOCK) listPairs(
    const Parameters* __restrict__ camera, const float4* __restrict__ records, const int* __restrict__ radii,
    const uint32_t* __restrict__ order, const uint32_t* __restrict__ offsets, uint32_t gaussians, uint32_t capacity,
    const Counters* __restrict__ counters, uint32_t* __restrict__ keys, uint32_t* __restrict__ values) {
  if (counters->pairs > capacity) return;
  const int width = camera->width;
  const int height = camera->height;
  const int tilesX = camera->tilesX;
  for (uint32_t p = offsets[gaussians] + threadIndex(); p < capacity; p += threadCount()) {
    keys[p] = static_cast<uint32_t>(tilesX * camera->tilesY);
  }

  const uint32_t rank = threadIndex();
  uint32_t place = 0, count = 0, index = 0;
  if (rank < gaussians) {
    place = offsets[rank];
    count = offsets[rank + 1] - place;
    if (count > 0) index = order[rank];
  }
  if (count > 0 && count <= FEW) {
    const float4* record = records + RECORD_VECTORS * static_cast<size_t>(index);
    const Footprint footprint = footprintOf(*camera, record[0], record[1], radii[index]);
    const uint32_t end = place + count;
    const Range rows = tileRows(footprint, height);
    for (int row = rows.first; row < rows.end; row++) {
      const Range columns = tileColumns(footprint, row, width);
      place = listRow(footprint, row, columns, tilesX, index, place, end, keys, values);
    }
  }

  unsigned many = __ballot_sync(FULL_WARP, count > FEW);
  while (many) {
    const int source = __ffs(many) - 1;
    many &= many - 1;
    const uint32_t shared = __shfl_sync(FULL_WARP, index, source);
    const uint32_t end = __shfl_sync(FULL_WARP, place + count, source);
    uint32_t next = __shfl_sync(FULL_WARP, place, source);
    const float4* record = records + RECORD_VECTORS * static_cast<size_t>(shared);
    const Footprint footprint = footprintOf(*camera, record[0], record[1], radii[shared]);
    const Range rows = tileRows(footprint, height);
    for (int first = rows.first; first < rows.end; first += 32) {
      const int row = first + static_cast<int>(lane());
      const Range columns = row < rows.end ? tileColumns(footprint, row, width) : Range{0, 0};
      const uint32_t length = columns.end - columns.first;
      uint32_t before = length;
      #pragma unroll
      for (int step = 1; step < 32; step *= 2) {
        const uint32_t other = __shfl_up_sync(FULL_WARP, before, step);
        if (lane() >= step) before += other;
      }
      const uint32_t all = __shfl_sync(FULL_WARP, before, 31);
      listRow(footprint, row, columns, tilesX, shared, next + before - length, end, keys, values);
      next += all;
    }
  }
}

/// Where each tile's pairs begin and end, and the tile that enters each chunk from the one before. keys // [capacity]
/// sorted; ranges // [tiles, 2] zeros; owners // [chunks]. A thread is a pair.
extern "C" __global__ void __launch_bounds__(BLOCK) finishLists(
    const uint32_t* __restrict__ keys, uint32_t capacity, const Counters* __restrict__ counters,
    uint2* __restrict__ ranges, uint32_t* __restrict__ owners) {
  const uint32_t p = threadIndex();
  if (p >= capacity) return;
  const unsigned long long pairs = counters->pairs;
  const bool listed = pairs <= capacity && p < pairs;
  const uint32_t tile = listed ? keys[p] : NO_TILE;
  const bool first = p == 0 || keys[p - 1] != tile;
  if (p % CHUNK == 0) owners[p / CHUNK] = first ? NO_TILE : tile;
  if (!listed) return;
  if (first) ranges[tile].x = p;
  if (p + 1 == pairs || keys[p + 1] != tile) ranges[tile].y = p + 1;
}
