// Kernels that only the tests of the runtime use.
#include "common.cuh"

/// values // [n] *= factor
extern "C" __global__ void __launch_bounds__(256) scale(float* values, uint32_t n, float factor) {
  for (uint32_t i = threadIndex(); i < n; i += threadCount()) values[i] *= factor;
}

/// Writes what arrived, to see that arguments are packed as they are declared.
extern "C" __global__ void echo(
    const float* absent, int32_t i, double d, uint32_t u, float f, uint64_t wide, uint32_t* output) {
  output[0] = absent == nullptr;
  output[1] = static_cast<uint32_t>(i);
  output[2] = d == 0.1;
  output[3] = u;
  output[4] = __float_as_uint(f);
  output[5] = static_cast<uint32_t>(wide);
  output[6] = static_cast<uint32_t>(wide >> 32);
}

/// Keeps one multiprocessor busy for about `cycles`, then adds 1.
extern "C" __global__ void spin(uint32_t* value, uint32_t cycles) {
  const long long end = clock64() + cycles;
  while (clock64() < end) {}
  *value += 1;
}

/// Needs dynamic shared memory: reverses values // [n], n floats of it.
extern "C" __global__ void __launch_bounds__(1024) reverseInBlock(float* values, uint32_t n) {
  extern __shared__ float copy[];
  for (uint32_t i = threadIdx.x; i < n; i += blockDim.x) copy[i] = values[i];
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < n; i += blockDim.x) values[i] = copy[n - 1 - i];
}

/// Elements that are above the limit, in any order, and their number.
extern "C" __global__ void __launch_bounds__(256) pickAbove(
    const float* values, const uint32_t* count, uint32_t capacity, float limit, uint32_t* picked, uint32_t* pickedCount,
    uint32_t pickedCapacity) {
  const uint32_t n = countOf(count, capacity);
  for (uint32_t first = threadIndex() - lane(); first < n; first += threadCount()) {
    const uint32_t i = first + lane();
    const bool wanted = i < n && values[i] > limit;
    const uint32_t place = reserve(pickedCount, wanted);
    if (wanted && place < pickedCapacity) picked[place] = i;
  }
}

/// values[i] = sigmoid(values[i]) and the sum of the block's results to sums[block].
extern "C" __global__ void __launch_bounds__(256) sigmoids(float* values, uint32_t n, float* sums) {
  __shared__ float shared[32];
  const uint32_t i = threadIndex();
  const float y = i < n ? sigmoid(values[i]) : 0.0f;
  if (i < n) values[i] = y;
  const float sum = blockSum(y, shared);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// Adds (1, 2, 3, 4) to a row of 4 picked by i mod rows, `n` times.
extern "C" __global__ void __launch_bounds__(256) scatter(float* rows, uint32_t rowCount, uint32_t n) {
  for (uint32_t i = threadIndex(); i < n; i += threadCount()) {
    float* row = rows + 4 * (i % rowCount);
    if (i & 1) atomicAdd4(row, make_float4(1.0f, 2.0f, 3.0f, 4.0f));
    else {
      atomicAdd2(row, make_float2(1.0f, 2.0f));
      atomicAdd2(row + 2, make_float2(3.0f, 4.0f));
    }
  }
}

/// Writes where nothing is.
extern "C" __global__ void writeNowhere(uint32_t* value) { *reinterpret_cast<uint32_t*>(16) = *value; }
