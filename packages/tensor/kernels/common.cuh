// What kernels of several packages need: indices, device-side counts, reductions, vector loads and atomics, and the
// elementary functions of the contracts.
//
// Conventions. A kernel is `extern "C" __global__`, has __launch_bounds__, and takes pointers (const and __restrict__
// where that holds), then numbers. Sizes are uint32_t and below 2^31, so that a stride never wraps; multiply to size_t
// before an address passes 2^32. Blocks are one-dimensional unless a kernel says otherwise, and a multiple of 32.
#pragma once

#include <cstdint>
#include <cuda_fp16.h>

constexpr unsigned FULL_WARP = 0xffffffffu;

// --- Indices: for (uint32_t i = threadIndex(); i < n; i += threadCount()) { ... }

__device__ __forceinline__ uint32_t threadIndex() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ uint32_t threadCount() { return gridDim.x * blockDim.x; }
__device__ __forceinline__ uint32_t lane() { return threadIdx.x & 31u; }
__device__ __forceinline__ uint32_t warpOfBlock() { return threadIdx.x >> 5; }
__device__ __forceinline__ uint32_t warpIndex() { return threadIndex() >> 5; }
__device__ __forceinline__ uint32_t warpCount() { return threadCount() >> 5; }

constexpr __host__ __device__ uint32_t divideUp(uint32_t n, uint32_t by) { return (n + by - 1) / by; }

// --- Counts that only the device knows. The host launches for the capacity and never reads the count.

/// Elements to process: *count, or the capacity if there is no count or more was wanted than fits.
__device__ __forceinline__ uint32_t countOf(const uint32_t* count, uint32_t capacity) {
  return count ? min(*count, capacity) : capacity;
}

/// A place of its own for every lane that wants one, by one atomic a warp; all lanes of the warp must call it.
/// Places at and above the capacity must not be written; the counter then says how much was wanted.
__device__ __forceinline__ uint32_t reserve(uint32_t* counter, bool wanted) {
  const unsigned wanting = __ballot_sync(FULL_WARP, wanted);
  uint32_t first = 0;
  if (lane() == 0 && wanting) first = atomicAdd(counter, __popc(wanting));
  first = __shfl_sync(FULL_WARP, first, 0);
  return first + __popc(wanting & ((1u << lane()) - 1u));
}

/// The same for several places a lane: the first of them.
__device__ __forceinline__ uint32_t reserveMany(uint32_t* counter, uint32_t wanted) {
  uint32_t before = wanted;
  #pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const uint32_t other = __shfl_up_sync(FULL_WARP, before, step);
    if (lane() >= step) before += other;
  }
  const uint32_t all = __shfl_sync(FULL_WARP, before, 31);
  uint32_t first = 0;
  if (lane() == 0 && all) first = atomicAdd(counter, all);
  return __shfl_sync(FULL_WARP, first, 0) + before - wanted;
}

// --- Reductions in a fixed order. All lanes of the warp take part and get the result.

template <typename T> __device__ __forceinline__ T warpSum(T value) {
  #pragma unroll
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(FULL_WARP, value, step);
  return value;
}

__device__ __forceinline__ float warpMax(float value) {
  #pragma unroll
  for (int step = 16; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(FULL_WARP, value, step));
  return value;
}

__device__ __forceinline__ float warpMin(float value) { return -warpMax(-value); }

/// Sum over the block, valid in every thread of the first warp; `shared` holds a value a warp (at most 32).
template <typename T> __device__ __forceinline__ T blockSum(T value, T* shared) {
  value = warpSum(value);
  __syncthreads();
  if (lane() == 0) shared[warpOfBlock()] = value;
  __syncthreads();
  if (warpOfBlock() == 0) value = warpSum(lane() < divideUp(blockDim.x, 32) ? shared[lane()] : T(0));
  return value;
}

// --- Memory: 16 bytes at once; the address must be a multiple of 16.

__device__ __forceinline__ float4 load4(const float* p) { return *reinterpret_cast<const float4*>(p); }
__device__ __forceinline__ void store4(float* p, float4 v) { *reinterpret_cast<float4*>(p) = v; }
/// Through the read-only path.
__device__ __forceinline__ float4 loadConstant4(const float* p) { return __ldg(reinterpret_cast<const float4*>(p)); }

/// p[0..1] += v; one instruction from compute capability 9.0 on. 8-byte aligned.
__device__ __forceinline__ void atomicAdd2(float* p, float2 v) {
#if __CUDA_ARCH__ >= 900
  atomicAdd(reinterpret_cast<float2*>(p), v);
#else
  atomicAdd(p, v.x);
  atomicAdd(p + 1, v.y);
#endif
}

/// p[0..3] += v; one instruction from compute capability 9.0 on. 16-byte aligned.
__device__ __forceinline__ void atomicAdd4(float* p, float4 v) {
#if __CUDA_ARCH__ >= 900
  atomicAdd(reinterpret_cast<float4*>(p), v);
#else
  atomicAdd(p, v.x);
  atomicAdd(p + 1, v.y);
  atomicAdd(p + 2, v.z);
  atomicAdd(p + 3, v.w);
#endif
}

// --- Functions of the contracts.

/// 1 / (1 + exp(-x)), 0 and 1 at the infinities, NaN of NaN; absolute error below 3e-7.
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

/// What NaN and the infinities have in common.
__device__ __forceinline__ bool isNonFinite(float x) {
  return (__float_as_uint(x) & 0x7f800000u) == 0x7f800000u;
}
