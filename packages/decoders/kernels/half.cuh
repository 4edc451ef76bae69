// Factors of one product: f16, which has the 11 bits of tf32 but a narrow range, so that numbers are kept as multiples of
// powers of two. One launch, `narrow`, writes them all, padded with zeros, for the kernels that go backward:
//   x        // [rows, W], with a scale for each row
//   vRaw     // [rows, outputs of each head up to a multiple of 16], the gradient before the activation; a scale for each
//            row and head
//   w1       // [units, W] and w2^T // [units, 80], units of each head up to a multiple of 32; an exponent for each 32 units
// The largest finite number under a scale is 1 to 2 times that scale; what is 2^14 times smaller keeps its 11 bits, and the
// rest errs by 2^-25 of the scale. Infinities and NaN stay what they are.
//
// Sums over rows, or over heads, have terms of different scales. They are multiples of the largest scale so far, 2^top:
// where a larger one comes, what has been summed is divided, which is exact. Left factors are made of accumulators of the
// product before, which with factors below 2 and at most 128 terms are below 2^9, times a power of two.
#pragma once

#include <cuda_fp16.h>

#include "fused.cuh"

namespace clipgstream {

/** Columns of w2^T. */
constexpr int secondColumns = maxOutputs;
/** Padding of the rows of tiles, so that eight rows have their 16 bytes in different banks. */
constexpr int padding = 8;
/** Lower than the exponent of any sum. */
constexpr int lowest = -1024;
/** Tiles of 32 units or rows in shared memory: one is used, the others arrive. */
constexpr int stages = 3;

/** 2^e, 0 below and 2^127 above the range. */
__device__ inline float power(int e) {
  return __int_as_float(min(max(e + 127, 0), 254) << 23);
}
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

/** What a pair of f16 leaves of two numbers, times 2^11. */
__device__ inline unsigned packRest(float low, float high, unsigned pair) {
  const float2 big = unpack(pair);
  return pack((low - big.x) * 2048, (high - big.y) * 2048);
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

/** Weights; pairs of f16 count as one element. */
template <int W>
struct HalfWeights {
  uint32_t* w1;  // [units, W / 2]
  uint32_t* w2;  // [units, 40]
  int* exponents;  // [units / 32, 4] of w1, w2 and b1
  uint32_t* behind;

  __device__ HalfWeights(uint32_t* memory, int words) {
    const size_t units = static_cast<size_t>(words) * step;
    w1 = memory;
    w2 = w1 + units * (W / 2);
    exponents = reinterpret_cast<int*>(w2 + units * (secondColumns / 2));
    behind = reinterpret_cast<uint32_t*>(exponents + 4 * words);
  }
  __device__ size_t firstAt(const Head& head, int unit) const {
    return (static_cast<size_t>(head.column) * step + unit) * (W / 2);
  }
  __device__ size_t secondAt(const Head& head, int unit) const {
    return (static_cast<size_t>(head.column) * step + unit) * (secondColumns / 2);
  }
  __device__ const int* exponentsOf(const Head& head, int unit) const {
    return exponents + 4 * (head.column + unit / step);
  }
};

/** With three products, what is left of weights follows. */
template <int W>
struct HalfPairs : HalfWeights<W> {
  uint32_t* restOfW1;
  uint32_t* restOfW2;
  __device__ HalfPairs(uint32_t* memory, int words) : HalfWeights<W>(memory, words) {
    restOfW1 = this->behind;
    restOfW2 = restOfW1 + static_cast<size_t>(words) * step * (W / 2);
  }
};

/** Going backward, rows follow. */
template <int W>
struct Halves : HalfWeights<W> {
  uint32_t* x;  // [rows, W / 2]
  uint32_t* vRaw;  // [rows, pairsOfRow]
  float* scales;  // [1 + heads, rows] of x and of each head's vRaw
  int pairsOfRow, rows;

  __device__ Halves(uint32_t* memory, const Heads& heads, int capacity, int words)
      : HalfWeights<W>(memory, words), pairsOfRow(0), rows(capacity) {
    for (int h = 0; h < maxHeads; h++) pairsOfRow += paddedOutputs(heads.list[h]) / 2;
    x = this->behind;
    vRaw = x + static_cast<size_t>(capacity) * (W / 2);
    scales = reinterpret_cast<float*>(vRaw + static_cast<size_t>(capacity) * pairsOfRow);
  }
  /** vRaw of a head, whose rows are `pairsOfRow` apart. */
  __device__ uint32_t* vRawOf(const Heads& heads, const Head& head) const {
    uint32_t* from = vRaw;
    for (const Head* other = heads.list; other != &head; other++) from += paddedOutputs(*other) / 2;
    return from;
  }
  __device__ float* scalesOf(const Heads& heads, const Head& head) const {
    return scales + static_cast<size_t>(1 + (&head - heads.list)) * rows;
  }
};

/** Tiles of 32 rows of f16 in shared memory. Their size is that of the widest, `columns`. */
template <int columns>
struct HalfTile {
  static constexpr int pitch = (columns + padding) / 2;
  static constexpr int size = step * pitch;

  /** Begins to copy the columns below `width` of rows `ld` pairs apart; rows from `rowEnd` on are 0. */
  __device__ static void fetch(uint32_t* tile, const uint32_t* from, int width, size_t ld, int rowEnd) {
    constexpr int perRow = threads / step;
    const int row = threadIdx.x / perRow;
    const bool inside = row < rowEnd;
    const uint32_t* const source = inside ? from + row * ld : from;
#pragma unroll
    for (int column = threadIdx.x % perRow * 4; column < columns / 2; column += perRow * 4) {
      if (column < width / 2)
        __pipeline_memcpy_async(tile + row * pitch + column, source + column, 16, inside ? 0 : 16);
    }
  }

  /** Left factor of 16 rows of the tile, from m on, and k = 16 of its columns. */
  __device__ static void left(unsigned (&a)[4], const uint32_t* tile, int m, int k) {
    const int lane = threadIdx.x % 32;
    loadMatrices<false>(a, tile + (m + lane % 16) * pitch + (k + lane / 16 * 8) / 2);
  }
  /** Right factors of 16 columns n, which are rows of the tile, and k = 16 of its columns. */
  __device__ static void rightOfRows(unsigned (&b)[4], const uint32_t* tile, int n, int k) {
    const int lane = threadIdx.x % 32;
    loadMatrices<false>(b, tile + (n + lane / 16 * 8 + lane % 8) * pitch + (k + lane / 8 % 2 * 8) / 2);
  }
  /** Right factors of 16 columns n of the tile and k = 16 of its rows. */
  __device__ static void rightOfColumns(unsigned (&b)[4], const uint32_t* tile, int n, int k) {
    const int lane = threadIdx.x % 32;
    loadMatrices<true>(b, tile + (k + lane / 8 % 2 * 8 + lane % 8) * pitch + (n + lane / 16 * 8) / 2);
  }
};

/** sums[0] and sums[1] += a times the right factors of 16 columns */
__device__ inline void multiplyAdd(float (*sums)[4], const unsigned (&a)[4], const unsigned (&b)[4]) {
  mma(sums[0], a, b[0], b[1]);
  mma(sums[1], a, b[2], b[3]);
}

/** Accumulators of 16 columns as the left factor of the next product. */
__device__ inline void leftOf(unsigned (&a)[4], const float (*c)[4]) {
  a[0] = pack(c[0][0], c[0][1]);
  a[1] = pack(c[0][2], c[0][3]);
  a[2] = pack(c[1][0], c[1][1]);
  a[3] = pack(c[1][2], c[1][3]);
}

/** What `leftOf` leaves of accumulators, times 2^11. */
__device__ inline void restOf(unsigned (&rest)[4], const float (*c)[4], const unsigned (&a)[4]) {
  rest[0] = packRest(c[0][0], c[0][1], a[0]);
  rest[1] = packRest(c[0][2], c[0][3], a[1]);
  rest[2] = packRest(c[1][0], c[1][1], a[2]);
  rest[3] = packRest(c[1][2], c[1][3], a[3]);
}

/** The left factor of rows `group` and `group` + 8 and k = 16; `row` and `below` point to the first of the 16. */
__device__ inline void leftFrom(unsigned (&a)[4], const uint32_t* row, const uint32_t* below) {
  const int t = member();
  a[0] = row ? row[t] : 0;
  a[1] = below ? below[t] : 0;
  a[2] = row ? row[t + 4] : 0;
  a[3] = below ? below[t + 4] : 0;
}

/** The power of two, and its exponent, of numbers with the largest bits `top`; 2^127 has no normal reciprocal. */
__device__ inline int exponentOfBits(int top) { return min(max(top >> 23, 1), 253) - 127; }

/** Bits of |v| if that is finite, else 0: the larger, the larger. */
__device__ inline int bitsOf(float v) {
  const int bits = __float_as_int(v) & 0x7fffffff;
  return bits < 0x7f800000 ? bits : 0;
}

/** Four rows of a warp, of at most 128 columns; value(row, column) is asked for rows below `rowEnd`. */
struct FourRows {
  float values[4][2][2];
  int top[4];

  template <class Value>
  __device__ FourRows(int row0, int rowEnd, int columns, Value value) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int r = 0; r < 4; r++) {
      top[r] = 0;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int column = 2 * (lane + i / 2 * 32) + i % 2;
        const float v = row0 + r < rowEnd && column < columns ? value(row0 + r, column) : 0;
        values[r][i / 2][i % 2] = v;
        top[r] = max(top[r], bitsOf(v));
      }
    }
#pragma unroll
    for (int r = 0; r < 4; r++) top[r] = maxOfWarp(top[r]);
  }

  /** Writes row r as multiples of 2^e, and what that leaves to `rest` unless that is null. */
  __device__ void write(int r, int e, int columns, uint32_t* to, uint32_t* rest) const {
    const float factor = power(-e);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int at = threadIdx.x % 32 + 32 * i;
      if (2 * at >= columns) continue;
      const float low = values[r][i][0] * factor, high = values[r][i][1] * factor;
      const unsigned pair = pack(low, high);
      to[at] = pair;
      if (rest) rest[at] = packRest(low, high, pair);
    }
  }
};

/** The block's 32 units of at most 128 columns; returns the exponent that they share, -127 where all are 0. */
template <class Value>
__device__ inline int narrowUnits(int units, int columns, Value value, uint32_t* to, uint32_t* rest) {
  const int row0 = threadIdx.x / 32 * 4;
  const FourRows rows(row0, units, columns, value);
  extern __shared__ __align__(16) float shared[];
  int* const tops = reinterpret_cast<int*>(shared);
  __syncthreads();
  if (threadIdx.x % 32 == 0) tops[threadIdx.x / 32] = max(max(rows.top[0], rows.top[1]), max(rows.top[2], rows.top[3]));
  __syncthreads();
  const int top = maxOfWarp(tops[threadIdx.x % 8]);
  const int e = exponentOfBits(top);
#pragma unroll
  for (int r = 0; r < 4; r++) {
    const size_t at = static_cast<size_t>(row0 + r) * (columns / 2);
    rows.write(r, e, columns, to + at, rest ? rest + at : nullptr);
  }
  return top ? e : -127;
}

/** A tile of 32 units of a head. */
template <int W>
__device__ void narrowWeights(
    const Heads& heads, int tile, int inputs, const HalfWeights<W>& to, uint32_t* restOfW1, uint32_t* restOfW2) {
  const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.hidden, step); });
  const int unit0 = tile * step, units = head.hidden - unit0;
  const auto first = [&](int unit, int input) {
    return input < inputs ? head.w1[static_cast<size_t>(unit0 + unit) * inputs + input] : 0;
  };
  const auto second = [&](int unit, int output) {
    return output < head.outputs ? head.w2[static_cast<size_t>(output) * head.hidden + unit0 + unit] : 0;
  };
  const size_t firstAt = to.firstAt(head, unit0), secondAt = to.secondAt(head, unit0);
  const int w1 = narrowUnits(units, W, first, to.w1 + firstAt, restOfW1 ? restOfW1 + firstAt : nullptr);
  const int w2 = narrowUnits(units, secondColumns, second, to.w2 + secondAt, restOfW2 ? restOfW2 + secondAt : nullptr);
  if (threadIdx.x >= 32) return;
  const int lane = threadIdx.x;
  const int b1 = maxOfWarp(head.b1 && lane < units ? bitsOf(head.b1[unit0 + lane]) : 0);
  if (lane > 0) return;
  int* const exponents = to.exponents + 4 * (head.column + unit0 / step);
  exponents[0] = w1;
  exponents[1] = w2;
  exponents[2] = b1 ? (b1 >> 23) - 127 : lowest;
}

/** Grid: tiles of 32 rows or units; weights, heads, x. */
template <int W>
__device__ void narrow(
    const Heads& heads, int headCount, const float* x, int inputs, const uint32_t* count, int last, int words,
    uint32_t* memory) {
  const Halves<W> halves(memory, heads, last, words);
  if (blockIdx.y == 0) {
    int all = 0;
    for (int h = 0; h < headCount; h++) all += tiles(heads.list[h].hidden, step);
    if (static_cast<int>(blockIdx.x) < all) narrowWeights<W>(heads, blockIdx.x, inputs, halves, nullptr, nullptr);
    return;
  }
  const int end = lastRow(count, last);
  const int row0 = blockIdx.x * step + threadIdx.x / 32 * 4;
  if (row0 >= end) return;
  const int h = static_cast<int>(blockIdx.y) - 1;
  const auto write = [&](const FourRows& rows, int columns, uint32_t* to, int ld, float* scales) {
#pragma unroll
    for (int r = 0; r < 4; r++) {
      if (row0 + r >= end) continue;
      const int e = exponentOfBits(rows.top[r]);
      rows.write(r, e, columns, to + static_cast<size_t>(row0 + r) * ld, nullptr);
      if (threadIdx.x % 32 == 0) scales[row0 + r] = rows.top[r] ? power(e) : 0;
    }
  };
  if (h == headCount) {
    const auto value = [&](int row, int column) {
      return column < inputs ? x[static_cast<size_t>(row) * inputs + column] : 0;
    };
    write(FourRows(row0, end, W, value), W, halves.x, W / 2, halves.scales);
    return;
  }
  const Head& head = heads.list[h];
  const BeforeActivation source{head.vOutput, head.output, head.activation};
  const auto value = [&](int row, int column) {
    const size_t at = static_cast<size_t>(row) * head.outputs + column;
    return column < head.outputs ? source.of(head.vOutput[at], head.activation ? head.output[at] : 0) : 0;
  };
  const int columns = paddedOutputs(head);
  write(
      FourRows(row0, end, columns, value), columns, halves.vRawOf(heads, head), halves.pairsOfRow,
      halves.scalesOf(heads, head));
}

}  // namespace clipgstream
