// Blends the splats of each tile front to back.
//
// A warp is a quarter of a tile, a lane two pixels (batch.cuh); what is blended stays in registers. A warp stops when
// its pixels are finished. Deterministic. `forward` writes all that a backward pass and its callers want, `draw` the
// image alone, which has the same bytes. Pixels are blended without branches: their chains of exp2 and T overlap.
// Shared memory: 6 KiB. Floor: a quarter that a splat meets costs a warp about 50 instructions, of which 12 are FMAs a
// pixel; 48 bytes a quarter come from L2 and 28 bytes a pixel go out. A million splats at 1352x1014 have about 3 million
// such quarters before tiles end: 0.15 ms at one instruction a cycle and scheduler of an H100.
#include "batch.cuh"

namespace {

/// WHOLE: also depth, and where the last splat was.
template <bool WHOLE>
struct Pixel {
  float T = 1.0f, red = 0.0f, green = 0.0f, blue = 0.0f, depth = 0.0f;
  /// Splats with a lower level are skipped: all of them once the pixel is finished.
  float levelMin;
  /// Number (see `blendTile`) of the last splat that was added, 0 of none.
  uint32_t last = 0;

  __device__ __forceinline__ void blend(
      float alphaMax, float transmittanceMin, float level, float splatDepth, float4 color, uint32_t number) {
    const bool inside = level >= levelMin;
    const float alpha = fminf(alphaMax, exp2Fast(level));
    const float weight = alpha * T;
    const float rest = fmaf(-alpha, T, T);
    const bool added = inside && rest >= transmittanceMin;
    levelMin = inside && !added ? INFINITY : levelMin;
    T = added ? rest : T;
    const float share = added ? weight : 0.0f;
    red = fmaf(share, color.x, red);
    green = fmaf(share, color.y, green);
    blue = fmaf(share, color.z, blue);
    if constexpr (WHOLE) {
      depth = fmaf(share, splatDepth, depth);
      last = added ? number : last;
    }
  }

  __device__ __forceinline__ bool finished() const { return levelMin == INFINITY; }

  __device__ __forceinline__ void save(float* checkpoint) const {
    checkpoint[0] = T;
    checkpoint[CHECKPOINT_PIXELS] = red;
    checkpoint[2 * CHECKPOINT_PIXELS] = green;
    checkpoint[3 * CHECKPOINT_PIXELS] = blue;
    checkpoint[4 * CHECKPOINT_PIXELS] = depth;
  }
};

/// What `forward` leaves besides the image.
struct Saved {
  float* alphas;
  float* depths;
  float* transmittances;
  uint32_t* lasts;
  float4* totals;
  float* checkpoints;
};

/// A splat's number is one more than where it would be if every step had 32 splats that meet the quarter: it grows along
/// the list, and backward finds the same. `saved` is looked at where WHOLE says so.
template <bool WHOLE>
__device__ __forceinline__ void blendTile(
    Stage& stage, const Parameters* parameters, const float4* records, const int* radii, const uint32_t* order,
    const uint2* ranges, const uint32_t* values, uint32_t capacity, const Counters* counters, float* image,
    const Saved& saved) {
  const Parameters& camera = *parameters;
  const uint32_t tile = blockIdx.x / HALVES;
  const Place place = placeOf(camera, tile, blockIdx.x % HALVES);
  const TileSplats splats = splatsOf(tile, ranges, values, order, counters, capacity);
  const bool crosses = WHOLE && crossesChunk(splats);
  const float x = static_cast<float>(place.column);
  const float y = static_cast<float>(place.row);
  const float alphaMax = camera.alphaMax;
  const float transmittanceMin = camera.transmittanceMin;
  Pixel<WHOLE> upper, lower;
  upper.levelMin = place.column < camera.width && place.row < camera.height ? camera.levelMin : INFINITY;
  lower.levelMin = place.column < camera.width && place.row + SECOND_ROW < camera.height ? camera.levelMin : INFINITY;

  const uint32_t origin = splats.begin & ~(STEP - 1);
  // Looks at a step, fetches the one before and draws the one before that; the first two have nothing to draw.
  Candidate candidate = {0, false};
  unsigned meeting = 0;
  uint32_t buffer = 0;
  for (uint32_t ahead = origin; ahead < splats.end + 2 * STEP; ahead += STEP, buffer ^= 1u) {
    if (__all_sync(FULL_WARP, upper.finished() && lower.finished())) break;
    const unsigned meetingNext = __ballot_sync(FULL_WARP, candidate.meets);
    fetchStep(stage, buffer ^ 1u, records, candidate, meetingNext);
    candidate = lookAt(camera, splats, place, records, radii, ahead);
    const uint32_t step = ahead - 2 * STEP;
    if constexpr (WHOLE) {
      if (crosses && step % CHUNK == 0 && step > splats.begin) {
        upper.save(saved.checkpoints + checkpointAt(step / CHUNK, place.quarter, 0));
        lower.save(saved.checkpoints + checkpointAt(step / CHUNK, place.quarter, 1));
      }
    }
    __pipeline_wait_prior(1);
    __syncwarp();
    const uint32_t count = __popc(meeting);
    const uint32_t number = step - origin + 1;
    #pragma unroll 2
    for (uint32_t j = 0; j < count; j++) {
      const float4 second = stage.records[buffer][1][j];
      const Reach reach = reachOf(stage.records[buffer][0][j], second, x, y);
      const float4 color = stage.records[buffer][2][j];
      upper.blend(alphaMax, transmittanceMin, reach.level, second.z, color, number + j);
      lower.blend(alphaMax, transmittanceMin, reach.levelLower, second.z, color, number + j);
    }
    __syncwarp();
    meeting = meetingNext;
  }
  __pipeline_wait_prior(0);

  #pragma unroll
  for (int k = 0; k < 2; k++) {
    const Pixel<WHOLE>& pixel = k == 0 ? upper : lower;
    const int row = place.row + SECOND_ROW * k;
    if (place.column >= camera.width || row >= camera.height) continue;
    const size_t at = static_cast<size_t>(row) * camera.width + place.column;
    image[3 * at] = fmaf(pixel.T, camera.background[0], pixel.red);
    image[3 * at + 1] = fmaf(pixel.T, camera.background[1], pixel.green);
    image[3 * at + 2] = fmaf(pixel.T, camera.background[2], pixel.blue);
    if constexpr (WHOLE) {
      saved.alphas[at] = 1.0f - pixel.T;
      saved.depths[at] = pixel.depth;
      saved.transmittances[at] = pixel.T;
      saved.lasts[at] = pixel.last;
      if (crosses) saved.totals[at] = make_float4(pixel.red, pixel.green, pixel.blue, pixel.depth);
    }
  }
}

}  // namespace

/// records // [G, 12]; radii, order // [G]; ranges // [tiles, 2]; values // [capacity]; image // [H, W, 3]; alphas,
/// depths, transmittances, lasts // [H, W]; totals // [H, W, 4] of tiles that cross a chunk;
/// checkpoints // [chunks, 5, 256]
extern "C" __global__ void __launch_bounds__(DRAW_BLOCK, 16) forward(
    const Parameters* __restrict__ parameters, const float4* __restrict__ records, const int* __restrict__ radii,
    const uint32_t* __restrict__ order, const uint2* __restrict__ ranges, const uint32_t* __restrict__ values,
    uint32_t capacity, const Counters* __restrict__ counters, float* __restrict__ image, float* __restrict__ alphas,
    float* __restrict__ depths, float* __restrict__ transmittances, uint32_t* __restrict__ lasts,
    float4* __restrict__ totals, float* __restrict__ checkpoints) {
  __shared__ Stage stages[WARPS];
  blendTile<true>(
      stages[warpOfBlock()], parameters, records, radii, order, ranges, values, capacity, counters, image,
      {alphas, depths, transmittances, lasts, totals, checkpoints});
}

/// As `forward`.
extern "C" __global__ void __launch_bounds__(DRAW_BLOCK, 16) draw(
    const Parameters* __restrict__ parameters, const float4* __restrict__ records, const int* __restrict__ radii,
    const uint32_t* __restrict__ order, const uint2* __restrict__ ranges, const uint32_t* __restrict__ values,
    uint32_t capacity, const Counters* __restrict__ counters, float* __restrict__ image) {
  __shared__ Stage stages[WARPS];
  blendTile<false>(
      stages[warpOfBlock()], parameters, records, radii, order, ranges, values, capacity, counters, image, {});
}
