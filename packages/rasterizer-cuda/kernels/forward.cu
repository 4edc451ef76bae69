// Blends the splats of each tile front to back.
//
// A block is a tile, a lane two pixels (batch.cuh); what is blended stays in registers. A warp stops when its pixels are
// finished, the block when all warps are. Deterministic. `forward` writes all that a backward pass and its callers want,
// `draw` the image alone, which has the same bytes.
// Shared memory: 12.1 KiB. Floor: a quarter that a splat meets costs a warp about 55 instructions, of which 12 are FMAs
// a pixel; 48 bytes a pair come from L2 and 28 bytes a pixel go out. A million splats at 1352x1014 have about 3 million
// such quarters before tiles end: 0.2 ms at one instruction a cycle and scheduler of an H100.
#include "batch.cuh"

namespace {

/// WHOLE: also depth, and where the last splat was.
template <bool WHOLE>
struct Pixel {
  float T = 1.0f, red = 0.0f, green = 0.0f, blue = 0.0f, depth = 0.0f;
  /// Splats with a lower level are skipped: all of them once the pixel is finished.
  float levelMin;
  /// One above the list index of the last splat that was added.
  uint32_t last = 0;

  __device__ __forceinline__ void blend(
      const Parameters& camera, float alphaMax, float transmittanceMin, float level, float splatDepth, float4 color,
      uint32_t next) {
    const bool inside = level >= levelMin;
    const float alpha = inside ? fminf(alphaMax, exp2Fast(level)) : 0.0f;
    const float weight = alpha * T;
    const float rest = T - weight;
    if (inside) {
      if (rest < transmittanceMin) {
        levelMin = INFINITY;
      } else {
        T = rest;
        red = fmaf(weight, color.x, red);
        green = fmaf(weight, color.y, green);
        blue = fmaf(weight, color.z, blue);
        if constexpr (WHOLE) {
          depth = fmaf(weight, splatDepth, depth);
          last = next;
        }
      }
    }
  }

  __device__ __forceinline__ bool finished() const { return levelMin == INFINITY; }
};

/// The pointers behind `image` are looked at where WHOLE says so.
template <bool WHOLE>
__device__ __forceinline__ void blendTile(
    Batches& batches, const Parameters* parameters, const float4* records, const int* radii, const uint32_t* order,
    const uint2* ranges, const uint32_t* values, uint32_t capacity, const Counters* counters, float* image,
    float* alphas, float* depths, float* transmittances, uint32_t* lasts) {
  const Parameters& camera = *parameters;
  const int tileColumn = static_cast<int>(blockIdx.x) % camera.tilesX;
  const int tileRow = static_cast<int>(blockIdx.x) / camera.tilesX;
  const TileSplats splats = splatsOf(blockIdx.x, ranges, values, order, counters, capacity);
  const int column = tileColumn * TILE + pixelColumn();
  const int row = tileRow * TILE + pixelRow();
  const float x = static_cast<float>(column);
  const float y = static_cast<float>(row);
  const float alphaMax = camera.alphaMax;
  const float transmittanceMin = camera.transmittanceMin;
  Pixel<WHOLE> upper, lower;
  upper.levelMin = column < camera.width && row < camera.height ? camera.levelMin : INFINITY;
  lower.levelMin = column < camera.width && row + SECOND_ROW < camera.height ? camera.levelMin : INFINITY;

  const uint32_t count = splats.length;
  const uint32_t quarter = warpOfBlock();
  bool valid = threadIdx.x < count;
  uint32_t index = valid ? splats.indices[threadIdx.x] : 0;
  if (valid) fetchSplat(batches, 0, records, index);
  __pipeline_commit();
  uint32_t buffer = 0;
  for (uint32_t start = 0; start < count; start += BATCH, buffer ^= 1u) {
    const uint32_t ahead = start + BATCH + threadIdx.x;
    const bool validAhead = ahead < count;
    const uint32_t indexAhead = validAhead ? splats.indices[ahead] : 0;
    if (validAhead) fetchSplat(batches, buffer ^ 1u, records, indexAhead);
    __pipeline_commit();
    __pipeline_wait_prior(1);
    publishSplat(batches, buffer, camera, splats, radii, valid, index, tileColumn, tileRow);
    __syncthreads();
    for (uint32_t word = 0; word < WORDS; word++) {
      unsigned meeting = batches.meets[buffer][word][quarter];
      if (__all_sync(FULL_WARP, upper.finished() && lower.finished())) break;
      while (meeting) {
        const uint32_t j = 32 * word + __ffs(meeting) - 1;
        meeting &= meeting - 1;
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
        if (level >= upper.levelMin || levelLower >= lower.levelMin) {
          const float4 color = batches.third[buffer][j];
          upper.blend(camera, alphaMax, transmittanceMin, level, second.z, color, start + j + 1);
          lower.blend(camera, alphaMax, transmittanceMin, levelLower, second.z, color, start + j + 1);
        }
      }
    }
    const bool finished = upper.finished() && lower.finished();
    if (__syncthreads_and(finished)) break;
    valid = validAhead;
    index = indexAhead;
  }
  __pipeline_wait_prior(0);

  #pragma unroll
  for (int k = 0; k < 2; k++) {
    const Pixel<WHOLE>& pixel = k == 0 ? upper : lower;
    const int pixelY = row + SECOND_ROW * k;
    if (column >= camera.width || pixelY >= camera.height) continue;
    const size_t at = static_cast<size_t>(pixelY) * camera.width + column;
    image[3 * at] = fmaf(pixel.T, camera.background[0], pixel.red);
    image[3 * at + 1] = fmaf(pixel.T, camera.background[1], pixel.green);
    image[3 * at + 2] = fmaf(pixel.T, camera.background[2], pixel.blue);
    if constexpr (WHOLE) {
      alphas[at] = 1.0f - pixel.T;
      depths[at] = pixel.depth;
      transmittances[at] = pixel.T;
      lasts[at] = pixel.last;
    }
  }
}

}  // namespace

/// records // [G, 12]; radii, order // [G]; ranges // [tiles, 2]; values // [capacity]; image // [H, W, 3];
/// alphas, depths, transmittances, lasts // [H, W]
extern "C" __global__ void __launch_bounds__(BATCH, 8) forward(
    const Parameters* __restrict__ parameters, const float4* __restrict__ records, const int* __restrict__ radii,
    const uint32_t* __restrict__ order, const uint2* __restrict__ ranges, const uint32_t* __restrict__ values,
    uint32_t capacity, const Counters* __restrict__ counters, float* __restrict__ image, float* __restrict__ alphas,
    float* __restrict__ depths, float* __restrict__ transmittances, uint32_t* __restrict__ lasts) {
  __shared__ Batches batches;
  blendTile<true>(
      batches, parameters, records, radii, order, ranges, values, capacity, counters, image, alphas, depths,
      transmittances, lasts);
}

/// As `forward`.
extern "C" __global__ void __launch_bounds__(BATCH, 8) draw(
    const Parameters* __restrict__ parameters, const float4* __restrict__ records, const int* __restrict__ radii,
    const uint32_t* __restrict__ order, const uint2* __restrict__ ranges, const uint32_t* __restrict__ values,
    uint32_t capacity, const Counters* __restrict__ counters, float* __restrict__ image) {
  __shared__ Batches batches;
  blendTile<false>(
      batches, parameters, records, radii, order, ranges, values, capacity, counters, image, nullptr, nullptr, nullptr,
      nullptr);
}
