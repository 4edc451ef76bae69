// 4D multiresolution hash grid (Müller et al. 2022), forward and backward; the formula is in src/contract.ts.
//
// Two lanes take a point at two neighbouring levels: each the eight corners on its side of the cell along x, so that the
// entries of neighbours in x, which mostly lie in one cache line and every other time in one sector, are asked for
// together; then each keeps one of the two levels, so that reads and writes of `encoded` fill whole sectors. Blocks run
// level by level: the entries in use are those of two levels, at most 4 MiB for 2^17 entries of 4 features.
// The levels come with the launch, in constant memory. No shared memory.
// Determinism: forward has equal bytes every time; backward adds by atomics in any order.
// Floor for N points, L levels, F = 4: 16 N L entries of 16 bytes, in 12 N L sectors of 32 bytes on average, from the L2
// cache: 6.1 GB for a million points and 16 levels, 1.1 ms at 5.5 TB/s. Device memory moves 16 N + 16 N L bytes and the table:
// 0.1 ms at 3 TB/s. Backward adds as many entries by vector atomics (12 N L sectors); scalar ones would be 64 N L.
// Tables of halves, F = 4: neighbours in x share a sector three times out of four instead of every other time, so 10 N L
// sectors, 0.93 ms: at most 1.2 times as fast while two levels lie in the cache either way (2^17 entries: 2 MiB).
// With 2^20 entries two levels are 32 MiB of floats, more than the near half of an H100's 50 MB, and 16 MiB of halves.
// Limits: 2^30 points.
#include "common.cuh"

constexpr uint32_t THREADS = 256;
constexpr uint32_t POINTS = THREADS / 2;
constexpr int MAX_LEVELS = 32;

struct Level {
  float scale, timeScale;
  /// Of y, z and t; that of x is 1.
  uint32_t factors[3];
  uint32_t entries, offset;
  /// Combine by xor, not by sum.
  uint32_t hashed;
};

struct Levels {
  Level level[MAX_LEVELS];
};

__device__ __forceinline__ bool isInside(float4 p) {
  return p.x >= 0 && p.x <= 1 && p.y >= 0 && p.y <= 1 && p.z >= 0 && p.z <= 1 && p.w >= 0 && p.w <= 1;
}

/// The lower corner along an axis; the weights of the lower and of the upper one. The position is rounded once.
__device__ __forceinline__ uint32_t locate(float x, float scale, float (&weights)[2]) {
  const float p = fmaf(scale, x, 0.5f);
  const float below = floorf(p);
  weights[1] = p - below;
  weights[0] = 1.0f - weights[1];
  return static_cast<uint32_t>(below);
}

/// Entries, of the whole table, and weights of the eight corners on `side` of the cell along x.
__device__ __forceinline__ void corners(
    float4 point, const Level& level, int side, uint32_t (&entries)[8], float (&weights)[8]) {
  float wx[2], wy[2], wz[2], wt[2];
  const uint32_t x = locate(point.x, level.scale, wx) + side;
  const uint32_t y = locate(point.y, level.scale, wy) * level.factors[0];
  const uint32_t z = locate(point.z, level.scale, wz) * level.factors[1];
  const uint32_t t = locate(point.w, level.timeScale, wt) * level.factors[2];
  const float weight = side ? wx[1] : wx[0];
  // The largest corner of a level that is not hashed may lie past the last vertex, at most three times around.
  const uint32_t size = level.entries, mask = size - 1;
  const auto upOf = [&](int c, uint32_t& cy, uint32_t& cz, uint32_t& ct) {
    cy = c & 1 ? y + level.factors[0] : y;
    cz = c & 2 ? z + level.factors[1] : z;
    ct = c & 4 ? t + level.factors[2] : t;
  };
#pragma unroll
  for (int c = 0; c < 8; c++) weights[c] = weight * wy[c & 1] * wz[c >> 1 & 1] * wt[c >> 2];
  uint32_t cy, cz, ct;
  if (level.hashed) {
#pragma unroll
    for (int c = 0; c < 8; c++) {
      upOf(c, cy, cz, ct);
      entries[c] = level.offset + ((x ^ cy ^ cz ^ ct) & mask);
    }
  } else if ((size & mask) == 0) {
#pragma unroll
    for (int c = 0; c < 8; c++) {
      upOf(c, cy, cz, ct);
      entries[c] = level.offset + ((x + cy + cz + ct) & mask);
    }
  } else {
#pragma unroll
    for (int c = 0; c < 8; c++) {
      upOf(c, cy, cz, ct);
      uint32_t entry = x + cy + cz + ct;
      while (entry >= size) entry -= size;
      entries[c] = level.offset + entry;
    }
  }
}

template <int F> __device__ __forceinline__ void loadRow(const float* p, float (&row)[F]) {
  if constexpr (F == 1) {
    row[0] = __ldg(p);
  } else if constexpr (F == 2) {
    const float2 v = __ldg(reinterpret_cast<const float2*>(p));
    row[0] = v.x;
    row[1] = v.y;
  } else {
#pragma unroll
    for (int f = 0; f < F; f += 4) {
      const float4 v = loadConstant4(p + f);
      row[f] = v.x;
      row[f + 1] = v.y;
      row[f + 2] = v.z;
      row[f + 3] = v.w;
    }
  }
}

/// Two numbers out of a word of halves, exactly.
__device__ __forceinline__ float2 widen(uint32_t word) {
  return __half22float2(*reinterpret_cast<const __half2*>(&word));
}

template <int F> __device__ __forceinline__ void loadRow(const __half* p, float (&row)[F]) {
  if constexpr (F == 1) {
    row[0] = __half2float(__ldg(p));
  } else {
    uint32_t words[F / 2];
    if constexpr (F == 2) {
      words[0] = __ldg(reinterpret_cast<const uint32_t*>(p));
    } else if constexpr (F == 4) {
      const uint2 v = __ldg(reinterpret_cast<const uint2*>(p));
      words[0] = v.x;
      words[1] = v.y;
    } else {
      const uint4 v = __ldg(reinterpret_cast<const uint4*>(p));
      words[0] = v.x;
      words[1] = v.y;
      words[2] = v.z;
      words[3] = v.w;
    }
#pragma unroll
    for (int f = 0; f < F; f += 2) {
      const float2 v = widen(words[f / 2]);
      row[f] = v.x;
      row[f + 1] = v.y;
    }
  }
}

template <int F> __device__ __forceinline__ void storeRow(float* p, const float (&row)[F]) {
  if constexpr (F == 1) {
    *p = row[0];
  } else if constexpr (F == 2) {
    *reinterpret_cast<float2*>(p) = make_float2(row[0], row[1]);
  } else {
#pragma unroll
    for (int f = 0; f < F; f += 4) store4(p + f, make_float4(row[f], row[f + 1], row[f + 2], row[f + 3]));
  }
}

/// p += weight row
template <int F> __device__ __forceinline__ void addRow(float* p, float weight, const float (&row)[F]) {
  if constexpr (F == 1) {
    atomicAdd(p, weight * row[0]);
  } else if constexpr (F == 2) {
    atomicAdd2(p, make_float2(weight * row[0], weight * row[1]));
  } else {
#pragma unroll
    for (int f = 0; f < F; f += 4) {
      atomicAdd4(p + f, make_float4(weight * row[f], weight * row[f + 1], weight * row[f + 2], weight * row[f + 3]));
    }
  }
}

/// The block's points at levels 2 blockIdx.y and the next.
template <int F, typename T> __device__ __forceinline__ void encodeLevels(
    const float* __restrict__ points, const uint32_t* __restrict__ count, const T* __restrict__ table,
    float* __restrict__ encoded, uint32_t n, uint32_t levelCount, const Levels& levels) {
  const uint32_t rows = countOf(count, n);
  if (blockIdx.x * POINTS >= rows) return;
  const uint32_t i = blockIdx.x * POINTS + threadIdx.x / 2;
  const int side = threadIdx.x & 1;
  const uint32_t first = 2 * blockIdx.y;
  const float4 point = i < rows ? loadConstant4(points + size_t(4) * i) : make_float4(-1, 0, 0, 0);
  const bool inside = isInside(point);
  float kept[F], given[F];
#pragma unroll
  for (int k = 0; k < 2; k++) {
    float sum[F] = {};
    if (inside && first + k < levelCount) {
      uint32_t entries[8];
      float weights[8];
      corners(point, levels.level[first + k], side, entries, weights);
#pragma unroll
      for (int c = 0; c < 8; c++) {
        float row[F];
        loadRow(table + size_t(F) * entries[c], row);
#pragma unroll
        for (int f = 0; f < F; f++) sum[f] = fmaf(weights[c], row[f], sum[f]);
      }
    }
#pragma unroll
    for (int f = 0; f < F; f++) {
      if (k == side) kept[f] = sum[f];
      else given[f] = sum[f];
    }
  }
#pragma unroll
  for (int f = 0; f < F; f++) kept[f] += __shfl_xor_sync(FULL_WARP, given[f], 1);
  const uint32_t level = first + side;
  if (i < rows && level < levelCount) storeRow(encoded + (size_t(i) * levelCount + level) * F, kept);
}

template <int F> __device__ __forceinline__ void encodeLevelsBackward(
    const float* __restrict__ points, const uint32_t* __restrict__ count, const float* __restrict__ vEncoded,
    float* __restrict__ vTable, uint32_t n, uint32_t levelCount, const Levels& levels) {
  const uint32_t rows = countOf(count, n);
  if (blockIdx.x * POINTS >= rows) return;
  const uint32_t i = blockIdx.x * POINTS + threadIdx.x / 2;
  const int side = threadIdx.x & 1;
  const uint32_t first = 2 * blockIdx.y;
  const float4 point = i < rows ? loadConstant4(points + size_t(4) * i) : make_float4(-1, 0, 0, 0);
  const bool inside = isInside(point);
  float own[F] = {}, others[F];
  const uint32_t level = first + side;
  if (inside && level < levelCount) loadRow(vEncoded + (size_t(i) * levelCount + level) * F, own);
#pragma unroll
  for (int f = 0; f < F; f++) others[f] = __shfl_xor_sync(FULL_WARP, own[f], 1);
#pragma unroll
  for (int k = 0; k < 2; k++) {
    float v[F];
    bool any = false;
#pragma unroll
    for (int f = 0; f < F; f++) {
      v[f] = k == side ? own[f] : others[f];
      any = any || v[f] != 0;
    }
    // Outside and behind the last level all are zero.
    if (any) {
      uint32_t entries[8];
      float weights[8];
      corners(point, levels.level[first + k], side, entries, weights);
#pragma unroll
      for (int c = 0; c < 8; c++) addRow(vTable + size_t(F) * entries[c], weights[c], v);
    }
  }
}

// encode<F>, encodeHalves<F>: points // [n, 4], count // [1] or null, table // [E, F] in f32 and in f16;
// writes encoded // [n, levelCount F]
// encodeBackward<F>: vEncoded // [n, levelCount F]; adds to vTable // [E, F]
// Grid: blocks of 128 points by pairs of levels.
#define ENCODE(NAME, F, T)                                                                                             \
  extern "C" __global__ void __launch_bounds__(THREADS) NAME##F(                                                       \
      const float* __restrict__ points, const uint32_t* __restrict__ count, const T* __restrict__ table,               \
      float* __restrict__ encoded, uint32_t n, uint32_t levelCount, const __grid_constant__ Levels levels) {           \
    encodeLevels<F>(points, count, table, encoded, n, levelCount, levels);                                             \
  }
#define KERNELS(F)                                                                                                     \
  ENCODE(encode, F, float)                                                                                             \
  ENCODE(encodeHalves, F, __half)                                                                                      \
  extern "C" __global__ void __launch_bounds__(THREADS) encodeBackward##F(                                             \
      const float* __restrict__ points, const uint32_t* __restrict__ count, const float* __restrict__ vEncoded,        \
      float* __restrict__ vTable, uint32_t n, uint32_t levelCount, const __grid_constant__ Levels levels) {            \
    encodeLevelsBackward<F>(points, count, vEncoded, vTable, n, levelCount, levels);                                   \
  }

KERNELS(1)
KERNELS(2)
KERNELS(4)
KERNELS(8)
