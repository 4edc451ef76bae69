// out = M (r, g, b, 1) for every pixel, and its gradients.
//
// A thread takes four pixels at once, in three 16-byte accesses; the last few one by one. The twelve sums of vMatrix are single
// precision over the 16 pixels of a thread and over its warp, then double precision, added in the order of the blocks,
// whose number depends on the image alone: equal bytes every time. `centre` sums in double precision in a fixed order.
// Floor for n pixels: forward moves 24 n bytes, 17 us at 1920x1080 and 3 TB/s; backward 36 n, 25 us.
// Limits: 2^29 pixels.
#include "common.cuh"

constexpr uint32_t THREADS = 256;
/// Pixels of a block.
constexpr uint32_t BLOCK = 4096;

struct Matrix {
  float m[12];

  __device__ __forceinline__ explicit Matrix(const float* __restrict__ from) {
#pragma unroll
    for (int k = 0; k < 12; k++) m[k] = __ldg(from + k);
  }

  __device__ __forceinline__ void apply(const float* p, float* out) const {
#pragma unroll
    for (int i = 0; i < 3; i++) {
      out[i] = (m[4 * i] * p[0] + m[4 * i + 1] * p[1]) + (m[4 * i + 2] * p[2] + m[4 * i + 3]);
    }
  }

  /// Transposed, without the last column.
  __device__ __forceinline__ void applyBackward(const float* v, float* out) const {
#pragma unroll
    for (int k = 0; k < 3; k++) out[k] = m[k] * v[0] + m[4 + k] * v[1] + m[8 + k] * v[2];
  }
};

/// Where the matrix of the camera begins: `index`, or, with an index on the device, that one, at most `index`.
__device__ __forceinline__ size_t matrixAt(uint32_t index, const uint32_t* __restrict__ onDevice) {
  return size_t(12) * (onDevice ? min(__ldg(onDevice), index) : index);
}

/// `pixels` (1 to 4) pixels from pixel i on; four at once by vectors. Those behind them become zeros.
__device__ __forceinline__ void loadPixels(const float* __restrict__ from, uint32_t i, uint32_t pixels, float (&to)[12]) {
  const float* p = from + size_t(3) * i;
  if (pixels == 4) {
#pragma unroll
    for (int k = 0; k < 12; k += 4) {
      const float4 v = loadConstant4(p + k);
      to[k] = v.x;
      to[k + 1] = v.y;
      to[k + 2] = v.z;
      to[k + 3] = v.w;
    }
  } else {
#pragma unroll
    for (uint32_t k = 0; k < 12; k++) to[k] = k < 3 * pixels ? __ldg(p + k) : 0.0f;
  }
}

__device__ __forceinline__ void storePixels(float* __restrict__ to, uint32_t i, uint32_t pixels, const float (&from)[12]) {
  float* p = to + size_t(3) * i;
  if (pixels == 4) {
#pragma unroll
    for (int k = 0; k < 12; k += 4) store4(p + k, make_float4(from[k], from[k + 1], from[k + 2], from[k + 3]));
  } else {
#pragma unroll
    for (uint32_t k = 0; k < 12; k++) {
      if (k < 3 * pixels) p[k] = from[k];
    }
  }
}

/// out // [n, 3] of image // [n, 3] and a row of matrices // [cameras, 3, 4]. A thread is four pixels.
extern "C" __global__ void __launch_bounds__(THREADS) apply(
    const float* __restrict__ image, const float* __restrict__ matrices, uint32_t index, float* __restrict__ out,
    uint32_t n, const uint32_t* __restrict__ onDevice) {
  const uint32_t i = 4 * threadIndex();
  if (i >= n) return;
  const uint32_t pixels = min(4u, n - i);
  const Matrix m(matrices + matrixAt(index, onDevice));
  float x[12], y[12];
  loadPixels(image, i, pixels, x);
#pragma unroll
  for (int k = 0; k < 12; k += 3) m.apply(x + k, y + k);
  storePixels(out, i, pixels, y);
}

/// vImage // [n, 3]; partials[block] // [12], this block's part of the gradient of the matrix
extern "C" __global__ void __launch_bounds__(THREADS) applyBackward(
    const float* __restrict__ image, const float* __restrict__ matrices, uint32_t index, const float* __restrict__ vOut,
    float* __restrict__ vImage, double* __restrict__ partials, uint32_t n, const uint32_t* __restrict__ onDevice) {
  __shared__ float warps[12][THREADS / 32];
  const Matrix m(matrices + matrixAt(index, onDevice));
  float sums[12] = {};
  const uint32_t end = min(n, (blockIdx.x + 1) * BLOCK);
  for (uint32_t i = blockIdx.x * BLOCK + 4 * threadIdx.x; i < end; i += 4 * THREADS) {
    const uint32_t pixels = min(4u, end - i);
    float x[12], v[12], out[12];
    loadPixels(image, i, pixels, x);
    loadPixels(vOut, i, pixels, v);
#pragma unroll
    for (int p = 0; p < 12; p += 3) {
      m.applyBackward(v + p, out + p);
#pragma unroll
      for (int row = 0; row < 3; row++) {
#pragma unroll
        for (int k = 0; k < 3; k++) sums[4 * row + k] = fmaf(v[p + row], x[p + k], sums[4 * row + k]);
        sums[4 * row + 3] += v[p + row];
      }
    }
    storePixels(vImage, i, pixels, out);
  }
#pragma unroll
  for (int k = 0; k < 12; k++) {
    const float sum = warpSum(sums[k]);
    if (lane() == 0) warps[k][warpOfBlock()] = sum;
  }
  __syncthreads();
  if (threadIdx.x < 12) {
    double sum = 0;
    for (uint32_t warp = 0; warp < THREADS / 32; warp++) sum += double(warps[threadIdx.x][warp]);
    partials[size_t(12) * blockIdx.x + threadIdx.x] = sum;
  }
}

/// A row of vMatrices // [cameras, 3, 4] += the sum of `count` partials. One block of 12 warps, a warp an element.
extern "C" __global__ void __launch_bounds__(384) addPartials(
    const double* __restrict__ partials, float* __restrict__ vMatrices, uint32_t index, uint32_t count,
    const uint32_t* __restrict__ onDevice) {
  double sum = 0;
  for (uint32_t i = lane(); i < count; i += 32) sum += partials[size_t(12) * i + warpOfBlock()];
  sum = warpSum(sum);
  if (lane() == 0) vMatrices[matrixAt(index, onDevice) + warpOfBlock()] += float(sum);
}

/// matrices // [cameras, 3, 4] -= their mean - [I | 0]. One block of 12 warps, a warp an element.
extern "C" __global__ void __launch_bounds__(384) centre(float* __restrict__ matrices, uint32_t cameras) {
  float* const elements = matrices + warpOfBlock();
  double sum = 0;
  for (uint32_t i = lane(); i < cameras; i += 32) sum += elements[size_t(12) * i];
  const double shift = warpSum(sum) / cameras - (warpOfBlock() % 5 == 0 ? 1 : 0);
  for (uint32_t i = lane(); i < cameras; i += 32) elements[size_t(12) * i] = float(elements[size_t(12) * i] - shift);
}
