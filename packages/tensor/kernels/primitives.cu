// Primitives that are not CUB's. A thread strides over elements; integer atomics, so the result is always the same.
#include "common.cuh"

/// count += number of elements of input // [n] that are NaN or infinite.
extern "C" __global__ void __launch_bounds__(256)
countNonFinite(const float* __restrict__ input, uint32_t n, uint32_t* __restrict__ count) {
  __shared__ uint32_t sums[32];
  uint32_t found = 0;
  for (uint32_t i = threadIndex(); i < n; i += threadCount()) found += isNonFinite(input[i]) ? 1u : 0u;
  found = blockSum(found, sums);
  if (threadIdx.x == 0 && found > 0) atomicAdd(count, found);
}
