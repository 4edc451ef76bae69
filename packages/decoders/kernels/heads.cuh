// The table of heads that every launch gets, and where their gradients lie in a partial sum.
#pragma once

#include <cstddef>
#include <cstdint>

namespace clipgstream {

constexpr int maxHeads = 8;

enum Activation { NONE = 0, RELU = 1, SIGMOID = 2 };

/** Field for field as the binding passes it. */
struct Head {
  const float* w1;  // [hidden, inputs]
  const float* b1;  // [hidden] or null
  const float* w2;  // [outputs, hidden]
  const float* b2;  // [outputs] or null
  float* output;  // [rows, outputs]
  const float* vOutput;  // [rows, outputs]
  float* vw1;  // gradients, shaped as the parameters
  float* vb1;
  float* vw2;
  float* vb2;
  int hidden;
  int outputs;
  int activation;
  int column;
};

struct Heads {
  Head list[maxHeads];
};

__device__ inline int tiles(int n, int size) { return (n + size - 1) / size; }

/** The head that a tile belongs to, and its number among the head's tiles, in `tile`. */
template <class TilesOf>
__device__ const Head& headOf(const Heads& heads, int& tile, TilesOf tilesOf) {
  int h = 0;
  for (; tile >= tilesOf(heads.list[h]); h++) tile -= tilesOf(heads.list[h]);
  return heads.list[h];
}

/** Gradients of a head in a partial sum: vW1 // [hidden, inputs], vB1 // [hidden], vW2 // [outputs, hidden], vB2 // [outputs] */
struct Offsets {
  size_t vw1, vb1, vw2, vb2, end;
  __device__ Offsets(size_t start, const Head& head, int inputs) {
    vw1 = start;
    vb1 = vw1 + static_cast<size_t>(head.hidden) * inputs;
    vw2 = vb1 + head.hidden;
    vb2 = vw2 + static_cast<size_t>(head.outputs) * head.hidden;
    end = vb2 + head.outputs;
  }
};

__device__ inline size_t startOf(const Heads& heads, const Head& head, int inputs) {
  size_t start = 0;
  for (const Head* other = heads.list; other != &head; other++) start = Offsets(start, *other, inputs).end;
  return start;
}

__device__ inline int lastRow(const uint32_t* count, int last) {
  return count ? static_cast<int>(min(*count, static_cast<uint32_t>(last))) : last;
}

__device__ inline float activate(float v, int activation) {
  if (activation == SIGMOID) return 1.0f / (1.0f + expf(-v));
  if (activation == RELU) return v <= 0 ? 0 : v;
  return v;
}

/** Stores two neighbours of a row, of which the second may lie behind the row's end. */
__device__ inline void storePair(float* to, float first, float second, bool both) {
  if (both && (reinterpret_cast<size_t>(to) & 7) == 0) {
    *reinterpret_cast<float2*>(to) = make_float2(first, second);
  } else {
    to[0] = first;
    if (both) to[1] = second;
  }
}

/** The gradient before an activation from that behind it and the activated value. A NaN passes on. */
struct BeforeActivation {
  const float* vOutput;
  const float* output;
  int activation;
  __device__ float of(float v, float y) const {
    if (activation == SIGMOID) return v * (y * (1 - y));
    if (activation == RELU) return y <= 0 ? 0 : v;
    return v;
  }
  __device__ void advance(size_t by) {
    vOutput += by;
    output += by;
  }
  __device__ float at(int index) const { return of(vOutput[index], output[index]); }
  __device__ float4 at4(int index) const {
    const float4 v = *reinterpret_cast<const float4*>(vOutput + index);
    const float4 y = *reinterpret_cast<const float4*>(output + index);
    return make_float4(of(v.x, y.x), of(v.y, y.y), of(v.z, y.z), of(v.w, y.w));
  }
  __device__ bool aligned() const {
    return ((reinterpret_cast<size_t>(vOutput) | reinterpret_cast<size_t>(output)) & 15) == 0;
  }
};

}  // namespace clipgstream
