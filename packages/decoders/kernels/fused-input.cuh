// The gradient of the common input: blocks own rows, 16 a warp.
#pragma once

#include "fused-decode.cuh"

namespace clipgstream {

/** vX (+)= sum over heads of W1^T (W2^T vRaw where the unit is above 0). Grid: tiles of 128 rows. */
template <int products, int W>
__device__ void inputGradient(
    const Heads& heads, int headCount, uint32_t* memory, const uint32_t* count, int last, const uint32_t* mask,
    int words, float* vX, int inputs, bool adding) {
  const int end = lastRow(count, last);
  if (static_cast<int>(blockIdx.x) * rowsOfBlock >= end) return;
  const Operands<products, W> operands(memory, heads, last, words);
  extern __shared__ __align__(16) float shared[];
  using First = Tile<products, W>;
  using Second = Tile<products, maxOutputs>;
  uint32_t* const w1s = reinterpret_cast<uint32_t*>(shared);  // [3, parts, 32, W + 8] of w1
  uint32_t* const w2s = w1s + stages * First::size;  // [3, parts, 32, 88] of w2^T
  const int g = group(), t = member();
  const int strip = blockIdx.x * rowsOfBlock + threadIdx.x / 32 * 16;
  const int rows[2] = {strip + g, strip + g + 8};

  Place coming{0, 0};
  int filled = 0;
  const auto fetchNext = [&] {
    if (coming.head < headCount) {
      const Head& head = heads.list[coming.head];
      First::fetch(w1s + filled * First::size, operands.firstOf(head, coming.unit), W, W / 2, step);
      Second::fetch(
          w2s + filled * Second::size, operands.secondOf(head, coming.unit), paddedOutputs(head), maxOutputs / 2, step);
      filled = filled + 1 < stages ? filled + 1 : 0;
      coming = coming.next(heads);
    }
    __pipeline_commit();
  };
  for (int i = 1; i < stages; i++) fetchNext();

  float sums[W / 8][4] = {};
  int top[2] = {lowest, lowest};
  Factor vRaw[maxOutputs / 16];
  int exponents[2];
  int buffer = 0;
  for (Place place{0, 0}; place.head < headCount; place = place.next(heads)) {
    const Head& head = heads.list[place.head];
    const int* const ofWeights = operands.exponentsOf(head, place.unit);
    const int ofStep = ofWeights[0] + ofWeights[1];
    uint32_t bits[2];
#pragma unroll
    for (int i = 0; i < 2; i++)
      bits[i] = rows[i] < end ? mask[static_cast<size_t>(rows[i]) * words + head.column + place.unit / step] : 0;
    if (place.unit == 0) {
      int ofHead = 2 * lowest;
      for (int i = threadIdx.x % 32; i < tiles(head.hidden, step); i += 32)
        ofHead = max(ofHead, ofWeights[4 * i] + ofWeights[4 * i + 1]);
      ofHead = maxOfWarp(ofHead);
#pragma unroll
      for (int i = 0; i < 2; i++) {
        exponents[i] = rows[i] < end ? exponentOf(operands.scalesOf(heads, head)[rows[i]]) : -127;
        const int higher = max(top[i], exponents[i] + ofHead);
        const float factor = power(top[i] - higher);
        top[i] = higher;
#pragma unroll
        for (int n = 0; n < W / 8; n++) {
          sums[n][2 * i] *= factor;
          sums[n][2 * i + 1] *= factor;
        }
      }
      const Pairs from = operands.vRawOf(heads, head);
      const size_t ld = operands.pairsOfRow;
#pragma unroll
      for (int j = 0; j < maxOutputs / 16; j++) {
        const bool inside = 16 * j < head.outputs;
        vRaw[j] = leftFrom<products>(
            from.from(8 * j), rows[0] * ld, rows[1] * ld, inside && rows[0] < end, inside && rows[1] < end);
      }
    }
    __pipeline_wait_prior(stages - 2);
    __syncthreads();
    fetchNext();

    const uint32_t* const w1 = w1s + buffer * First::size;
    const uint32_t* const w2 = w2s + buffer * Second::size;
    buffer = buffer + 1 < stages ? buffer + 1 : 0;
    float vHidden[4][4] = {}, rests[4][4] = {};
#pragma unroll
    for (int j = 0; j < maxOutputs / 16; j++) {
      if (16 * j >= head.outputs) continue;
#pragma unroll
      for (int n = 0; n < 4; n += 2) {
        Factor b;
        Second::rightOfRows(b, w2, 8 * n, 16 * j);
        multiplyAdd<products>(vHidden + n, rests + n, vRaw[j], b);
      }
    }
    const float factors[2] = {power(exponents[0] + ofStep - top[0] + 6), power(exponents[1] + ofStep - top[1] + 6)};
#pragma unroll
    for (int n = 0; n < 4; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        if (products == 3) vHidden[n][i] += rests[n][i] * ofRest;
        vHidden[n][i] = bits[i / 2] >> (8 * n + 2 * t + i % 2) & 1 ? vHidden[n][i] * factors[i / 2] : 0;
      }
    }
    const Factor a[2] = {leftOf<products>(vHidden), leftOf<products>(vHidden + 2)};
    multiplyAddTile<products, W / 16>(sums, a, W, [&](Factor& b, int n, int k) { First::rightOfColumns(b, w1, n, k); });
  }

#pragma unroll
  for (int i = 0; i < 2; i++) {
    if (rows[i] >= end) continue;
    const Scaling scaled(top[i] - 6);
    float* const row = vX + static_cast<size_t>(rows[i]) * inputs;
#pragma unroll
    for (int n = 0; n < W / 8; n++) {
      const int column = 8 * n + 2 * t;
      if (column >= inputs) continue;
      const bool both = column + 1 < inputs;
      float v = scaled(sums[n][2 * i]), w = scaled(sums[n][2 * i + 1]);
      if (adding) {
        v += row[column];
        if (both) w += row[column + 1];
      }
      storePair(row + column, v, w, both);
    }
  }
}

}  // namespace clipgstream
