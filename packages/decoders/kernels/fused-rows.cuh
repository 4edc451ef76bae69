// Fused kernels whose blocks own rows, 16 a warp: outputs, and the gradient of the common input.
#pragma once

#include "fused.cuh"

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
    int words, bool all) {
  const int end = lastRow(count, last);
  const int row0 = blockIdx.x * rowsOfBlock;
  if (row0 >= end) return;
  extern __shared__ __align__(16) float shared[];
  float* const rows = shared;  // [128, W]
  float* const first = rows + rowsOfBlock * W;  // [2, 32, W] of W1
  float* const second = first + 2 * step * W;  // [80, 32] of W2
  using Wide = Crossed<W>;
  using Narrow = Crossed<step>;
  const int g = group(), t = member();
  const int stripRow = threadIdx.x / 32 * 16;

  fetch<Wide, W / 4>(rows, rowsOfBlock, W, x + static_cast<size_t>(row0) * inputs, inputs, end - row0, inputs);
  const auto fetchFirst = [&](Place place, int buffer) {
    const Head& head = heads.list[place.head];
    const float* from = head.w1 + static_cast<size_t>(place.unit) * inputs;
    fetch<Wide, W / 4>(first + buffer * step * W, step, W, from, inputs, head.hidden - place.unit, inputs);
  };
  fetchFirst({0, 0}, 0);
  __pipeline_commit();
  float sums[outputTiles][4] = {};
  int buffer = 0;
  for (Place place{0, 0}; place.head < headCount; buffer ^= 1) {
    const Head& head = heads.list[place.head];
    const Place next = place.next(heads);
    float* const w1 = first + buffer * step * W;
    __pipeline_wait_prior(0);
    if (place.head == 0 && place.unit == 0) narrow<Wide, W / 4, products>(rows, rowsOfBlock, W);
    narrow<Wide, W / 4, products>(w1, step, W);
    __syncthreads();
    const int outputRows = tiles(head.outputs, 16) * 16;
    if (all) {
      const float* from = head.w2 + place.unit;
      fetch<Narrow, step / 4>(second, outputRows, step, from, head.hidden, head.outputs, head.hidden - place.unit);
    }
    __pipeline_commit();
    if (next.head < headCount) fetchFirst(next, buffer ^ 1);
    __pipeline_commit();

    // Columns 2 member and the next of tiles 0 and 1 are units 4 member to 4 member + 3; so 16 behind, of tiles 2 and 3.
    float hidden[4][4];
#pragma unroll
    for (int n = 0; n < 4; n++) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const int unit = place.unit + n / 2 * 16 + 4 * t + n % 2 * 2 + i;
        hidden[n][i] = hidden[n][i + 2] = head.b1 && unit < head.hidden ? head.b1[unit] : 0;
      }
    }
#pragma unroll 2
    for (int j = 0; j < W / 16; j++) {
      const int column = 16 * j + 4 * t;
      const float4 u = *reinterpret_cast<const float4*>(rows + Wide::at(stripRow + g, column));
      const float4 v = *reinterpret_cast<const float4*>(rows + Wide::at(stripRow + g + 8, column));
      float4 w[4];
#pragma unroll
      for (int n = 0; n < 4; n++)
        w[n] = *reinterpret_cast<const float4*>(w1 + Wide::at(n / 2 * 16 + g / 2 * 4 + g % 2 + n % 2 * 2, column));
      const Right<products> b[4] = {
          right<products>(w[0].x, w[0].y), right<products>(w[1].x, w[1].y), right<products>(w[2].x, w[2].y),
          right<products>(w[3].x, w[3].y)};
      const Right<products> c[4] = {
          right<products>(w[0].z, w[0].w), right<products>(w[1].z, w[1].w), right<products>(w[2].z, w[2].w),
          right<products>(w[3].z, w[3].w)};
      if (products == 1) {
        multiplyAdd<products>(hidden, left<products>(u.x, v.x, u.y, v.y), b);
        multiplyAdd<products>(hidden, left<products>(u.z, v.z, u.w, v.w), c);
      } else {
        float partial[4][4] = {};
        multiplyAdd<products>(partial, left<products>(u.x, v.x, u.y, v.y), b);
        multiplyAdd<products>(partial, left<products>(u.z, v.z, u.w, v.w), c);
        add(hidden, partial);
      }
    }

    uint32_t bits[2] = {0, 0};
#pragma unroll
    for (int n = 0; n < 4; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int unit = n / 2 * 16 + 4 * t + n % 2 * 2 + i % 2;
        float& v = hidden[n][i];
        // Not fmaxf, which would turn NaN into 0.
        if (v <= 0) v = 0;
        else bits[i / 2] |= 1u << unit;
      }
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      bits[i] |= __shfl_xor_sync(0xffffffffu, bits[i], 1);
      bits[i] |= __shfl_xor_sync(0xffffffffu, bits[i], 2);
      const int row = row0 + stripRow + g + 8 * i;
      if (mask && t == 0 && row < end) mask[static_cast<size_t>(row) * words + head.column + place.unit / step] = bits[i];
    }

    if (all) {
      __pipeline_wait_prior(1);
      narrow<Narrow, step / 4, products>(second, outputRows, step);
      __syncthreads();
      Left<products> a[4];
#pragma unroll
      for (int n = 0; n < 4; n++) a[n] = leftOf<products>(hidden[n]);
#pragma unroll
      for (int n = 0; n < outputTiles; n += 2) {
        if (8 * n >= head.outputs) continue;
        float partial[2][4] = {};
#pragma unroll
        for (int p = 0; p < 2; p++) {
          const int column = 16 * p + 4 * t;
          const float4 u = *reinterpret_cast<const float4*>(second + Narrow::at(8 * n + g, column));
          const float4 v = *reinterpret_cast<const float4*>(second + Narrow::at(8 * n + 8 + g, column));
          const Right<products> b[2] = {right<products>(u.x, u.y), right<products>(v.x, v.y)};
          const Right<products> c[2] = {right<products>(u.z, u.w), right<products>(v.z, v.w)};
          multiplyAdd<products>(partial, a[2 * p], b);
          multiplyAdd<products>(partial, a[2 * p + 1], c);
        }
        add(sums + n, partial);
      }
      if (next.head != place.head) {
#pragma unroll
        for (int n = 0; n < outputTiles; n++) {
          const int output = 8 * n + 2 * t;
          if (output >= head.outputs) continue;
          const bool both = output + 1 < head.outputs;
          const float b = head.b2 ? head.b2[output] : 0, c = head.b2 && both ? head.b2[output + 1] : 0;
#pragma unroll
          for (int i = 0; i < 4; i += 2) {
            const int row = row0 + stripRow + g + 4 * i;
            if (row >= end) continue;
            storePair(
                head.output + static_cast<size_t>(row) * head.outputs + output,
                activate(sums[n][i] + b, head.activation), activate(sums[n][i + 1] + c, head.activation), both);
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
