// Products of tiles: c // [128, N] += a // [128, k] b // [k, N], by a block of 256 threads, N = 64 or 32.
//
// Operands pass through shared memory in slices of 16 k, stored [k][i] and double buffered through registers. Rows are 8
// words longer than the tile, so that fragments of the tensor cores (4 k by 8 i) fall into 32 banks; `swizzle` does the
// same for the transposing stores of operands that are contiguous along k, whose warps read 64 bytes of 8 rows. Two
// engines read the same slices: `Plain` with fused multiply-adds in ascending k, a microtile of 8 x (N / 16) per thread,
// and `Tensor` with mma.sync m16n8k8 tf32, 32 x (N / 2) per warp.
//
// A float is split into big + small of 11 bits each; three products leave a relative error of about
// 2^-21 a term. Each slice starts from zero and is added by an ordinary, rounded addition, since tensor cores
// truncate their sums. With one product (tf32) the relative error is at most about 2^-9 a term.
#pragma once

#include "heads.cuh"
#include "mma.cuh"

namespace clipgstream {

constexpr int threads = 256;
constexpr int rowsOfTile = 128;
constexpr int slice = 16;
constexpr int padding = 8;

/** One operand's slices. Elements outside of the limits are 0. W is the extent along i. */
template <int W>
struct __align__(16) Slices {
  float values[2][slice][W + padding];
};

/** Where in row k of a slice index i lies: groups of 8 trade places, quads stay together. */
__device__ constexpr int swizzle(int k, int i) { return i ^ (k / 4 % 4 * 8); }

/** How operand elements (i, k) lie in memory: at i ld + k or, contiguous along i, at k ld + i. */
enum class Along { K, I };

/** Values as they are. */
struct Values {
  const float* from;
  __device__ void advance(size_t by) { from += by; }
  __device__ float at(int index) const { return from[index]; }
  __device__ float4 at4(int index) const { return *reinterpret_cast<const float4*>(from + index); }
  __device__ bool aligned() const { return (reinterpret_cast<size_t>(from) & 15) == 0; }
};

/**
 * Moves slices of an operand from global to shared memory: `fetch` reads one into registers, `store` writes it. `i0` is
 * the first of the tile's W indices, those from `iEnd` on and k from `kEnd` on are 0. Within a tile, places are 32 bits.
 */
template <int W, Along along, class Source>
struct Operand {
  static constexpr int quads = (W * slice / 4 + threads - 1) / threads;
  static constexpr int singles = W * slice / threads;
  Source source;
  int ld, width, kEnd;
  bool wide;
  float held[quads * 4];

  __device__ Operand(Source values, int ld, int i0, int iEnd, int kEnd)
      : source(values), ld(ld), width(iEnd - i0), kEnd(kEnd) {
    source.advance(along == Along::K ? static_cast<size_t>(i0) * ld : i0);
    // The first k is a multiple of four, so that a quad lies inside of the limits or outside.
    wide = source.aligned() && ld % 4 == 0 && (along == Along::K ? kEnd : width) % 4 == 0;
  }

  __device__ void fetch(int k0) {
    if (wide) {
#pragma unroll
      for (int q = 0; q < quads; q++) {
        int i, k;
        const bool inside = quad(q, i, k);
        float4 v = make_float4(0, 0, 0, 0);
        if (inside && i < width && k0 + k < kEnd) v = source.at4(place(i, k0 + k));
        held[4 * q] = v.x;
        held[4 * q + 1] = v.y;
        held[4 * q + 2] = v.z;
        held[4 * q + 3] = v.w;
      }
    } else {
#pragma unroll
      for (int s = 0; s < singles; s++) {
        int i, k;
        single(s, i, k);
        held[s] = i < width && k0 + k < kEnd ? source.at(place(i, k0 + k)) : 0;
      }
    }
  }

  __device__ void store(float (*to)[W + padding]) const {
    if (wide) {
#pragma unroll
      for (int q = 0; q < quads; q++) {
        int i, k;
        if (!quad(q, i, k)) continue;
        if (along == Along::I) {
          *reinterpret_cast<float4*>(&to[k][swizzle(k, i)]) =
              make_float4(held[4 * q], held[4 * q + 1], held[4 * q + 2], held[4 * q + 3]);
        } else {
#pragma unroll
          for (int j = 0; j < 4; j++) to[k + j][swizzle(k, i)] = held[4 * q + j];
        }
      }
    } else {
#pragma unroll
      for (int s = 0; s < singles; s++) {
        int i, k;
        single(s, i, k);
        to[k][swizzle(k, i)] = held[s];
      }
    }
  }

 private:
  __device__ int place(int i, int k) const { return along == Along::K ? i * ld + k : k * ld + i; }

  /** First element of this thread's quad q, and whether there is one. */
  __device__ static bool quad(int q, int& i, int& k) {
    const int index = threadIdx.x + threads * q;
    if (along == Along::K) {
      i = index / (slice / 4);
      k = index % (slice / 4) * 4;
    } else {
      i = index % (W / 4) * 4;
      k = index / (W / 4);
    }
    return index < W * slice / 4;
  }

  __device__ static void single(int s, int& i, int& k) {
    const int index = threadIdx.x + threads * s;
    if (along == Along::K) {
      k = index % slice;
      i = index / slice;
    } else {
      i = index % W;
      k = index / W;
    }
  }
};

/** Fused multiply-adds. */
template <int N>
struct Plain {
  static constexpr int columns = N / 16;
  float sums[8][columns] = {};

  __device__ void multiply(const float (*a)[rowsOfTile + padding], const float (*b)[N + padding]) {
    const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * columns;
#pragma unroll
    for (int k = 0; k < slice; k++) {
      const float4 upper = *reinterpret_cast<const float4*>(&a[k][swizzle(k, row)]);
      const float4 lower = *reinterpret_cast<const float4*>(&a[k][64 + swizzle(k, row)]);
      const float left[8] = {upper.x, upper.y, upper.z, upper.w, lower.x, lower.y, lower.z, lower.w};
      float right[columns];
      const float* from = &b[k][swizzle(k, column)];
      if (columns == 4) {
        const float4 v = *reinterpret_cast<const float4*>(from);
        right[0] = v.x, right[1] = v.y, right[columns - 2] = v.z, right[columns - 1] = v.w;
      } else {
        const float2 v = *reinterpret_cast<const float2*>(from);
        right[0] = v.x, right[1] = v.y;
      }
#pragma unroll
      for (int i = 0; i < 8; i++) {
#pragma unroll
        for (int j = 0; j < columns; j++) sums[i][j] = fmaf(left[i], right[j], sums[i][j]);
      }
    }
  }

  /** Calls f(row, column, value, value of the next column) for what this thread holds; columns are even. */
  template <class F>
  __device__ void forEachPair(F f) const {
    const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * columns;
#pragma unroll
    for (int i = 0; i < 8; i++) {
#pragma unroll
      for (int j = 0; j < columns; j += 2) f(i / 4 * 64 + row + i % 4, column + j, sums[i][j], sums[i][j + 1]);
    }
  }
};

/** Tensor cores, with `products` = 3 (as exact as float32) or 1 (tf32). From compute capability 8.0 on. */
template <int N, int products>
struct Tensor {
  static constexpr int columnTiles = N / 16;
  float sums[2][columnTiles][4] = {};

  __device__ void multiply(const float (*a)[rowsOfTile + padding], const float (*b)[N + padding]) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int group = lane / 4, member = lane % 4;
    const int row = warp % 4 * 32, column = warp / 4 * (N / 2);
    float partial[2][columnTiles][4] = {};
#pragma unroll
    for (int s = 0; s < 2; s++) {
      unsigned bigB[columnTiles][2], smallB[columnTiles][2];
#pragma unroll
      for (int n = 0; n < columnTiles; n++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
          const int k = 8 * s + 4 * i;
          split<products>(b[k + member][swizzle(k, column + 8 * n) + group], bigB[n][i], smallB[n][i]);
        }
      }
#pragma unroll
      for (int m = 0; m < 2; m++) {
        unsigned bigA[4], smallA[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const int k = 8 * s + i / 2 * 4;
          split<products>(a[k + member][swizzle(k, row + 16 * m + i % 2 * 8) + group], bigA[i], smallA[i]);
        }
        if (products == 1) {
#pragma unroll
          for (int n = 0; n < columnTiles; n++) mma(sums[m][n], bigA, bigB[n]);
        } else {
#pragma unroll
          for (int n = 0; n < columnTiles; n++) mma(partial[m][n], smallA, bigB[n]);
#pragma unroll
          for (int n = 0; n < columnTiles; n++) mma(partial[m][n], bigA, smallB[n]);
#pragma unroll
          for (int n = 0; n < columnTiles; n++) mma(partial[m][n], bigA, bigB[n]);
        }
      }
    }
    if (products == 3) {
#pragma unroll
      for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int n = 0; n < columnTiles; n++) {
#pragma unroll
          for (int i = 0; i < 4; i++) sums[m][n][i] += partial[m][n][i];
        }
      }
    }
  }

  template <class F>
  __device__ void forEachPair(F f) const {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int row = warp % 4 * 32 + lane / 4, column = warp / 4 * (N / 2) + lane % 4 * 2;
#pragma unroll
    for (int m = 0; m < 2; m++) {
#pragma unroll
      for (int n = 0; n < columnTiles; n++) {
        f(row + 16 * m, column + 8 * n, sums[m][n][0], sums[m][n][1]);
        f(row + 16 * m + 8, column + 8 * n, sums[m][n][2], sums[m][n][3]);
      }
    }
  }
};

struct PlainEngine {
  template <int N>
  using Tile = Plain<N>;
};
template <int products>
struct TensorEngine {
  template <int N>
  using Tile = Tensor<N, products>;
};

/**
 * tile += a b over k in [kBegin, kEnd); kBegin is a multiple of four. `each` sees every slice in shared memory.
 * All threads of the block must call it.
 */
template <int N, class Tile, class A, class B, class Each>
__device__ void multiply(
    Tile& tile, A& a, B& b, int kBegin, int kEnd, Slices<rowsOfTile>& sharedA, Slices<N>& sharedB, Each each) {
  if (kBegin >= kEnd) return;
  a.fetch(kBegin);
  b.fetch(kBegin);
  a.store(sharedA.values[0]);
  b.store(sharedB.values[0]);
  __syncthreads();
  int buffer = 0;
  for (int k = kBegin; k < kEnd; k += slice) {
    const bool more = k + slice < kEnd;
    if (more) {
      a.fetch(k + slice);
      b.fetch(k + slice);
    }
    tile.multiply(sharedA.values[buffer], sharedB.values[buffer]);
    each(sharedA.values[buffer], sharedB.values[buffer]);
    buffer ^= 1;
    if (more) {
      a.store(sharedA.values[buffer]);
      b.store(sharedB.values[buffer]);
    }
    __syncthreads();
  }
}

}  // namespace clipgstream
