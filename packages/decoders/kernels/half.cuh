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

__device__ inline int maxOfWarp(int v) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  return __reduce_max_sync(0xffffffffu, v);
#else
  for (int i = 16; i > 0; i /= 2) v = max(v, __shfl_xor_sync(0xffffffffu, v, i));
  return v;
#endif
}

__device__ inline int paddedOutputs(const Head& head) { return tiles(head.outputs, 16) * 16; }

/** What `narrow` writes, one array behind the other; pairs of f16 count as one element. */
template <int W>
struct Halves {
  uint32_t* x;
  uint32_t* vRaw;
  uint32_t* w1;
  uint32_t* w2;
  int* exponents;  // [units / 32, 2] of w1 and w2
  float* scales;  // [1 + heads, scalesOfRow] of x and of each head's vRaw
  int pairsOfRow, scalesOfRow;

  __device__ Halves(uint32_t* memory, const Heads& heads, int capacity, int words) {
    pairsOfRow = 0;
    for (int h = 0; h < maxHeads; h++) pairsOfRow += paddedOutputs(heads.list[h]) / 2;
    scalesOfRow = tiles(capacity, 4) * 4;
    x = memory;
    vRaw = x + static_cast<size_t>(capacity) * (W / 2);
    w1 = vRaw + static_cast<size_t>(capacity) * pairsOfRow;
    w2 = w1 + static_cast<size_t>(words) * step * (W / 2);
    exponents = reinterpret_cast<int*>(w2 + static_cast<size_t>(words) * step * (secondColumns / 2));
    scales = reinterpret_cast<float*>(exponents + tiles(words, 2) * 4);
  }
  __device__ const uint32_t* w1Of(const Head& head, int unit) const {
    return w1 + (static_cast<size_t>(head.column) * step + unit) * (W / 2);
  }
  __device__ const uint32_t* w2Of(const Head& head, int unit) const {
    return w2 + (static_cast<size_t>(head.column) * step + unit) * (secondColumns / 2);
  }
  __device__ const int* exponentsOf(const Head& head, int unit) const {
    return exponents + 2 * (head.column + unit / step);
  }
  /** vRaw of a head, whose rows are `pairsOfRow` apart. */
  __device__ uint32_t* vRawOf(const Heads& heads, const Head& head) const {
    uint32_t* from = vRaw;
    for (const Head* other = heads.list; other != &head; other++) from += paddedOutputs(*other) / 2;
    return from;
  }
  __device__ float* scalesOf(const Heads& heads, const Head& head) const {
    return scales + static_cast<size_t>(1 + (&head - heads.list)) * scalesOfRow;
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

/** The left factor of rows `group` and `group` + 8 and k = 16; `row` and `below` point to the first of the 16. */
__device__ inline void leftFrom(unsigned (&a)[4], const uint32_t* row, const uint32_t* below) {
  const int t = member();
  a[0] = row ? row[t] : 0;
  a[1] = below ? below[t] : 0;
  a[2] = row ? row[t + 4] : 0;
  a[3] = below ? below[t + 4] : 0;
}

/** Four rows of a warp, of at most 128 columns, as f16; `common`: the 32 rows of the block have one scale. */
template <bool common, class Value>
__device__ inline float narrowRows(int row0, int columns, Value value, uint32_t* to, int ld, int rowEnd, float* scales) {
  const int lane = threadIdx.x % 32;
  float values[4][2][2];
  int top[4];
#pragma unroll
  for (int r = 0; r < 4; r++) {
    top[r] = 0;
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const int column = 2 * (lane + 32 * i) + j;
        const float v = row0 + r < rowEnd && column < columns ? value(row0 + r, column) : 0;
        values[r][i][j] = v;
        const int bits = __float_as_int(v) & 0x7fffffff;
        if (bits < 0x7f800000) top[r] = max(top[r], bits);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < 4; r++) top[r] = maxOfWarp(top[r]);
  if (common) {
    extern __shared__ __align__(16) float shared[];
    int* const tops = reinterpret_cast<int*>(shared);
    __syncthreads();
    if (lane == 0) tops[threadIdx.x / 32] = max(max(top[0], top[1]), max(top[2], top[3]));
    __syncthreads();
#pragma unroll
    for (int r = 0; r < 4; r++) top[r] = maxOfWarp(tops[lane % 8]);
  }
  float scale = 0;
#pragma unroll
  for (int r = 0; r < 4; r++) {
    // 2^127 has no reciprocal above the denormal numbers.
    const int e = min(max(top[r] >> 23, 1), 253) - 127;
    scale = top[r] ? power(e) : 0;
    const float factor = power(-e);
    if (!common && row0 + r >= rowEnd) continue;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int pair = lane + 32 * i;
      if (2 * pair < columns)
        to[static_cast<size_t>(row0 + r) * ld + pair] = pack(values[r][i][0] * factor, values[r][i][1] * factor);
    }
    if (!common && lane == 0) scales[row0 + r] = scale;
  }
  return scale;
}

/** Grid: tiles of 32 rows or units; weights, heads, x. */
template <int W>
__device__ void narrow(
    const Heads& heads, int headCount, const float* x, int inputs, const uint32_t* count, int last, int words,
    uint32_t* memory) {
  const Halves<W> halves(memory, heads, last, words);
  const int warpRow = threadIdx.x / 32 * 4;
  if (blockIdx.y == 0) {
    int tile = blockIdx.x, all = 0;
    for (int h = 0; h < headCount; h++) all += tiles(heads.list[h].hidden, step);
    if (tile >= all) return;
    const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.hidden, step); });
    const int unit0 = tile * step, units = head.hidden - unit0;
    const auto first = [&](int unit, int input) {
      return input < inputs ? head.w1[static_cast<size_t>(unit0 + unit) * inputs + input] : 0;
    };
    const auto second = [&](int unit, int output) {
      return output < head.outputs ? head.w2[static_cast<size_t>(output) * head.hidden + unit0 + unit] : 0;
    };
    const size_t place = static_cast<size_t>(head.column) * step + unit0;
    const float w1 = narrowRows<true>(warpRow, W, first, halves.w1 + place * (W / 2), W / 2, units, nullptr);
    const float w2 = narrowRows<true>(
        warpRow, secondColumns, second, halves.w2 + place * (secondColumns / 2), secondColumns / 2, units, nullptr);
    if (threadIdx.x == 0) {
      int* const to = halves.exponents + 2 * (place / step);
      to[0] = exponentOf(w1);
      to[1] = exponentOf(w2);
    }
    return;
  }
  const int end = lastRow(count, last);
  const int row0 = blockIdx.x * step + warpRow;
  if (row0 >= end) return;
  const int h = static_cast<int>(blockIdx.y) - 1;
  if (h == headCount) {
    const auto value = [&](int row, int column) {
      return column < inputs ? x[static_cast<size_t>(row) * inputs + column] : 0;
    };
    narrowRows<false>(row0, W, value, halves.x, W / 2, end, halves.scales);
    return;
  }
  const Head& head = heads.list[h];
  const BeforeActivation source{head.vOutput, head.output, head.activation};
  const auto value = [&](int row, int column) {
    const size_t at = static_cast<size_t>(row) * head.outputs + column;
    return column < head.outputs ? source.of(head.vOutput[at], head.activation ? head.output[at] : 0) : 0;
  };
  narrowRows<false>(
      row0, paddedOutputs(head), value, halves.vRawOf(heads, head), halves.pairsOfRow, end, halves.scalesOf(heads, head));
}

}  // namespace clipgstream
