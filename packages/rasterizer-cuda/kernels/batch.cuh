// How the kernels that draw go through the splats of a tile, shared by forward and backward.
//
// A warp has a quarter of 8x8 pixels of a tile of 16x16, each lane two pixels, four rows apart. Warps never wait for
// each other: tiles differ much in length, and so do the quarters of a tile. A block is two warps, the upper or the
// lower half of a tile, since some GPUs hold no more than 16 blocks a multiprocessor.
//
// A warp takes a list in steps of 32 places, at multiples of 32 of all lists. A lane looks at one place; those splats
// of a step that meet the quarter are fetched side by side into shared memory while the step before is drawn (two
// buffers, 3 KiB a warp). Lists are looked at two steps ahead.
#pragma once

#include <cuda_pipeline_primitives.h>

#include "extent.cuh"

constexpr uint32_t STEP = 32;
constexpr uint32_t WARPS = 2;
constexpr uint32_t DRAW_BLOCK = 32 * WARPS;
constexpr uint32_t HALVES = 2;

/// Values of the lists: the index of a Gaussian, above it a bit for each quarter of the tile that its splat meets. So
/// there are at most 2^28 Gaussians; src/layout.ts checks that.
constexpr uint32_t INDEX_BITS = 28;

/// The splats of two steps that meet a warp's quarter, nearest first.
struct Stage {
  float4 records[2][RECORD_VECTORS][STEP];
};

/// Places [begin, end) of a tile's splats in depth order: in its list, or in all splats where the lists overflowed.
struct TileSplats {
  /// Without quarters where not `listed`.
  const uint32_t* values;
  bool listed;
  uint32_t begin, end;
};

__device__ __forceinline__ bool overflowed(const Counters* counters, uint32_t capacity) {
  return counters->pairs > capacity;
}

__device__ __forceinline__ TileSplats splatsOf(
    uint32_t tile, const uint2* ranges, const uint32_t* values, const uint32_t* order, const Counters* counters,
    uint32_t capacity) {
  if (overflowed(counters, capacity)) return {order, false, 0, counters->visible};
  const uint2 range = ranges[tile];
  return {values, true, range.x, range.y};
}

/// The tile of a block and what this lane draws of it.
struct Place {
  int tileColumn, tileRow;
  uint32_t quarter;
  /// Of the upper pixel.
  int column, row;
};
constexpr int SECOND_ROW = 4;

__device__ __forceinline__ Place placeOf(const Parameters& camera, uint32_t tile, uint32_t half) {
  Place p;
  p.tileColumn = static_cast<int>(tile) % camera.tilesX;
  p.tileRow = static_cast<int>(tile) / camera.tilesX;
  p.quarter = 2 * half + warpOfBlock();
  p.column = p.tileColumn * TILE + static_cast<int>(8 * warpOfBlock() + (lane() & 7u));
  p.row = p.tileRow * TILE + static_cast<int>(8 * half + (lane() >> 3));
  return p;
}

/// Whether a splat that is in no list has the tile in its square.
__device__ __forceinline__ bool squareHoldsTile(const Parameters& camera, const Footprint& f, int column, int row) {
  const Range columns = tilesOf(0.0f, static_cast<float>(camera.width - 1), f.x, f.square, camera.width);
  const Range rows = tilesOf(0.0f, static_cast<float>(camera.height - 1), f.y, f.square, camera.height);
  return column >= columns.first && column < columns.end && row >= rows.first && row < rows.end;
}

struct Candidate {
  uint32_t index;
  bool meets;
};

/// This lane's splat of the step that begins at `step`, and whether it meets the warp's quarter.
__device__ __forceinline__ Candidate lookAt(
    const Parameters& camera, const TileSplats& splats, const Place& place, const float4* records, const int* radii,
    uint32_t step) {
  const uint32_t at = step + lane();
  if (at < splats.begin || at >= splats.end) return {0, false};
  const uint32_t value = __ldg(splats.values + at);
  const uint32_t index = value & ((1u << INDEX_BITS) - 1u);
  uint32_t quarters = value >> INDEX_BITS;
  if (!splats.listed) {
    const float4* record = records + RECORD_VECTORS * static_cast<size_t>(index);
    const Footprint footprint = footprintOf(camera, record[0], record[1], radii[index]);
    if (!squareHoldsTile(camera, footprint, place.tileColumn, place.tileRow)) return {0, false};
    quarters = quartersOf(footprint, halfRowsOf(footprint, place.tileRow), place.tileColumn);
  }
  return {index, ((quarters >> place.quarter) & 1u) != 0};
}

/// Place among the splats of a step that meet the quarter.
__device__ __forceinline__ uint32_t rankOf(unsigned meeting) { return __popc(meeting & ((1u << lane()) - 1u)); }

/// Starts to fetch the splats of a step that meet the quarter. Every lane calls it, and every call is one group.
__device__ __forceinline__ void fetchStep(
    Stage& stage, uint32_t buffer, const float4* records, Candidate candidate, unsigned meeting) {
  if (candidate.meets) {
    const float4* record = records + RECORD_VECTORS * static_cast<size_t>(candidate.index);
    #pragma unroll
    for (uint32_t k = 0; k < RECORD_VECTORS; k++) {
      __pipeline_memcpy_async(&stage.records[buffer][k][rankOf(meeting)], record + k, sizeof(float4));
    }
  }
  __pipeline_commit();
}

/// A splat at a lane's two pixels: t, s and level of layout.cuh.
struct Reach {
  float t, s, level, tLower, sLower, levelLower;
};

__device__ __forceinline__ Reach reachOf(float4 first, float4 second, float x, float y) {
  Reach r;
  const float tx = first.z * (x - first.x);
  const float ey = y - first.y;
  const float eyLower = ey + static_cast<float>(SECOND_ROW);
  r.t = fmaf(first.w, ey, tx);
  r.s = second.x * ey;
  r.tLower = fmaf(first.w, eyLower, tx);
  r.sLower = second.x * eyLower;
  r.level = fmaf(-r.s, r.s, fmaf(-r.t, r.t, second.y));
  r.levelLower = fmaf(-r.sLower, r.sLower, fmaf(-r.tLower, r.tLower, second.y));
  return r;
}

/// 1 / x, relative error 1e-7, where that is a normal number.
__device__ __forceinline__ float reciprocalFast(float x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return 1.0f / x;
#endif
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

// Chunks of the lists: CHUNK places, whatever tiles they belong to. Where a tile goes on from one chunk into the next,
// forward leaves of each pixel what backward needs to begin there, so that no warp of backward has more than a chunk.

constexpr uint32_t CHUNK = 512;
/// Of a chunk that no tile enters from the one before.
constexpr uint32_t NO_TILE = 0xffffffffu;
/// T, red, green, blue and depth of what lies before a chunk, of the 256 pixels of the tile that enters it.
constexpr uint32_t CHECKPOINT_ROWS = 5;
constexpr uint32_t CHECKPOINT_PIXELS = TILE * TILE;

__device__ __forceinline__ bool crossesChunk(const TileSplats& splats) {
  return splats.listed && splats.begin < splats.end && splats.begin / CHUNK != (splats.end - 1) / CHUNK;
}

/// The values of this lane's pixel, `second` the lower one; rows are CHECKPOINT_PIXELS apart.
__device__ __forceinline__ size_t checkpointAt(uint32_t chunk, uint32_t quarter, uint32_t second) {
  return static_cast<size_t>(chunk) * CHECKPOINT_ROWS * CHECKPOINT_PIXELS + 64 * quarter + 32 * second + lane();
}
