// Writes what the fused kernels read, as f16 under scales: each row of x, each row of a head's gradients before the
// activation, and 32 hidden units of w1 or w2 have one. A warp does four rows; what is filled up is 0.
#pragma once

#include "fused.cuh"

namespace clipgstream {

/** The exponent of the scale of numbers whose largest has these bits; 2^127 has no normal reciprocal. */
__device__ inline int scaleOf(int top) { return min(max(top >> 23, 1), 253) - 127; }

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

  /** Writes row r as multiples of 2^e. */
  template <int products>
  __device__ void write(int r, int e, int columns, Pairs to) const {
    const float factor = power(-e);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int at = threadIdx.x % 32 + 32 * i;
      if (2 * at >= columns) continue;
      const float low = values[r][i][0] * factor, high = values[r][i][1] * factor;
      const unsigned pair = pack(low, high);
      to.big[at] = pair;
      if (products == 3) to.big[at + to.rest] = packRest(low, high, pair);
    }
  }
};

/** 32 hidden units of the block, of at most 128 columns; returns the exponent that they share, -127 where all are 0. */
template <int products, class Value>
__device__ inline int narrowUnits(int units, int columns, Value value, Pairs to) {
  const int row0 = threadIdx.x / 32 * 4;
  const FourRows rows(row0, units, columns, value);
  extern __shared__ __align__(16) float shared[];
  int* const tops = reinterpret_cast<int*>(shared);
  __syncthreads();
  if (threadIdx.x % 32 == 0) tops[threadIdx.x / 32] = max(max(rows.top[0], rows.top[1]), max(rows.top[2], rows.top[3]));
  __syncthreads();
  const int top = maxOfWarp(tops[threadIdx.x % 8]);
  const int e = scaleOf(top);
#pragma unroll
  for (int r = 0; r < 4; r++)
    rows.template write<products>(r, e, columns, to.from(static_cast<size_t>(row0 + r) * (columns / 2)));
  return top ? e : -127;
}

/** Grid: tiles of 32 hidden units of heads. */
template <int products, int W>
__device__ void narrowWeights(const Heads& heads, int inputs, const Weights<products, W>& to) {
  int tile = blockIdx.x;
  const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.hidden, step); });
  const int unit0 = tile * step, units = head.hidden - unit0;
  const auto first = [&](int unit, int input) {
    return input < inputs ? head.w1[static_cast<size_t>(unit0 + unit) * inputs + input] : 0;
  };
  const auto second = [&](int unit, int output) {
    return output < head.outputs ? head.w2[static_cast<size_t>(output) * head.hidden + unit0 + unit] : 0;
  };
  const int w1 = narrowUnits<products>(units, W, first, to.firstOf(head, unit0));
  const int w2 = narrowUnits<products>(units, maxOutputs, second, to.secondOf(head, unit0));
  if (threadIdx.x >= 32) return;
  const int lane = static_cast<int>(threadIdx.x);
  const int b1 = maxOfWarp(head.b1 && lane < units ? bitsOf(head.b1[unit0 + lane]) : 0);
  if (lane > 0) return;
  int* const exponents = to.exponentsOf(head, unit0);
  exponents[0] = w1;
  exponents[1] = w2;
  exponents[2] = b1 ? (b1 >> 23) - 127 : lowest;
}

/** Grid: tiles of 32 rows, or of 32 units; weights, heads, x. */
template <int products, int W>
__device__ void narrow(
    const Heads& heads, int headCount, const float* x, int inputs, const uint32_t* count, int last, int words,
    uint32_t* memory) {
  const Operands<products, W> to(memory, heads, last, words);
  if (blockIdx.y == 0) {
    int all = 0;
    for (int h = 0; h < headCount; h++) all += tiles(heads.list[h].hidden, step);
    if (static_cast<int>(blockIdx.x) < all) narrowWeights<products, W>(heads, inputs, to);
    return;
  }
  const int end = lastRow(count, last);
  const int row0 = blockIdx.x * step + threadIdx.x / 32 * 4;
  if (row0 >= end) return;
  const auto write = [&](const FourRows& rows, int columns, Pairs array, int ld, float* scales) {
#pragma unroll
    for (int r = 0; r < 4; r++) {
      if (row0 + r >= end) continue;
      const int e = scaleOf(rows.top[r]);
      rows.template write<products>(r, e, columns, array.from(static_cast<size_t>(row0 + r) * ld));
      if (threadIdx.x % 32 == 0) scales[row0 + r] = rows.top[r] ? power(e) : 0;
    }
  };
  const int h = static_cast<int>(blockIdx.y) - 1;
  if (h == headCount) {
    const auto value = [&](int row, int column) {
      return column < inputs ? x[static_cast<size_t>(row) * inputs + column] : 0;
    };
    write(FourRows(row0, end, W, value), W, to.x, W / 2, to.scales);
    return;
  }
  const Head& head = heads.list[h];
  const BeforeActivation source{head.vOutput, head.output, head.activation};
  const auto value = [&](int row, int column) {
    const size_t at = static_cast<size_t>(row) * head.outputs + column;
    return column < head.outputs ? source.of(head.vOutput[at], head.activation ? head.output[at] : 0) : 0;
  };
  const int columns = paddedOutputs(head);
  write(FourRows(row0, end, columns, value), columns, to.vRawOf(heads, head), to.pairsOfRow, to.scalesOf(heads, head));
}

}  // namespace clipgstream
