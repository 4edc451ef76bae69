// Outputs from factors of f16: blocks own rows, 16 a warp.
#pragma once

#include "half.cuh"

namespace clipgstream {

constexpr int rowsOfBlock = 128;

/** A step of hidden units: which head's, and from which unit on. */
struct Place {
  int head, unit;
  __device__ Place next(const Heads& heads) const {
    return unit + step < heads.list[head].hidden ? Place{head, unit + step} : Place{head + 1, 0};
  }
};

/**
 * mask, outputs = activation(W2 relu(W1 x + b1) + b2). Grid: tiles of 128 rows. Without `all`, the mask alone. With three
 * products, numbers are sums of two of f16, the second 2^-11 times what is stored, and its products have sums of their own.
 */
template <int products, int W>
__device__ void decode(
    const Heads& heads, int headCount, const float* x, int inputs, const uint32_t* count, int last, uint32_t* mask,
    int words, bool all, uint32_t* memory) {
  const int end = lastRow(count, last);
  const int row0 = blockIdx.x * rowsOfBlock;
  if (row0 >= end) return;
  const HalfPairs<W> halves(memory, words);
  extern __shared__ __align__(16) float shared[];
  using Wide = HalfTile<W>;
  using Second = HalfTile<secondColumns>;
  constexpr int parts = products == 1 ? 1 : 2;
  constexpr int rowsSize = rowsOfBlock * Wide::pitch;
  uint32_t* const xs = reinterpret_cast<uint32_t*>(shared);  // [parts, 128, W + 8] of x
  uint32_t* const w1s = xs + parts * rowsSize;  // [2, parts, 32, W + 8] of w1
  uint32_t* const w2s = w1s + 2 * parts * Wide::size;  // [parts, 32, 88] of w2^T
  const int g = group(), t = member();
  const int strip = threadIdx.x / 32 * 16;
  constexpr float ofRest = 1 / 2048.0f;

  const auto fetchFirst = [&](Place place, int buffer) {
    uint32_t* const to = w1s + buffer * parts * Wide::size;
    const size_t at = halves.firstAt(heads.list[place.head], place.unit);
    Wide::fetch(to, halves.w1 + at, W, W / 2, step);
    if (products == 3) Wide::fetch(to + Wide::size, halves.restOfW1 + at, W, W / 2, step);
  };
  fetchFirst({0, 0}, 0);
  __pipeline_commit();

  // Exponents of x of the lane's two rows.
  int ofX[2] = {-127, -127};
#pragma unroll
  for (int r0 = 0; r0 < 16; r0 += 4) {
    const auto value = [&](int row, int column) {
      return column < inputs ? x[static_cast<size_t>(row) * inputs + column] : 0;
    };
    const FourRows rows(row0 + strip + r0, end, W, value);
#pragma unroll
    for (int r = 0; r < 4; r++) {
      const int e = exponentOfBits(rows.top[r]);
      uint32_t* const to = xs + (strip + r0 + r) * Wide::pitch;
      rows.write(r, e, W, to, products == 3 ? to + rowsSize : nullptr);
      if ((r0 + r) % 8 == g) ofX[r0 / 8] = rows.top[r] ? e : -127;
    }
  }

  float sums[outputTiles][4] = {};
  // Hidden units are below 2^(top + 1), what the second layer adds is a multiple of 2^(top + ofW2 - 14).
  int top[2], ofW2 = 0;
  int buffer = 0;
  for (Place place{0, 0}; place.head < headCount; buffer ^= 1) {
    const Head& head = heads.list[place.head];
    const Place next = place.next(heads);
    const int* const ofWeights = halves.exponentsOf(head, place.unit);
    if (place.unit == 0) {
      int ofW1 = -127, ofB1 = lowest;
      ofW2 = -127;
      for (int i = threadIdx.x % 32; i < tiles(head.hidden, step); i += 32) {
        ofW1 = max(ofW1, ofWeights[4 * i]);
        ofW2 = max(ofW2, ofWeights[4 * i + 1]);
        ofB1 = max(ofB1, ofWeights[4 * i + 2]);
      }
      ofW1 = maxOfWarp(ofW1);
      ofW2 = maxOfWarp(ofW2);
      ofB1 = maxOfWarp(ofB1);
#pragma unroll
      for (int i = 0; i < 2; i++) top[i] = max(ofX[i] + ofW1 + 9, ofB1 + 1);
    }
    const int ofStep = ofWeights[0], shift = ofWeights[1] - ofW2 + 14;
    const int lane = threadIdx.x % 32;
    const float ofLane = head.b1 && place.unit + lane < head.hidden ? head.b1[place.unit + lane] : 0;
    const uint32_t* const w1 = w1s + buffer * parts * Wide::size;
    __pipeline_wait_prior(0);
    __syncthreads();
    if (all) {
      const size_t at = halves.secondAt(head, place.unit);
      const int columns = paddedOutputs(head);
      Second::fetch(w2s, halves.w2 + at, columns, secondColumns / 2, step);
      if (products == 3) Second::fetch(w2s + Second::size, halves.restOfW2 + at, columns, secondColumns / 2, step);
    }
    __pipeline_commit();
    if (next.head < headCount) fetchFirst(next, buffer ^ 1);
    __pipeline_commit();

    float hidden[4][4] = {}, rest[4][4] = {};
#pragma unroll 2
    for (int j = 0; j < W / 32; j++) {
      float partial[4][4] = {};
#pragma unroll
      for (int k = 32 * j; k < 32 * j + 32; k += 16) {
        unsigned a[4], restOfA[4];
        Wide::left(a, xs, strip, k);
        if (products == 3) Wide::left(restOfA, xs + rowsSize, strip, k);
#pragma unroll
        for (int n = 0; n < 4; n += 2) {
          unsigned b[4], restOfB[4];
          Wide::rightOfRows(b, w1, 8 * n, k);
          multiplyAdd((products == 1 ? hidden : partial) + n, a, b);
          if (products == 1) continue;
          Wide::rightOfRows(restOfB, w1 + Wide::size, 8 * n, k);
          multiplyAdd(rest + n, restOfA, b);
          multiplyAdd(rest + n, a, restOfB);
        }
      }
      if (products == 3) add(hidden, partial);
    }

    const float factors[2] = {power(ofX[0] + ofStep - top[0] + shift), power(ofX[1] + ofStep - top[1] + shift)};
    const float ones[2] = {power(shift - top[0]), power(shift - top[1])};
    uint32_t bits[2] = {0, 0};
#pragma unroll
    for (int n = 0; n < 4; n++) {
      const float b1[2] = {
          __shfl_sync(0xffffffffu, ofLane, 8 * n + 2 * t), __shfl_sync(0xffffffffu, ofLane, 8 * n + 2 * t + 1)};
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int column = 8 * n + 2 * t + i % 2;
        float& v = hidden[n][i];
        if (products == 3) v += rest[n][i] * ofRest;
        v = v * factors[i / 2] + b1[i % 2] * ones[i / 2];
        // Not fmaxf, which would turn NaN into 0.
        if (v <= 0) v = 0;
        else bits[i / 2] |= 1u << column;
      }
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      bits[i] |= __shfl_xor_sync(0xffffffffu, bits[i], 1);
      bits[i] |= __shfl_xor_sync(0xffffffffu, bits[i], 2);
      const int row = row0 + strip + g + 8 * i;
      if (mask && t == 0 && row < end) mask[static_cast<size_t>(row) * words + head.column + place.unit / step] = bits[i];
    }

    if (all) {
      unsigned a[2][4], restOfA[2][4];
#pragma unroll
      for (int k = 0; k < 2; k++) {
        leftOf(a[k], hidden + 2 * k);
        if (products == 3) restOf(restOfA[k], hidden + 2 * k, a[k]);
      }
      __pipeline_wait_prior(1);
      __syncthreads();
#pragma unroll
      for (int m = 0; m < outputTiles; m += 2) {
        if (8 * m >= head.outputs) continue;
        float partial[2][4] = {}, small[2][4] = {};
#pragma unroll
        for (int k = 0; k < 2; k++) {
          unsigned b[4], restOfB[4];
          Second::rightOfColumns(b, w2s, 8 * m, 16 * k);
          multiplyAdd(partial, a[k], b);
          if (products == 1) continue;
          Second::rightOfColumns(restOfB, w2s + Second::size, 8 * m, 16 * k);
          multiplyAdd(small, restOfA[k], b);
          multiplyAdd(small, a[k], restOfB);
        }
#pragma unroll
        for (int i = 0; i < 8; i++)
          sums[m + i / 4][i % 4] += products == 1 ? partial[i / 4][i % 4] : partial[i / 4][i % 4] + small[i / 4][i % 4] * ofRest;
      }
      if (next.head != place.head) {
        const Scaling scaled[2] = {Scaling(top[0] + ofW2 - 14), Scaling(top[1] + ofW2 - 14)};
#pragma unroll
        for (int n = 0; n < outputTiles; n++) {
          const int output = 8 * n + 2 * t;
          if (output >= head.outputs) continue;
          const bool both = output + 1 < head.outputs;
          const float b = head.b2 ? head.b2[output] : 0, c = head.b2 && both ? head.b2[output + 1] : 0;
#pragma unroll
          for (int i = 0; i < 2; i++) {
            const int row = row0 + strip + g + 8 * i;
            if (row >= end) continue;
            storePair(
                head.output + static_cast<size_t>(row) * head.outputs + output,
                activate(scaled[i](sums[n][2 * i]) + b, head.activation),
                activate(scaled[i](sums[n][2 * i + 1]) + c, head.activation), both);
          }
        }
#pragma unroll
        for (int n = 0; n < outputTiles; n++) {
#pragma unroll
          for (int i = 0; i < 4; i++) sums[n][i] = 0;
        }
      }
    }
    place = next;
  }
}

}  // namespace clipgstream
