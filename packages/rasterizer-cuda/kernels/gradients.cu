// Gradients of Gaussians from their sums.
//
// A thread is a Gaussian; blocks of 256. The projection is repeated and differentiated (projection.cuh). Every row is
// written, zero for Gaussians without a tile. Rows of three go out through shared memory (9 KiB), so that a warp writes
// whole sectors.
// Floor: 96 bytes read and 64 written a Gaussian, 0.07 ms a million at 2.5 TB/s; about 450 operations, 30 of them double.
#include "projection.cuh"

constexpr uint32_t BLOCK = 256;

/// means, scales // [G, 3]; quats // [G, 4]; opacities, tiles // [G]; sums // [G, 12]; gradients // as their inputs,
/// vMeans2d // [G, 2]
extern "C" __global__ void __launch_bounds__(BLOCK) gradients(
    const Parameters* __restrict__ camera, const float* __restrict__ means, const float* __restrict__ quats,
    const float* __restrict__ scales, const float* __restrict__ opacities, uint32_t gaussians,
    const uint32_t* __restrict__ tiles, const float* __restrict__ sums, float* __restrict__ vMeans,
    float* __restrict__ vQuats, float* __restrict__ vScales, float* __restrict__ vOpacities,
    float* __restrict__ vColors, float* __restrict__ vMeans2d) {
  __shared__ float staged[3][3 * BLOCK];
  const uint32_t i = threadIndex();
  const bool some = i < gaussians;
  const size_t at = i;
  GaussianGradients g = {};
  float vOpacity = 0.0f;
  float vColor[3] = {0.0f, 0.0f, 0.0f};
  if (some && tiles[i] > 0) {
    const float4 a = loadConstant4(sums + GRADIENT_WORDS * at);
    const float4 b = loadConstant4(sums + GRADIENT_WORDS * at + 4);
    const float4 c = loadConstant4(sums + GRADIENT_WORDS * at + 8);
    const float own[GRADIENT_SUMS] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w, c.x, c.y};
    const float4 quat = loadConstant4(quats + 4 * at);
    const float scale[3] = {scales[3 * at], scales[3 * at + 1], scales[3 * at + 2]};
    vOpacity = own[0] / opacities[i];
    vColor[0] = own[6];
    vColor[1] = own[7];
    vColor[2] = own[8];
    Projection p;
    if (projectGaussian(
            *camera, means[3 * at], means[3 * at + 1], means[3 * at + 2], quat, scale[0], scale[1], scale[2], p)) {
      g = differentiate(*camera, p, quat, scale, own);
    }
  }
  #pragma unroll
  for (int k = 0; k < 3; k++) {
    staged[0][3 * threadIdx.x + k] = g.mean[k];
    staged[1][3 * threadIdx.x + k] = g.scale[k];
    staged[2][3 * threadIdx.x + k] = vColor[k];
  }
  if (some) {
    store4(vQuats + 4 * at, make_float4(g.quat[0], g.quat[1], g.quat[2], g.quat[3]));
    reinterpret_cast<float2*>(vMeans2d)[at] = make_float2(g.mean2d[0], g.mean2d[1]);
    vOpacities[i] = vOpacity;
  }
  __syncthreads();
  const size_t first = 3 * static_cast<size_t>(blockIdx.x) * BLOCK;
  #pragma unroll
  for (uint32_t k = threadIdx.x; k < 3 * BLOCK; k += BLOCK) {
    if (first + k >= 3 * static_cast<size_t>(gaussians)) break;
    vMeans[first + k] = staged[0][k];
    vScales[first + k] = staged[1][k];
    vColors[first + k] = staged[2][k];
  }
}
