// What the matching kernels share: random numbers, the reference patch of a pixel, and the cost of a plane.
//
// A plane at a pixel is its inverse depth there and the change of inverse depth per pixel to the right and downwards:
// inverse depth is linear over the image of a plane, and so is the (homogeneous) place where it projects in a source. The
// patch of a thread lies in its local memory; the bytes of the four texels that a bilinear sample needs lie in one word.
#pragma once
#include "common.cuh"

/// The cost of a source that does not see the plane; of a perfect match it is 0.
constexpr float WORST = 2.0f;
constexpr int MAX_LANES = 64;

/// A well mixed word ("lowbias32" of Wellons' search).
__device__ __forceinline__ uint32_t mixed(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/// The random numbers of a pixel.
struct Stream {
  uint32_t state;
  __device__ __forceinline__ Stream(uint32_t seed, uint32_t pixel) : state(mixed(pixel ^ seed)) {}
  /// In [-1, 1).
  __device__ __forceinline__ float next() {
    state = mixed(state + 0x9e3779b9u);
    return float(state >> 8) * 1.1920928955078125e-7f - 1.0f;
  }
};

struct Patch {
  const uint32_t* __restrict__ quads;
  /// [3, lanes]: dx, dy, logarithm of the weight.
  const float* __restrict__ pattern;
  int first, width, height, lanes;
  float reach, falloff, minVariance;
  /// Of the reference patch that was loaded last.
  float centre, mean, variance;
  float weights[MAX_LANES], weighted[MAX_LANES];

  __device__ __forceinline__ Patch(
      const uint32_t* quads, const float* pattern, int first, int width, int height, int groups, float reach,
      float falloff, float minVariance)
      : quads(quads), pattern(pattern), first(first), width(width), height(height), lanes(4 * groups), reach(reach),
        falloff(falloff), minVariance(minVariance), centre(0), mean(0), variance(0) {}

  __device__ __forceinline__ float greyAt(int x, int y) const {
    const int u = min(max(x, 0), width - 1), v = min(max(y, 0), height - 1);
    return float(__ldg(quads + first + v * width + u) & 255u);
  }

  /// Weights (of sum one) and weighted grey levels around a pixel; false where there is no contrast.
  __device__ __forceinline__ bool load(int x, int y) {
    centre = greyAt(x, y);
    float total = 0, sum = 0, squares = 0;
    for (int i = 0; i < lanes; i++) {
      const float value = greyAt(x + int(__ldg(pattern + i)), y + int(__ldg(pattern + lanes + i))) - centre;
      const float weight = expf(__ldg(pattern + 2 * lanes + i) + falloff * value * value);
      weights[i] = weight;
      weighted[i] = weight * value;
      total += weight;
      sum += weighted[i];
      squares += weighted[i] * value;
    }
    const float perTotal = 1.0f / total;
    mean = sum * perTotal;
    variance = squares * perTotal - mean * mean;
    for (int i = 0; i < lanes; i++) {
      weights[i] *= perTotal;
      weighted[i] *= perTotal;
    }
    return variance >= minVariance;
  }

  /// 1 - NCC of the loaded patch and a source, for a plane (rho, gx, gy) at (x, y). m // [12]: from (x, y, 1, rho) to the
  /// homogeneous place in the source's array. frame // [3]: first word, width, height.
  __device__ __forceinline__ float cost(
      const float* __restrict__ m, const int* __restrict__ frame, float x, float y, float rho, float gx,
      float gy) const {
    const float tu = __ldg(m + 3), tv = __ldg(m + 7), tw = __ldg(m + 11);
    const float ux = __ldg(m) + tu * gx, uy = __ldg(m + 1) + tu * gy;
    const float u0 = __ldg(m) * x + __ldg(m + 1) * y + __ldg(m + 2) + tu * rho;
    const float vx = __ldg(m + 4) + tv * gx, vy = __ldg(m + 5) + tv * gy;
    const float v0 = __ldg(m + 4) * x + __ldg(m + 5) * y + __ldg(m + 6) + tv * rho;
    const float wx = __ldg(m + 8) + tw * gx, wy = __ldg(m + 9) + tw * gy;
    const float w0 = __ldg(m + 8) * x + __ldg(m + 9) * y + __ldg(m + 10) + tw * rho;
    // In front of the source in the whole patch, its centre inside of the image.
    if (!(w0 - reach * (fabsf(wx) + fabsf(wy)) > 0)) return WORST;
    const int stride = __ldg(frame + 1);
    const float right = float(stride - 1), bottom = float(__ldg(frame + 2) - 1);
    if (!(u0 >= 0 && v0 >= 0 && u0 <= right * w0 && v0 <= bottom * w0)) return WORST;

    const uint32_t* image = quads + __ldg(frame);
    float sum = 0, squares = 0, products = 0;
    for (int i = 0; i < lanes; i++) {
      const float dx = __ldg(pattern + i), dy = __ldg(pattern + lanes + i);
      const float perW = 1.0f / (w0 + wx * dx + wy * dy);
      const float su = fminf(right, fmaxf(0.0f, (u0 + ux * dx + uy * dy) * perW));
      const float sv = fminf(bottom, fmaxf(0.0f, (v0 + vx * dx + vy * dy) * perW));
      const float left = floorf(su), top = floorf(sv);
      const float a = su - left, b = sv - top;
      const uint32_t word = __ldg(image + int(top) * stride + int(left));
      const float upperLeft = float(word & 255u), upperRight = float((word >> 8) & 255u);
      const float lowerLeft = float((word >> 16) & 255u), lowerRight = float(word >> 24);
      const float upper = upperLeft + a * (upperRight - upperLeft);
      const float lower = lowerLeft + a * (lowerRight - lowerLeft);
      const float value = upper + b * (lower - upper) - centre;
      const float product = weights[i] * value;
      sum += product;
      squares += product * value;
      products += weighted[i] * value;
    }
    const float sourceVariance = squares - sum * sum;
    if (!(sourceVariance >= minVariance)) return WORST;
    return fminf(WORST, fmaxf(0.0f, 1.0f - (products - mean * sum) / sqrtf(variance * sourceVariance)));
  }
};
