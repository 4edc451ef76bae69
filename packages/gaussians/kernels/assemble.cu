// Gaussians of the visible anchors out of what the decoders say, forward and backward, and statistics for growing.
//
// A block has `share` consecutive visible anchors, a thread one Gaussian of theirs (of k a anchor; where k is above 256,
// the block has one anchor and goes over its Gaussians in turns). Rows of 3 and 7 floats pass through shared memory, so
// that global memory is read and written in whole lines. Sums over an anchor's Gaussians are taken by one thread
// in their order: no atomics, the same bytes in every run. Rows behind count[0] are left alone.
// Floor: bytes; 80 a Gaussian forward, 120 backward.
#include "common.cuh"

namespace {

constexpr uint32_t blockSize = 256;

/** to[0 .. n) = from[0 .. n), by all threads. */
__device__ void copyIn(const float* __restrict__ from, float* to, uint32_t n) {
  if ((reinterpret_cast<size_t>(from) & 15) == 0) {
    for (uint32_t i = threadIdx.x * 4; i + 3 < n; i += blockSize * 4) store4(to + i, load4(from + i));
    for (uint32_t i = (n & ~3u) + threadIdx.x; i < n; i += blockSize) to[i] = from[i];
  } else {
    for (uint32_t i = threadIdx.x; i < n; i += blockSize) to[i] = from[i];
  }
}

__device__ void copyOut(const float* from, float* __restrict__ to, uint32_t n) {
  if ((reinterpret_cast<size_t>(to) & 15) == 0) {
    for (uint32_t i = threadIdx.x * 4; i + 3 < n; i += blockSize * 4) store4(to + i, load4(from + i));
    for (uint32_t i = (n & ~3u) + threadIdx.x; i < n; i += blockSize) to[i] = from[i];
  } else {
    for (uint32_t i = threadIdx.x; i < n; i += blockSize) to[i] = from[i];
  }
}

/** Rows of this block, [first, end), and its Gaussians, from `g0` on. */
struct Share {
  uint32_t first, end, size;
  size_t g0;
  __device__ Share(const uint32_t* count, uint32_t rows, uint32_t share, uint32_t k) {
    const uint32_t used = countOf(count, rows);
    first = min(used, blockIdx.x * share);
    end = min(used, first + share);
    g0 = static_cast<size_t>(first) * k;
    size = (end - first) * k;
  }
};

/** exp of what an anchor's row of logScaling says: spread of the offsets, size of the Gaussians. */
struct Scaling {
  float spread[3], size[3];
  __device__ explicit Scaling(const float* row) {
#pragma unroll
    for (int axis = 0; axis < 3; axis++) {
      spread[axis] = expf(row[axis]);
      size[axis] = expf(row[3 + axis]);
    }
  }
};

__device__ float share01(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ float dot(float4 a, float4 b) { return a.x * b.x + a.y * b.y + (a.z * b.z + a.w * b.w); }

/** Not fmaxf, which would lose a NaN. */
__device__ float divisorOf(float norm) { return norm < 1e-12f ? 1e-12f : norm; }

}  // namespace

extern "C" __global__ void __launch_bounds__(256) assemble(
    const uint32_t* __restrict__ count, uint32_t rows, const uint32_t* __restrict__ indices,
    const float* __restrict__ positions, const float* __restrict__ logScaling, const float* __restrict__ cov,
    const float* __restrict__ offset, float* __restrict__ means, float* __restrict__ quats, float* __restrict__ scales,
    uint32_t* __restrict__ total, uint32_t k, uint32_t share) {
  __shared__ __align__(16) float covs[blockSize * 7];
  __shared__ __align__(16) float offsets[blockSize * 3];
  __shared__ __align__(16) float sizes[blockSize * 3];
  if (threadIndex() == 0) *total = countOf(count, rows) * k;
  const Share part(count, rows, share, k);
  for (uint32_t done = 0; done < part.size; done += blockSize) {
    const size_t g0 = part.g0 + done;
    const uint32_t n = min(blockSize, part.size - done);
    copyIn(cov + g0 * 7, covs, n * 7);
    copyIn(offset + g0 * 3, offsets, n * 3);
    __syncthreads();
    if (threadIdx.x < n) {
      const uint32_t t = threadIdx.x;
      const uint32_t anchor = indices[part.first + (done + t) / k];
      const Scaling scaling(logScaling + static_cast<size_t>(anchor) * 6);
      const float* position = positions + static_cast<size_t>(anchor) * 3;
#pragma unroll
      for (int axis = 0; axis < 3; axis++) {
        // In place of the offset: a mean.
        offsets[3 * t + axis] = position[axis] + offsets[3 * t + axis] * scaling.spread[axis];
        sizes[3 * t + axis] = scaling.size[axis] * share01(covs[7 * t + axis]);
      }
      const float* from = covs + 7 * t + 3;
      const float4 q = make_float4(from[0], from[1], from[2], from[3]);
      const float divisor = divisorOf(sqrtf(dot(q, q)));
      store4(quats + (g0 + t) * 4, make_float4(q.x / divisor, q.y / divisor, q.z / divisor, q.w / divisor));
    }
    __syncthreads();
    copyOut(offsets, means + g0 * 3, n * 3);
    copyOut(sizes, scales + g0 * 3, n * 3);
    __syncthreads();
  }
}

/** Adds to vLogScaling unless it is null; writes vCov and vOffset. */
extern "C" __global__ void __launch_bounds__(256) assembleBackward(
    const uint32_t* __restrict__ count, uint32_t rows, const uint32_t* __restrict__ indices,
    const float* __restrict__ logScaling, const float* __restrict__ cov, const float* __restrict__ offset,
    const float* __restrict__ vMeans, const float* __restrict__ vQuats, const float* __restrict__ vScales,
    float* __restrict__ vCov, float* __restrict__ vOffset, float* __restrict__ vLogScaling, uint32_t k, uint32_t share) {
  __shared__ __align__(16) float covs[blockSize * 7];
  __shared__ __align__(16) float offsets[blockSize * 3];
  __shared__ __align__(16) float means[blockSize * 3];
  __shared__ __align__(16) float scales[blockSize * 3];
  const Share part(count, rows, share, k);
  // Thread t has component t % 6 of the gradient of the block's row t / 6; above 42 rows it has several in turns.
  float sum = 0;
  for (uint32_t done = 0; done < part.size; done += blockSize) {
    const size_t g0 = part.g0 + done;
    const uint32_t n = min(blockSize, part.size - done);
    copyIn(cov + g0 * 7, covs, n * 7);
    copyIn(offset + g0 * 3, offsets, n * 3);
    copyIn(vMeans + g0 * 3, means, n * 3);
    copyIn(vScales + g0 * 3, scales, n * 3);
    __syncthreads();
    const uint32_t t = threadIdx.x;
    float forOffset[3] = {};
    if (t < n) {
      const uint32_t anchor = indices[part.first + (done + t) / k];
      const Scaling scaling(logScaling + static_cast<size_t>(anchor) * 6);
#pragma unroll
      for (int axis = 0; axis < 3; axis++) {
        // In place of the gradients: this Gaussian's shares of the anchor's, but for the factors that all of them have.
        const float vMean = means[3 * t + axis];
        means[3 * t + axis] = vMean * offsets[3 * t + axis];
        forOffset[axis] = vMean * scaling.spread[axis];
        const float share = share01(covs[7 * t + axis]);
        const float vScale = scales[3 * t + axis] * share;
        scales[3 * t + axis] = vScale;
        covs[7 * t + axis] = vScale * scaling.size[axis] * (1 - share);
      }
      float* place = covs + 7 * t + 3;
      const float4 q = make_float4(place[0], place[1], place[2], place[3]);
      float4 v = load4(vQuats + (g0 + t) * 4);
      const float norm = sqrtf(dot(q, q));
      const float divisor = divisorOf(norm);
      if (norm > 1e-12f) {
        // The part of v along the unit quaternion does not change it.
        const float4 unit = make_float4(q.x / divisor, q.y / divisor, q.z / divisor, q.w / divisor);
        const float along = dot(unit, v);
        v = make_float4(v.x - unit.x * along, v.y - unit.y * along, v.z - unit.z * along, v.w - unit.w * along);
      }
      place[0] = v.x / divisor;
      place[1] = v.y / divisor;
      place[2] = v.z / divisor;
      place[3] = v.w / divisor;
#pragma unroll
      for (int axis = 0; axis < 3; axis++) offsets[3 * t + axis] = forOffset[axis];
    }
    __syncthreads();
    copyOut(covs, vCov + g0 * 7, n * 7);
    copyOut(offsets, vOffset + g0 * 3, n * 3);
    if (vLogScaling) {
      // One turn unless the block has a single anchor, whose sums go on in the next.
      const bool last = done + blockSize >= part.size;
      for (uint32_t i = t; i < (part.end - part.first) * 6; i += blockSize) {
        const uint32_t row = i / 6, component = i % 6;
        const float* from = (component < 3 ? means : scales) + component % 3;
        const uint32_t begin = k > blockSize ? 0 : row * k, end = k > blockSize ? n : begin + k;
        if (k <= blockSize) sum = 0;
        for (uint32_t g = begin; g < end; g++) sum += from[3 * g];
        if (!last) continue;
        const size_t place = static_cast<size_t>(indices[part.first + row]) * 6 + component;
        vLogScaling[place] += sum * expf(logScaling[place]);
      }
    }
    __syncthreads();
  }
}

/** One step of the statistics that growing and pruning decide by. */
extern "C" __global__ void __launch_bounds__(256) accumulateGrowth(
    const uint32_t* __restrict__ count, uint32_t rows, const uint32_t* __restrict__ indices,
    const float* __restrict__ means, const float* __restrict__ opacities, const int* __restrict__ radii,
    const float* __restrict__ vMeans2d, uint32_t* __restrict__ visits, float* __restrict__ opacitySums,
    uint32_t* __restrict__ counts, float* __restrict__ maxGradients, float* __restrict__ maxMeans, uint32_t k,
    uint32_t share) {
  __shared__ float shared[blockSize];
  const Share part(count, rows, share, k);
  float sum = 0;
  for (uint32_t done = 0; done < part.size; done += blockSize) {
    const uint32_t n = min(blockSize, part.size - done);
    const uint32_t t = threadIdx.x;
    if (t < n) {
      const size_t g = part.g0 + done + t;
      const float opacity = opacities[g];
      shared[t] = opacity > 0 ? opacity : 0;
      if (radii[g] > 0) {
        const uint32_t row = (done + t) / k;
        const size_t slot = static_cast<size_t>(indices[part.first + row]) * k + (done + t - row * k);
        counts[slot]++;
        const float2 v = reinterpret_cast<const float2*>(vMeans2d)[g];
        // Not fused, so that ties between steps are those of the other devices.
        const float gradient = __fsqrt_rn(__fadd_rn(__fmul_rn(v.x, v.x), __fmul_rn(v.y, v.y)));
        if (gradient > maxGradients[slot] && gradient <= 3.402823466e38f) {
          maxGradients[slot] = gradient;
#pragma unroll
          for (int axis = 0; axis < 3; axis++) maxMeans[slot * 3 + axis] = means[g * 3 + axis];
        }
      }
    }
    __syncthreads();
    const bool last = done + blockSize >= part.size;
    if (t < part.end - part.first) {
      const uint32_t begin = k > blockSize ? 0 : t * k, end = k > blockSize ? n : begin + k;
      for (uint32_t i = begin; i < end; i++) sum += shared[i];
      if (last) {
        const uint32_t anchor = indices[part.first + t];
        visits[anchor]++;
        opacitySums[anchor] += sum;
      }
    }
    __syncthreads();
  }
}

namespace {

/** to[0 .. n) += from[0 .. n), by all threads of the grid. */
__device__ void addTo(float* __restrict__ to, const float* __restrict__ from, size_t n) {
  const size_t fours = n / 4;
  for (size_t i = threadIndex(); i < fours; i += threadCount()) {
    const float4 a = load4(to + 4 * i), b = loadConstant4(from + 4 * i);
    store4(to + 4 * i, make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w));
  }
  const size_t rest = 4 * fours + threadIndex();
  if (rest < n) to[rest] += from[rest];
}

}  // namespace

/** Adds gradients of the first count[0] of `gaussians` Gaussians; 156 bytes each. */
extern "C" __global__ void __launch_bounds__(256) addGradients(
    const uint32_t* __restrict__ count, uint32_t gaussians, float* __restrict__ vMeans, float* __restrict__ vQuats,
    float* __restrict__ vScales, float* __restrict__ vOpacities, float* __restrict__ vColors,
    const float* __restrict__ means, const float* __restrict__ quats, const float* __restrict__ scales,
    const float* __restrict__ opacities, const float* __restrict__ colors) {
  const size_t n = countOf(count, gaussians);
  addTo(vMeans, means, 3 * n);
  addTo(vQuats, quats, 4 * n);
  addTo(vScales, scales, 3 * n);
  addTo(vOpacities, opacities, n);
  addTo(vColors, colors, 3 * n);
}
