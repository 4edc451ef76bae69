// Gradient sums of each Gaussian, splats back to front.
//
// A block is a tile, a lane two pixels (batch.cuh). Per pixel, T is restored by division and `behind` is the sum over what
// lies behind of weight (color . vImage + z vDepth), plus T_final (background . vImage - vAlpha), so that for a splat
// dL/dalpha = T (color . vImage + z vDepth) - behind / (1 - alpha). A lane adds up its two pixels; then 12 shuffles leave
// each of the ten sums over the warp in a lane of its own, and one instruction adds them to the Gaussian's 40 bytes: an
// atomic a quarter of a tile and Gaussian, not a pixel. A warp starts at the last splat that any of its pixels added.
// The order of these additions is not fixed: gradients repeat to rounding.
// Shared memory: 13.1 KiB. Floor: a quarter that a splat meets costs a warp about 170 instructions and two sectors of
// atomics; a million splats at 1352x1014, about 3 million quarters before tiles end: 0.6 ms on an H100.
#include "batch.cuh"

namespace {

struct Pixel {
  float T, behind, vRed, vGreen, vBlue, vDepth;
  uint32_t last;

  __device__ __forceinline__ void load(
      const Parameters& camera, int column, int row, const float* vImage, const float* vAlpha, const float* vDepths,
      const float* transmittances, const uint32_t* lasts) {
    T = 1.0f;
    behind = vRed = vGreen = vBlue = vDepth = 0.0f;
    last = 0;
    if (column >= camera.width || row >= camera.height) return;
    const size_t at = static_cast<size_t>(row) * camera.width + column;
    T = transmittances[at];
    last = lasts[at];
    vRed = vImage[3 * at];
    vGreen = vImage[3 * at + 1];
    vBlue = vImage[3 * at + 2];
    vDepth = vDepths ? vDepths[at] : 0.0f;
    const float vA = vAlpha ? vAlpha[at] : 0.0f;
    behind = T *
        (vRed * camera.background[0] + vGreen * camera.background[1] + vBlue * camera.background[2] - vA);
  }

  /// Adds what this pixel gives to the sums of a splat.
  __device__ __forceinline__ void add(
      bool inside, float alphaMax, float level, float t, float s, float depth, float4 color, float* sums) {
    const float full = inside ? exp2Fast(level) : 0.0f;
    const float alpha = fminf(alphaMax, full);
    const float inverse = __fdividef(1.0f, 1.0f - alpha);
    T *= inverse;
    const float weight = alpha * T;
    const float value = fmaf(color.x, vRed, fmaf(color.y, vGreen, fmaf(color.z, vBlue, depth * vDepth)));
    const float vAlpha = fmaf(T, value, -behind * inverse);
    behind = fmaf(weight, value, behind);
    const float w = full <= alphaMax ? vAlpha * alpha : 0.0f;
    const float wt = w * t;
    const float ws = w * s;
    sums[0] += w;
    sums[1] += wt;
    sums[2] += ws;
    sums[3] = fmaf(wt, t, sums[3]);
    sums[4] = fmaf(wt, s, sums[4]);
    sums[5] = fmaf(ws, s, sums[5]);
    sums[6] = fmaf(weight, vRed, sums[6]);
    sums[7] = fmaf(weight, vGreen, sums[7]);
    sums[8] = fmaf(weight, vBlue, sums[8]);
    sums[9] = fmaf(weight, vDepth, sums[9]);
  }
};

/// Lanes with `upper` keep b and give a away, the others keep a and give b: half of the values stay, summed over pairs.
__device__ __forceinline__ float fold(bool upper, float a, float b, int step) {
  return (upper ? b : a) + __shfl_xor_sync(FULL_WARP, upper ? a : b, step);
}

/// Sums of ten values over the warp; the lane gets that of `sumOfLane`.
__device__ __forceinline__ float foldSums(const float* v) {
  const bool bit4 = lane() & 16u, bit3 = lane() & 8u, bit2 = lane() & 4u, bit1 = lane() & 2u;
  const float a0 = fold(bit4, v[0], v[5], 16);
  const float a1 = fold(bit4, v[1], v[6], 16);
  const float a2 = fold(bit4, v[2], v[7], 16);
  const float a3 = fold(bit4, v[3], v[8], 16);
  const float a4 = fold(bit4, v[4], v[9], 16);
  const float b0 = fold(bit3, a0, a3, 8);
  const float b1 = fold(bit3, a1, a4, 8);
  const float b2 = fold(bit3, a2, 0.0f, 8);
  const float c0 = fold(bit2, b0, b2, 4);
  const float c1 = fold(bit2, b1, 0.0f, 4);
  const float d = fold(bit1, c0, c1, 2);
  return d + __shfl_xor_sync(FULL_WARP, d, 1);
}

/// Number of the sum that foldSums leaves in this lane, -1 for lanes that have a copy or nothing.
__device__ __forceinline__ int sumOfLane() {
  const int group = (lane() >> 3) & 1;
  const int within = (lane() >> 1) & 3;
  const bool some = (lane() & 1u) == 0 && within < (group ? 2 : 3);
  return some ? 5 * static_cast<int>(lane() >> 4) + 3 * group + within : -1;
}

}  // namespace

/// vImage // [H, W, 3]; vAlphas, vDepths // [H, W] or null; sums // [G, 12] zeros; the rest as in forward
extern "C" __global__ void __launch_bounds__(BATCH, 6) backward(
    const Parameters* __restrict__ parameters, const float4* __restrict__ records, const int* __restrict__ radii,
    const uint32_t* __restrict__ order, const uint2* __restrict__ ranges, const uint32_t* __restrict__ values,
    uint32_t capacity, const Counters* __restrict__ counters, const float* __restrict__ transmittances,
    const uint32_t* __restrict__ lasts, const float* __restrict__ vImage, const float* __restrict__ vAlphas,
    const float* __restrict__ vDepths, float* __restrict__ sums) {
  __shared__ Batches batches;
  __shared__ uint32_t indices[2][BATCH];
  __shared__ uint32_t warpLasts[4];
  const Parameters& camera = *parameters;
  const int tileColumn = static_cast<int>(blockIdx.x) % camera.tilesX;
  const int tileRow = static_cast<int>(blockIdx.x) / camera.tilesX;
  const TileSplats splats = splatsOf(blockIdx.x, ranges, values, order, counters, capacity);
  const int column = tileColumn * TILE + pixelColumn();
  const int row = tileRow * TILE + pixelRow();
  const float x = static_cast<float>(column);
  const float y = static_cast<float>(row);
  const float alphaMax = camera.alphaMax;
  const float levelMin = camera.levelMin;
  Pixel upper, lower;
  upper.load(camera, column, row, vImage, vAlphas, vDepths, transmittances, lasts);
  lower.load(camera, column, row + SECOND_ROW, vImage, vAlphas, vDepths, transmittances, lasts);

  const uint32_t quarter = warpOfBlock();
  uint32_t warpLast = max(upper.last, lower.last);
  #pragma unroll
  for (int step = 16; step > 0; step /= 2) warpLast = max(warpLast, __shfl_xor_sync(FULL_WARP, warpLast, step));
  if (lane() == 0) warpLasts[quarter] = warpLast;
  __syncthreads();
  const uint32_t blockLast = max(max(warpLasts[0], warpLasts[1]), max(warpLasts[2], warpLasts[3]));
  const int sum = sumOfLane();

  // Batches end at `end`, and go down; a thread has the splat that lies threadIdx.x before the last.
  bool valid = threadIdx.x < blockLast;
  uint32_t index = valid ? splats.indices[blockLast - 1 - threadIdx.x] : 0;
  indices[0][threadIdx.x] = index;
  if (valid) fetchSplat(batches, 0, records, index);
  __pipeline_commit();
  uint32_t buffer = 0;
  for (uint32_t done = 0; done < blockLast; done += BATCH, buffer ^= 1u) {
    const uint32_t ahead = done + BATCH + threadIdx.x;
    const bool validAhead = ahead < blockLast;
    const uint32_t indexAhead = validAhead ? splats.indices[blockLast - 1 - ahead] : 0;
    indices[buffer ^ 1u][threadIdx.x] = indexAhead;
    if (validAhead) fetchSplat(batches, buffer ^ 1u, records, indexAhead);
    __pipeline_commit();
    __pipeline_wait_prior(1);
    publishSplat(batches, buffer, camera, splats, radii, valid, index, tileColumn, tileRow);
    __syncthreads();
    for (uint32_t word = 0; word < WORDS; word++) {
      unsigned meeting = batches.meets[buffer][word][quarter];
      // List index of the word's first splat, plus one; those at warpLast and behind were added by no pixel here.
      const uint32_t before = done + 32 * word;
      if (before >= blockLast) break;
      const uint32_t position = blockLast - before;
      if (position > warpLast) {
        const uint32_t skipped = position - warpLast;
        meeting = skipped >= 32 ? 0u : meeting & (FULL_WARP << skipped);
      }
      while (meeting) {
        const uint32_t bit = __ffs(meeting) - 1;
        meeting &= meeting - 1;
        const uint32_t j = 32 * word + bit;
        const float4 first = batches.first[buffer][j];
        const float4 second = batches.second[buffer][j];
        const float ex = x - first.x;
        const float ey = y - first.y;
        const float tx = first.z * ex;
        const float eyLower = ey + static_cast<float>(SECOND_ROW);
        const float t = fmaf(first.w, ey, tx);
        const float s = second.x * ey;
        const float tLower = fmaf(first.w, eyLower, tx);
        const float sLower = second.x * eyLower;
        const float level = fmaf(-s, s, fmaf(-t, t, second.y));
        const float levelLower = fmaf(-sLower, sLower, fmaf(-tLower, tLower, second.y));
        // The splat's list index is position - bit - 1.
        const bool inside = level >= levelMin && position - bit <= upper.last;
        const bool insideLower = levelLower >= levelMin && position - bit <= lower.last;
        if (!__any_sync(FULL_WARP, inside || insideLower)) continue;
        const float4 color = batches.third[buffer][j];
        float own[GRADIENT_SUMS] = {};
        upper.add(inside, alphaMax, level, t, s, second.z, color, own);
        lower.add(insideLower, alphaMax, levelLower, tLower, sLower, second.z, color, own);
        const float whole = foldSums(own);
        if (sum >= 0) atomicAdd(sums + GRADIENT_WORDS * static_cast<size_t>(indices[buffer][j]) + sum, whole);
      }
    }
    __syncthreads();
    valid = validAhead;
    index = indexAhead;
  }
  __pipeline_wait_prior(0);
}
