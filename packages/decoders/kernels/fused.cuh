// Pieces of the fused kernels: tiles of shared memory that fill asynchronously, and factors for the tensor cores.
//
// The order of a sum over k is free, and so is the order of the n columns of a tile. Both are chosen so that a lane reads
// its elements of several products as 16 bytes, and so that the accumulators of one product are the left factor of the
// next: k = member stands for column 2 member of the accumulators, k = member + 4 for the one behind it.
#pragma once

#include <cuda_pipeline_primitives.h>

#include "heads.cuh"
#include "mma.cuh"

namespace clipgstream {

constexpr int threads = 256;
/** Hidden units, or rows, that pass through shared memory at a time. */
constexpr int step = 32;
/** Widest second layer; kernels make 16 outputs at a time. */
constexpr int maxOutputs = 80;
constexpr int outputTiles = maxOutputs / 8;

/** Tiles of 8 columns that are made together before they are a factor: more would need registers that there are not. */
constexpr int together = 2;

__device__ inline int group() { return threadIdx.x % 32 / 4; }
__device__ inline int member() { return threadIdx.x % 4; }

/** Where elements of a tile lie. Odd rows have their groups of 16 columns exchanged; W is a multiple of 32. */
template <int W>
struct Crossed {
  __device__ static int at(int row, int column) { return row * W + (column ^ (row % 2 * 16)); }
};
template <int stride>
struct Padded {
  __device__ static int at(int row, int column) { return row * stride + column; }
};

/** Calls f(row, column) for this thread's quads of a tile; `perRow` threads share a row. */
template <int perRow, class F>
__device__ inline void forEachQuad(int rows, int columns, F f) {
  for (int row = threadIdx.x / perRow; row < rows; row += threads / perRow) {
    for (int column = threadIdx.x % perRow * 4; column < columns; column += perRow * 4) f(row, column);
  }
}

/** Begins to copy a tile from an array of `ld` columns; what lies behind the ends of that is 0. */
template <class Layout, int perRow>
__device__ inline void fetch(float* tile, int rows, int columns, const float* from, int ld, int rowEnd, int columnEnd) {
  const size_t address = reinterpret_cast<size_t>(from);
  const bool quads = address % 16 == 0 && ld % 4 == 0;
  const bool pairs = address % 8 == 0 && ld % 2 == 0;
  forEachQuad<perRow>(rows, columns, [&](int row, int column) {
    float* to = tile + Layout::at(row, column);
    const float* source = from + (row * ld + column);
    const int inside = row < rowEnd ? columnEnd - column : 0;
    if (inside >= 4 && quads) {
      __pipeline_memcpy_async(to, source, 16);
    } else if (inside <= 0) {
      *reinterpret_cast<float4*>(to) = make_float4(0, 0, 0, 0);
    } else if (inside >= 4 && pairs) {
      __pipeline_memcpy_async(to, source, 8);
      __pipeline_memcpy_async(to + 2, source + 2, 8);
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        if (i < inside) __pipeline_memcpy_async(to + i, source + i, 4);
        else to[i] = 0;
      }
    }
  });
}

/** Changes what this thread has fetched, once it is there. */
template <class Layout, int perRow, class F>
__device__ inline void change(float* tile, int rows, int columns, F f) {
  forEachQuad<perRow>(rows, columns, [&](int row, int column) {
    float4& v = *reinterpret_cast<float4*>(tile + Layout::at(row, column));
    v = f(v, Layout::at(row, column));
  });
}

/** What a product looks at: with one product, values are rounded where they are stored. */
template <int products>
__device__ inline float narrowed(float v) {
  return products == 1 ? rounded(v) : v;
}
template <int products>
__device__ inline float4 narrowed(float4 v) {
  return make_float4(narrowed<products>(v.x), narrowed<products>(v.y), narrowed<products>(v.z), narrowed<products>(v.w));
}

template <class Layout, int perRow, int products>
__device__ inline void narrow(float* tile, int rows, int columns) {
  if (products == 1) change<Layout, perRow>(tile, rows, columns, [](float4 v, int) { return narrowed<products>(v); });
}

/** N elements of a lane, narrowed, and their small parts with three products. */
template <int products, int N>
struct Factor {
  unsigned big[N], small[N];
  __device__ void set(int i, float v) {
    if (products == 1) big[i] = __float_as_uint(v);
    else split<products>(v, big[i], small[i]);
  }
};
template <int products>
using Left = Factor<products, 4>;
template <int products>
using Right = Factor<products, 2>;

template <int products>
__device__ inline Left<products> left(float a, float b, float c, float d) {
  Left<products> factor;
  factor.set(0, a);
  factor.set(1, b);
  factor.set(2, c);
  factor.set(3, d);
  return factor;
}
template <int products>
__device__ inline Right<products> right(float a, float b) {
  Right<products> factor;
  factor.set(0, a);
  factor.set(1, b);
  return factor;
}

/** Accumulators as the left factor of the next product. */
template <int products>
__device__ inline Left<products> leftOf(const float (&c)[4]) {
  return left<products>(
      narrowed<products>(c[0]), narrowed<products>(c[2]), narrowed<products>(c[1]), narrowed<products>(c[3]));
}

/** sums[n] += a b[n], the products of each kind one after the other, since those of one sum wait for each other. */
template <int products, int N>
__device__ inline void multiplyAdd(float (&sums)[N][4], const Left<products>& a, const Right<products> (&b)[N]) {
  if (products == 3) {
#pragma unroll
    for (int n = 0; n < N; n++) mma(sums[n], a.small, b[n].big);
#pragma unroll
    for (int n = 0; n < N; n++) mma(sums[n], a.big, b[n].small);
  }
#pragma unroll
  for (int n = 0; n < N; n++) mma(sums[n], a.big, b[n].big);
}

/** sums += partial, rounded as ordinary additions are; tensor cores cut what does not fit. */
template <int N>
__device__ inline void add(float (*sums)[4], const float (&partial)[N][4]) {
#pragma unroll
  for (int n = 0; n < N; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) sums[n][i] += partial[n][i];
  }
}

/**
 * A lane's share of 16 rows by W columns. Of its four accumulators i of the products of 32 columns, (row, c) is column
 * 4 c + i, so that right factors are read as quads, and stored as quads.
 */
template <int products, int W>
struct Strip {
  float sums[W / 8][4] = {};

  /** += the 8 N columns of `a` times as many rows of a tile */
  template <int N>
  __device__ void multiply(const Left<products> (&a)[N], const float* tile) {
    using Layout = Padded<W + 4>;
#pragma unroll
    for (int q = 0; q < W / 32; q++) {
      float partial[4][4];
#pragma unroll
      for (int n = 0; n < 16; n++) partial[n / 4][n % 4] = products == 1 ? sums[4 * q + n / 4][n % 4] : 0;
#pragma unroll
      for (int k = 0; k < N; k++) {
        const int row = 8 * k + 2 * member(), column = 32 * q + 4 * group();
        const float4 u = *reinterpret_cast<const float4*>(tile + Layout::at(row, column));
        const float4 v = *reinterpret_cast<const float4*>(tile + Layout::at(row + 1, column));
        const Right<products> b[4] = {
            right<products>(u.x, v.x), right<products>(u.y, v.y), right<products>(u.z, v.z), right<products>(u.w, v.w)};
        multiplyAdd<products>(partial, a[k], b);
      }
#pragma unroll
      for (int n = 0; n < 16; n++) {
        float& sum = sums[4 * q + n / 4][n % 4];
        sum = products == 1 ? partial[n / 4][n % 4] : sum + partial[n / 4][n % 4];
      }
    }
  }

  /** Writes, or adds, rows below `rows` to an array of `columns` columns that begins at the strip's first row. */
  __device__ void store(float* to, int rows, int columns, bool adding) const {
    const bool quads = columns % 4 == 0 && reinterpret_cast<size_t>(to) % 16 == 0;
#pragma unroll
    for (int q = 0; q < W / 32; q++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int row = group() + i / 2 * 8, column = 32 * q + 8 * member() + i % 2 * 4;
        if (row >= rows || column >= columns) continue;
        float* place = to + static_cast<size_t>(row) * columns + column;
        float values[4] = {sums[4 * q][i], sums[4 * q + 1][i], sums[4 * q + 2][i], sums[4 * q + 3][i]};
        if (quads) {
          float4& target = *reinterpret_cast<float4*>(place);
          float4 v = make_float4(values[0], values[1], values[2], values[3]);
          if (adding) v = make_float4(target.x + v.x, target.y + v.y, target.z + v.z, target.w + v.w);
          target = v;
        } else {
#pragma unroll
          for (int j = 0; j < 4; j++) {
            if (column + j < columns) place[j] = (adding ? place[j] : 0) + values[j];
          }
        }
      }
    }
  }
};

}  // namespace clipgstream
