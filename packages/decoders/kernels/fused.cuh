// Pieces of the fused kernels: factors of f16 for the tensor cores, and where they lie.
//
// An f16 has the 11 bits of tf32 but a narrow range, so that numbers are kept as multiples of powers of two: the
// largest finite number under a scale is 1 to 2 times that scale. What is 2^14 times smaller keeps its 11 bits, and
// the rest errs by 2^-25 of the scale. With three products a number is the sum of two of f16, the second of which is
// stored 2^11 times as large; products with it have sums of their own. Infinities and NaN have no say in a scale and
// spoil what they meet.
//
// Sums whose terms have different scales are multiples of the largest scale so far, 2^top: where a larger one comes,
// what has been summed is divided, which is exact. The left factor of a second product is made of accumulators of the
// first. With at most 128 terms of factors below 2, or 4 at the end of the range, those are below 2^9, times a power
// of two.
//
// mma.sync m16n8k16: with group = lane / 4 and member = lane % 4, accumulator i of a lane is (group + 8 (i / 2),
// 2 member + i % 2), and two tiles of 8 columns are a left factor as they are.
#pragma once

#include <cuda_fp16.h>
#include <cuda_pipeline_primitives.h>

#include "heads.cuh"
#include "mma.cuh"

namespace clipgstream {

constexpr int threads = 256;
/** Hidden units, or rows, that pass through shared memory at a time. */
constexpr int step = 32;
/** Tiles of them in shared memory: one is used, the others arrive. */
constexpr int stages = 3;
/** Widest second layer; kernels make 16 outputs at a time. */
constexpr int maxOutputs = 80;
constexpr int outputTiles = maxOutputs / 8;
/** Padding of the rows of tiles, so that eight rows have their 16 bytes in different banks. */
constexpr int padding = 8;
/** Lower than the exponent of any term. */
constexpr int lowest = -1024;
/** Of what is stored of the second f16. */
constexpr float ofRest = 1 / 2048.0f;

__device__ inline int group() { return threadIdx.x % 32 / 4; }
__device__ inline int member() { return threadIdx.x % 4; }

/** 2^e, 0 below and 2^127 above the range. */
__device__ inline float power(int e) { return __int_as_float(min(max(e + 127, 0), 254) << 23); }
/** The exponent of a power of two; that of 0 is -127. */
__device__ inline int exponentOf(float scale) { return (__float_as_int(scale) >> 23) - 127; }

/** v 2^e where that may lie beyond the range of one power. */
struct Scaling {
  float first, second;
  __device__ explicit Scaling(int e) : first(power(e / 2)), second(power(e - e / 2)) {}
  __device__ float operator()(float v) const { return v * first * second; }
};

__device__ inline unsigned pack(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const unsigned*>(&pair);
}
__device__ inline float2 unpack(unsigned pair) { return __half22float2(*reinterpret_cast<const __half2*>(&pair)); }

/** What a pair leaves of two numbers, times 2^11. */
__device__ inline unsigned packRest(float low, float high, unsigned pair) {
  const float2 big = unpack(pair);
  return pack((low - big.x) / ofRest, (high - big.y) / ofRest);
}

__device__ inline int maxOfWarp(int v) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  return __reduce_max_sync(0xffffffffu, v);
#else
  for (int i = 16; i > 0; i /= 2) v = max(v, __shfl_xor_sync(0xffffffffu, v, i));
  return v;
#endif
}

__device__ inline int paddedOutputs(const Head& head) { return tiles(head.outputs, 16) * 16; }

template <int products>
constexpr int parts = products == 1 ? 1 : 2;

/** Factors of a lane, pairs of f16: a left one of 16 x 16, or two right ones of 16 x 8; `rest` for three products. */
struct Factor {
  unsigned big[4], rest[4];
};

/** sums[0] and sums[1] += a times the right factors of 16 columns; products with the rest of either go to `rests`. */
template <int products>
__device__ inline void multiplyAdd(float (*sums)[4], float (*rests)[4], const Factor& a, const Factor& b) {
  mma(sums[0], a.big, b.big[0], b.big[1]);
  mma(sums[1], a.big, b.big[2], b.big[3]);
  if (products == 1) return;
  mma(rests[0], a.rest, b.big[0], b.big[1]);
  mma(rests[1], a.rest, b.big[2], b.big[3]);
  mma(rests[0], a.big, b.rest[0], b.rest[1]);
  mma(rests[1], a.big, b.rest[2], b.rest[3]);
}

/**
 * sums += a times the right factors of all 16 N columns that begin below `end`, of both steps of k of a tile of 32.
 * With three products, those have sums of their own and are then added as ordinary numbers, which rounds; tensor cores
 * cut what does not fit. With one, tiles take turns, since products of one sum wait for each other.
 */
template <int products, int N, class RightOf>
__device__ inline void multiplyAddTile(float (*sums)[4], const Factor (&a)[2], int end, RightOf rightOf) {
  if (products == 1) {
#pragma unroll
    for (int k = 0; k < 2; k++) {
#pragma unroll
      for (int n = 0; n < N; n++) {
        if (16 * n >= end) continue;
        Factor b;
        rightOf(b, 16 * n, 16 * k);
        multiplyAdd<products>(sums + 2 * n, nullptr, a[k], b);
      }
    }
  } else {
#pragma unroll
    for (int n = 0; n < N; n++) {
      if (16 * n >= end) continue;
      float partial[2][4] = {}, rests[2][4] = {};
#pragma unroll
      for (int k = 0; k < 2; k++) {
        Factor b;
        rightOf(b, 16 * n, 16 * k);
        multiplyAdd<products>(partial, rests, a[k], b);
      }
#pragma unroll
      for (int i = 0; i < 8; i++) sums[2 * n + i / 4][i % 4] += partial[i / 4][i % 4] + rests[i / 4][i % 4] * ofRest;
    }
  }
}

/** Accumulators of 16 columns as the left factor of the next product. */
template <int products>
__device__ inline Factor leftOf(const float (*c)[4]) {
  Factor a;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float low = c[i / 2][i % 2 * 2], high = c[i / 2][i % 2 * 2 + 1];
    a.big[i] = pack(low, high);
    if (products == 3) a.rest[i] = packRest(low, high, a.big[i]);
  }
  return a;
}

/** An array of pairs of f16 in memory; with three products, the rest lies `rest` behind it. */
struct Pairs {
  uint32_t* big;
  size_t rest;
  __device__ Pairs from(size_t at) const { return {big + at, rest}; }
};

/** The left factor of rows `group` and `group` + 8 of an array, zeros for one that is not there. */
template <int products>
__device__ inline Factor leftFrom(Pairs array, size_t row, size_t below, bool hasRow, bool hasBelow) {
  Factor a;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const bool there = i % 2 ? hasBelow : hasRow;
    const uint32_t* const from = array.big + (i % 2 ? below : row) + member() + i / 2 * 4;
    a.big[i] = there ? *from : 0;
    if (products == 3) a.rest[i] = there ? from[array.rest] : 0;
  }
  return a;
}

/** A tile of `rows` rows of f16 in shared memory. */
template <int products, int columns, int rows = step>
struct Tile {
  static constexpr int pitch = (columns + padding) / 2;
  static constexpr int rest = rows * pitch;
  static constexpr int size = parts<products> * rest;

  /** Begins to copy the columns below `width` of 32 rows `ld` pairs apart; rows from `rowEnd` on are 0. */
  __device__ static void fetch(uint32_t* tile, Pairs array, int width, size_t ld, int rowEnd) {
    constexpr int perRow = threads / step;
    const int row = threadIdx.x / perRow;
    const bool inside = row < rowEnd;
    const uint32_t* const source = array.big + (inside ? row * ld : 0);
#pragma unroll
    for (int column = threadIdx.x % perRow * 4; column < columns / 2; column += perRow * 4) {
      if (column >= width / 2) continue;
      uint32_t* const to = tile + row * pitch + column;
      __pipeline_memcpy_async(to, source + column, 16, inside ? 0 : 16);
      if (products == 3) __pipeline_memcpy_async(to + rest, source + array.rest + column, 16, inside ? 0 : 16);
    }
  }

  /** The left factor of 16 rows from m on and k = 16 columns. */
  __device__ static void left(Factor& a, const uint32_t* tile, int m, int k) {
    const int lane = threadIdx.x % 32;
    load<false>(a, tile + (m + lane % 16) * pitch + (k + lane / 16 * 8) / 2);
  }
  /** Right factors of 16 columns n, which are rows of the tile, and k = 16 of its columns. */
  __device__ static void rightOfRows(Factor& b, const uint32_t* tile, int n, int k) {
    const int lane = threadIdx.x % 32;
    load<false>(b, tile + (n + lane / 16 * 8 + lane % 8) * pitch + (k + lane / 8 % 2 * 8) / 2);
  }
  /** Right factors of 16 columns n of the tile and k = 16 of its rows. */
  __device__ static void rightOfColumns(Factor& b, const uint32_t* tile, int n, int k) {
    const int lane = threadIdx.x % 32;
    load<true>(b, tile + (k + lane % 16) * pitch + (n + lane / 16 * 8) / 2);
  }

 private:
  template <bool transposed>
  __device__ static void load(Factor& factor, const uint32_t* row) {
    loadMatrices<transposed>(factor.big, row);
    if (products == 3) loadMatrices<transposed>(factor.rest, row + rest);
  }
};

/** Weights as the kernels read them, units of each head up to a multiple of 32. */
template <int products, int W>
struct Weights {
  Pairs w1;  // [units, W / 2]
  Pairs w2;  // [units, 40], transposed
  int* exponents;  // [units / 32, 4] of w1, w2 and b1
  uint32_t* behind;

  __device__ Weights(uint32_t* memory, int words) {
    const size_t units = static_cast<size_t>(words) * step;
    w1 = {memory, units * (W / 2)};
    w2 = {memory + parts<products> * w1.rest, units * (maxOutputs / 2)};
    exponents = reinterpret_cast<int*>(w2.big + parts<products> * w2.rest);
    behind = reinterpret_cast<uint32_t*>(exponents + 4 * words);
  }
  __device__ Pairs firstOf(const Head& head, int unit) const {
    return w1.from((static_cast<size_t>(head.column) * step + unit) * (W / 2));
  }
  __device__ Pairs secondOf(const Head& head, int unit) const {
    return w2.from((static_cast<size_t>(head.column) * step + unit) * (maxOutputs / 2));
  }
  __device__ int* exponentsOf(const Head& head, int unit) const { return exponents + 4 * (head.column + unit / step); }
};

/** What the kernels that go backward read. */
template <int products, int W>
struct Operands : Weights<products, W> {
  int pairsOfRow, capacity;
  Pairs x;  // [rows, W / 2]
  Pairs vRaw;  // [rows, pairsOfRow], the gradient before the activation, of each head up to a multiple of 16
  float* scales;  // [1 + heads, rows] of x and of each head's vRaw

  __device__ Operands(uint32_t* memory, const Heads& heads, int capacity, int words)
      : Weights<products, W>(memory, words), pairsOfRow(0), capacity(capacity) {
    for (int h = 0; h < maxHeads; h++) pairsOfRow += paddedOutputs(heads.list[h]) / 2;
    x = {this->behind, static_cast<size_t>(capacity) * (W / 2)};
    vRaw = {x.big + parts<products> * x.rest, static_cast<size_t>(capacity) * pairsOfRow};
    scales = reinterpret_cast<float*>(vRaw.big + parts<products> * vRaw.rest);
  }
  /** vRaw of a head, whose rows are `pairsOfRow` apart. */
  __device__ Pairs vRawOf(const Heads& heads, const Head& head) const {
    size_t column = 0;
    for (const Head* other = heads.list; other != &head; other++) column += paddedOutputs(*other) / 2;
    return vRaw.from(column);
  }
  __device__ float* scalesOf(const Heads& heads, const Head& head) const {
    return scales + static_cast<size_t>(1 + (&head - heads.list)) * capacity;
  }
};

}  // namespace clipgstream
