// How the kernels that draw go through the splats of a tile, shared by forward and backward.
//
// A block of 128 threads has a tile of 16x16 pixels; each of its four warps has a quarter of 8x8, each lane of a warp two
// pixels, four rows apart. Splats come in batches of 128, one fetched by each thread into shared memory while the batch
// before is drawn (two buffers, 12 KiB). The thread that fetched a splat finds the quarters that its ellipse meets; a ballot
// a quarter makes lists of bits, so that a warp only looks at splats of its own quarter.
#pragma once

#include <cuda_pipeline_primitives.h>

#include "extent.cuh"

constexpr uint32_t BATCH = 128;
constexpr uint32_t WORDS = BATCH / 32;

struct Batches {
  float4 first[2][BATCH];
  float4 second[2][BATCH];
  float4 third[2][BATCH];
  /// Of a quarter, a bit a splat.
  uint32_t meets[2][WORDS][4];
};

/// Splats of a tile in depth order: its list, or all splats where the lists overflowed.
struct TileSplats {
  const uint32_t* indices;
  uint32_t length;
  bool all;
};

__device__ __forceinline__ TileSplats splatsOf(
    uint32_t tile, const uint2* ranges, const uint32_t* values, const uint32_t* order, const Counters* counters,
    uint32_t capacity) {
  if (counters->pairs > capacity) return {order, counters->visible, true};
  const uint2 range = ranges[tile];
  return {values + range.x, range.y - range.x, false};
}

/// This thread's pixels, relative to the first of the tile: column, and row of the upper one.
__device__ __forceinline__ int pixelColumn() { return 8 * (warpOfBlock() & 1u) + (lane() & 7u); }
__device__ __forceinline__ int pixelRow() { return 8 * (warpOfBlock() >> 1) + (lane() >> 3); }
constexpr int SECOND_ROW = 4;

/// Starts to fetch this thread's splat of a batch.
__device__ __forceinline__ void fetchSplat(Batches& batches, uint32_t buffer, const float4* records, uint32_t index) {
  const float4* record = records + RECORD_VECTORS * static_cast<size_t>(index);
  __pipeline_memcpy_async(&batches.first[buffer][threadIdx.x], record, sizeof(float4));
  __pipeline_memcpy_async(&batches.second[buffer][threadIdx.x], record + 1, sizeof(float4));
  __pipeline_memcpy_async(&batches.third[buffer][threadIdx.x], record + 2, sizeof(float4));
}

/// Whether a splat that is in no list has the tile in its square.
__device__ __forceinline__ bool squareHoldsTile(const Parameters& camera, float4 first, int radius, int column, int row) {
  if (!camera.threeSigma) return true;
  const float square = static_cast<float>(radius);
  const Range columns = tilesOf(0.0f, static_cast<float>(camera.width - 1), first.x, square, camera.width);
  const Range rows = tilesOf(0.0f, static_cast<float>(camera.height - 1), first.y, square, camera.height);
  return column >= columns.first && column < columns.end && row >= rows.first && row < rows.end;
}

/// Publishes which quarters this thread's splat of a batch meets; all threads call it when their splat has arrived.
__device__ __forceinline__ void publishSplat(
    Batches& batches, uint32_t buffer, const Parameters& camera, const TileSplats& splats, const int* radii, bool valid,
    uint32_t index, int tileColumn, int tileRow) {
  uint32_t quarters = 0;
  if (valid) {
    const float4 first = batches.first[buffer][threadIdx.x];
    const float4 second = batches.second[buffer][threadIdx.x];
    const Ellipse ellipse = ellipseOf(first.z, first.w, second.x, __fadd_rn(second.y, -camera.levelMin));
    quarters = quartersOf(
        ellipse, first.x, first.y, static_cast<float>(tileColumn * TILE), static_cast<float>(tileRow * TILE));
    if (splats.all && !squareHoldsTile(camera, first, radii[index], tileColumn, tileRow)) quarters = 0;
  }
  #pragma unroll
  for (uint32_t quarter = 0; quarter < 4; quarter++) {
    const unsigned meeting = __ballot_sync(FULL_WARP, (quarters >> quarter) & 1u);
    if (lane() == quarter) batches.meets[buffer][warpOfBlock()][quarter] = meeting;
  }
}

/// 2^x, relative error 2e-7; 0 and infinity beyond the range.
__device__ __forceinline__ float exp2Fast(float x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}
