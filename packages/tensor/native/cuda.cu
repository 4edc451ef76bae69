// Device-wide primitives of CUB behind a C interface, for callers that have no C++ compiler.
//
// Every function enqueues on `stream` and returns a cudaError code. Called with `storage` = null it only writes the
// bytes of temporary storage that it needs to `bytes`. Sizes are those of the host; pointers are device addresses.
// Sorting is stable; sums of integers are modulo 2^32; the sum of floats has the same bits every time on one GPU.

#include <cstddef>
#include <cstdint>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_scan.cuh>
#include <cub/device/device_select.cuh>
#include <cuda/std/functional>
#include <thrust/iterator/counting_iterator.h>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {
struct ToDouble {
  __host__ __device__ double operator()(float value) const { return value; }
};
struct IsSet {
  const uint8_t* flags;
  __device__ bool operator()(uint32_t index) const { return flags[index] != 0; }
};
}  // namespace

EXPORT int cgs_sort_pairs_u32(
    void* storage, size_t* bytes, const uint32_t* keys, uint32_t* keysOut, const uint32_t* values, uint32_t* valuesOut,
    uint32_t n, int firstBit, int endBit, cudaStream_t stream) {
  return cub::DeviceRadixSort::SortPairs(
      storage, *bytes, keys, keysOut, values, valuesOut, n, firstBit, endBit, stream);
}

EXPORT int cgs_sort_pairs_u64(
    void* storage, size_t* bytes, const uint64_t* keys, uint64_t* keysOut, const uint32_t* values, uint32_t* valuesOut,
    uint32_t n, int firstBit, int endBit, cudaStream_t stream) {
  return cub::DeviceRadixSort::SortPairs(
      storage, *bytes, keys, keysOut, values, valuesOut, n, firstBit, endBit, stream);
}

/// output // [n + 1]: element i is the sum of those before i.
EXPORT int cgs_exclusive_scan_u32(
    void* storage, size_t* bytes, const uint32_t* input, uint32_t* output, uint32_t n, cudaStream_t stream) {
  if (storage) {
    const cudaError_t error = cudaMemsetAsync(output, 0, sizeof(uint32_t), stream);
    if (error != cudaSuccess) return error;
  }
  return cub::DeviceScan::InclusiveSum(storage, *bytes, input, output + 1, n, stream);
}

EXPORT int cgs_select_indices(
    void* storage, size_t* bytes, const uint8_t* flags, uint32_t* indices, uint32_t* count, uint32_t n,
    cudaStream_t stream) {
  const thrust::counting_iterator<uint32_t> all(0);
  return cub::DeviceSelect::If(storage, *bytes, all, indices, count, n, IsSet{flags}, stream);
}

EXPORT int cgs_select_flagged_u32(
    void* storage, size_t* bytes, const uint32_t* values, const uint8_t* flags, uint32_t* selected, uint32_t* count,
    uint32_t n, cudaStream_t stream) {
  return cub::DeviceSelect::Flagged(storage, *bytes, values, flags, selected, count, n, stream);
}

/// Accumulated in double precision.
EXPORT int cgs_sum_f32(
    void* storage, size_t* bytes, const float* input, float* output, uint32_t n, cudaStream_t stream) {
  return cub::DeviceReduce::TransformReduce(
      storage, *bytes, input, output, n, cuda::std::plus<double>{}, ToDouble{}, 0.0, stream);
}
