// Mean over Gaussians of the product of their three scales, and its gradient.
//
// A thread takes a row at a time, a block ROWS of them. Products are single precision, their sums double precision, added in
// the order of the blocks, whose number depends on the capacity alone: equal bytes every time. `count` is read here: rows
// behind it are not in use.
// Floor for G rows: forward reads 12 G bytes, 4 us for a million at 3 TB/s; backward moves 36 G bytes, 12 us.
// Limits: 2^31 rows.
#include "common.cuh"

constexpr uint32_t THREADS = 256;
constexpr uint32_t ROWS = 2048;

/// partials[block] = sum of the products of the block's rows of scales // [capacity, 3]
extern "C" __global__ void __launch_bounds__(THREADS) sumVolumes(
    const float* __restrict__ scales, const uint32_t* __restrict__ count, double* __restrict__ partials,
    uint32_t capacity) {
  __shared__ double warps[THREADS / 32];
  const uint32_t end = min(countOf(count, capacity), (blockIdx.x + 1) * ROWS);
  double sum = 0;
  for (uint32_t i = blockIdx.x * ROWS + threadIdx.x; i < end; i += THREADS) {
    const float* row = scales + size_t(3) * i;
    sum += double(row[0] * row[1] * row[2]);
  }
  sum = blockSum(sum, warps);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

/// mean[0] = the sum of the partials over the number of rows in use; 0 when there are none. One block.
extern "C" __global__ void __launch_bounds__(THREADS) meanVolume(
    const double* __restrict__ partials, const uint32_t* __restrict__ count, float* __restrict__ mean, uint32_t blocks,
    uint32_t capacity) {
  __shared__ double warps[THREADS / 32];
  const uint32_t n = countOf(count, capacity);
  double sum = 0;
  for (uint32_t i = threadIdx.x; i < blocks; i += THREADS) sum += partials[i];
  sum = blockSum(sum, warps);
  if (threadIdx.x == 0) mean[0] = n > 0 ? float(sum / n) : 0.0f;
}

/// vScales // [capacity, 3] += weight times the gradient of the mean. A row a thread.
extern "C" __global__ void __launch_bounds__(THREADS) volumeBackward(
    const float* __restrict__ scales, const uint32_t* __restrict__ count, float* __restrict__ vScales,
    uint32_t capacity, float weight) {
  const uint32_t n = countOf(count, capacity);
  const uint32_t i = threadIndex();
  if (i >= n) return;
  const float each = weight / float(n);
  const float* row = scales + size_t(3) * i;
  float* v = vScales + size_t(3) * i;
  const float x = row[0], y = row[1], z = row[2];
  v[0] += each * (y * z);
  v[1] += each * (x * z);
  v[2] += each * (x * y);
}
