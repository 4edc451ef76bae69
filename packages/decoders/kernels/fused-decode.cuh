// Outputs: blocks own rows, 16 a warp.
#pragma once

#include "fused-narrow.cuh"

namespace clipgstream {

constexpr int rowsOfBlock = 128;

/** A step of hidden units: which head's, and from which unit on. */
struct Place {
  int head, unit;
  __device__ Place next(const Heads& heads) const {
    return unit + step < heads.list[head].hidden ? Place{head, unit + step} : Place{head + 1, 0};
  }
};

/** mask, outputs = activation(W2 relu(W1 x + b1) + b2). Grid: tiles of 128 rows. Without `all`, the mask alone. */
template <int products, int W>
__device__ void decode(
    const Heads& heads, int headCount, const float* x, int inputs, const uint32_t* count, int last, uint32_t* mask,
    int words, bool all, uint32_t* memory) {
  const int end = lastRow(count, last);
  const int row0 = blockIdx.x * rowsOfBlock;
  if (row0 >= end) return;
  const Weights<products, W> weights(memory, words);
  extern __shared__ __align__(16) float shared[];
  using Rows = Tile<products, W, rowsOfBlock>;
  using First = Tile<products, W>;
  using Second = Tile<products, maxOutputs>;
  uint32_t* const xs = reinterpret_cast<uint32_t*>(shared);  // [parts, 128, W + 8] of x
  uint32_t* const w1s = xs + Rows::size;  // [2, parts, 32, W + 8] of w1
  uint32_t* const w2s = w1s + 2 * First::size;  // [parts, 32, 88] of w2^T
  const int g = group(), t = member(), lane = threadIdx.x % 32;
  const int strip = threadIdx.x / 32 * 16;

  const auto fetchFirst = [&](Place place, int buffer) {
    const Pairs from = weights.firstOf(heads.list[place.head], place.unit);
    First::fetch(w1s + buffer * First::size, from, W, W / 2, step);
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
      const int e = scaleOf(rows.top[r]);
      rows.template write<products>(r, e, W, {xs + (strip + r0 + r) * Rows::pitch, Rows::rest});
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
    const int* const ofWeights = weights.exponentsOf(head, place.unit);
    if (place.unit == 0) {
      int ofW1 = -127, ofB1 = lowest;
      ofW2 = -127;
      for (int i = lane; i < tiles(head.hidden, step); i += 32) {
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
    const int ofStep = ofWeights[0];
    const float ofSecond = power(ofWeights[1] - ofW2);
    const float ofLane = head.b1 && place.unit + lane < head.hidden ? head.b1[place.unit + lane] : 0;
    const uint32_t* const w1 = w1s + buffer * First::size;
    __pipeline_wait_prior(0);
    __syncthreads();
    if (all) Second::fetch(w2s, weights.secondOf(head, place.unit), paddedOutputs(head), maxOutputs / 2, step);
    __pipeline_commit();
    if (next.head < headCount) fetchFirst(next, buffer ^ 1);
    __pipeline_commit();

    float hidden[4][4] = {}, rests[4][4] = {};
#pragma unroll 2
    for (int j = 0; j < W / 32; j++) {
      float partial[4][4] = {};
#pragma unroll
      for (int k = 32 * j; k < 32 * j + 32; k += 16) {
        Factor a;
        Rows::left(a, xs, strip, k);
#pragma unroll
        for (int n = 0; n < 4; n += 2) {
          Factor b;
          First::rightOfRows(b, w1, 8 * n, k);
          multiplyAdd<products>((products == 1 ? hidden : partial) + n, rests + n, a, b);
        }
      }
      if (products == 3) {
#pragma unroll
        for (int i = 0; i < 16; i++) hidden[i / 4][i % 4] += partial[i / 4][i % 4];
      }
    }

    const float factors[2] = {power(ofX[0] + ofStep - top[0] + 14), power(ofX[1] + ofStep - top[1] + 14)};
    const float ones[2] = {power(14 - top[0]), power(14 - top[1])};
    uint32_t bits[2] = {0, 0};
#pragma unroll
    for (int n = 0; n < 4; n++) {
      const float b1[2] = {
          __shfl_sync(0xffffffffu, ofLane, 8 * n + 2 * t), __shfl_sync(0xffffffffu, ofLane, 8 * n + 2 * t + 1)};
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int column = 8 * n + 2 * t + i % 2;
        float& v = hidden[n][i];
        if (products == 3) v += rests[n][i] * ofRest;
        v = v * factors[i / 2] + b1[i % 2] * ones[i / 2];
        // Not fmaxf, which would turn NaN into 0.
        if (v <= 0) v = 0;
        else bits[i / 2] |= 1u << column;
        v *= ofSecond;
      }
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      bits[i] |= __shfl_xor_sync(0xffffffffu, bits[i], 1);
      bits[i] |= __shfl_xor_sync(0xffffffffu, bits[i], 2);
      const int row = row0 + strip + g + 8 * i;
      const int word = head.column + place.unit / step;
      if (mask && t == 0 && row < end) mask[static_cast<size_t>(row) * words + word] = bits[i];
    }

    if (all) {
      const Factor a[2] = {leftOf<products>(hidden), leftOf<products>(hidden + 2)};
      __pipeline_wait_prior(1);
      __syncthreads();
      multiplyAddTile<products, maxOutputs / 16>(
          sums, a, head.outputs, [&](Factor& b, int n, int k) { Second::rightOfColumns(b, w2s, n, k); });
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
