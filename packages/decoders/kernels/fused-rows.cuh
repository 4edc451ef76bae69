// The gradient of the common input from factors of tf32: blocks own rows, 16 a warp.
#pragma once

#include "half-decode.cuh"

namespace clipgstream {

/** vX (+)= sum over heads of W1^T (W2^T vRaw where the unit is above 0). Grid: tiles of 128 rows. */
template <int products, int W>
__device__ void inputGradient(
    const Heads& heads, int headCount, const uint32_t* count, int last, const uint32_t* mask, int words, float* vX,
    int inputs, bool adding) {
  const int end = lastRow(count, last);
  const int row0 = blockIdx.x * rowsOfBlock;
  if (row0 >= end) return;
  extern __shared__ __align__(16) float shared[];
  using First = Padded<W + 4>;
  using Second = Padded<step + 8>;
  constexpr int firstSize = step * (W + 4), secondSize = maxOutputs * (step + 8);
  float* const first = shared;  // [2, 32, W + 4] of W1
  float* const second = first + 2 * firstSize;  // [2, 80, 40] of W2
  const int g = group(), t = member();
  const int stripRow = row0 + threadIdx.x / 32 * 16;

  const auto fetchWeights = [&](Place place, int buffer) {
    const Head& head = heads.list[place.head];
    const int units = head.hidden - place.unit;
    const float* rows = head.w1 + static_cast<size_t>(place.unit) * inputs;
    fetch<First, W / 4>(first + buffer * firstSize, step, W, rows, inputs, units, inputs);
    const int outputRows = tiles(head.outputs, 8) * 8;
    const float* columns = head.w2 + place.unit;
    fetch<Second, step / 4>(
        second + buffer * secondSize, outputRows, step, columns, head.hidden, head.outputs, units);
  };
  fetchWeights({0, 0}, 0);
  __pipeline_commit();
  Strip<products, W> strip;
  // k = member and member + 4 of product j: outputs 8 j + member and + 4.
  float vRaw[outputTiles][4];
  int buffer = 0;
  for (Place place{0, 0}; place.head < headCount; buffer ^= 1) {
    const Head& head = heads.list[place.head];
    const Place next = place.next(heads);
    uint32_t bits[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int row = stripRow + g + 8 * i;
      bits[i] = row < end ? mask[static_cast<size_t>(row) * words + head.column + place.unit / step] : 0;
    }
    if (place.unit == 0) {
      const BeforeActivation source{head.vOutput, head.output, head.activation};
#pragma unroll
      for (int j = 0; j < outputTiles; j++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const int row = stripRow + g + i % 2 * 8, output = 8 * j + t + i / 2 * 4;
          const bool inside = row < end && output < head.outputs;
          const size_t at = static_cast<size_t>(row) * head.outputs + output;
          vRaw[j][i] = inside ? narrowed<products>(source.of(head.vOutput[at], head.activation ? head.output[at] : 0)) : 0;
        }
      }
    }
    float* const w1 = first + buffer * firstSize;
    float* const w2 = second + buffer * secondSize;
    __pipeline_wait_prior(0);
    narrow<First, W / 4, products>(w1, step, W);
    narrow<Second, step / 4, products>(w2, tiles(head.outputs, 8) * 8, step);
    __syncthreads();
    if (next.head < headCount) fetchWeights(next, buffer ^ 1);
    __pipeline_commit();

    constexpr int N = together;
#pragma unroll 1
    for (int part = 0; part < 4; part += N) {
      float vHidden[N][4] = {};
#pragma unroll
      for (int j = 0; j < outputTiles; j++) {
        if (8 * j >= head.outputs) continue;
        Right<products> b[N];
#pragma unroll
        for (int n = 0; n < N; n++) {
          const int unit = 8 * (part + n) + g;
          b[n] = right<products>(w2[Second::at(8 * j + t, unit)], w2[Second::at(8 * j + t + 4, unit)]);
        }
        multiplyAdd<products>(vHidden, left<products>(vRaw[j][0], vRaw[j][1], vRaw[j][2], vRaw[j][3]), b);
      }
      Left<products> a[N];
#pragma unroll
      for (int n = 0; n < N; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
          if (!(bits[i / 2] >> (8 * (part + n) + 2 * t + i % 2) & 1)) vHidden[n][i] = 0;
        a[n] = leftOf<products>(vHidden[n]);
      }
      strip.multiply(a, w1 + First::at(8 * part, 0));
    }
    place = next;
  }
  strip.store(vX + static_cast<size_t>(stripRow) * inputs, end - stripRow, inputs, adding);
}

}  // namespace clipgstream
