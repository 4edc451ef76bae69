// Gradient sums of each Gaussian, splats back to front.
//
// A warp is a quarter of a tile in a chunk of its list, a lane two pixels (batch.cuh). Warps are independent: where a list
// goes on into the next chunk, T and what was blended so far come from the checkpoint that forward left there. Per pixel, T
// is restored by division and `behind` is the sum over what lies behind of weight (color . vImage + z vDepth), plus T_final
// (background . vImage - vAlpha), so that for a splat dL/dalpha = T (color . vImage + z vDepth) - behind / (1 - alpha). A
// lane adds up its two pixels; then 12 shuffles leave each of the ten sums over the warp in a lane of its own, and one
// instruction adds them to the Gaussian's 40 bytes: an atomic a quarter of a tile and Gaussian, not a pixel. A warp starts
// at the last splat that any of its pixels added.
// The order of these additions is not fixed: gradients repeat to rounding.
// Shared memory: 6.3 KiB. Floor: a quarter that a splat meets costs a warp about 145 instructions and two sectors of
// atomics; a million splats at 1352x1014, about 3 million quarters before tiles end: 0.5 ms on an H100.
#include "batch.cuh"

namespace {

/// Of the lists, or of all splats where those overflowed, what a block draws.
struct Piece {
  uint32_t tile, begin, end;
};

/// The first blocks have the chunks that a tile enters from the one before, the others each tile up to its first chunk's
/// end. Empty where there is nothing to draw.
__device__ __forceinline__ Piece pieceOf(
    uint32_t job, uint32_t chunks, const uint32_t* owners, const uint2* ranges, const Counters* counters,
    uint32_t capacity) {
  if (overflowed(counters, capacity)) return {job - chunks, 0, job < chunks ? 0 : counters->visible};
  const uint32_t tile = job < chunks ? owners[job] : job - chunks;
  if (tile == NO_TILE) return {tile, 0, 0};
  const uint2 range = ranges[tile];
  const uint32_t begin = job < chunks ? job * CHUNK : range.x;
  return {tile, begin, min(range.y, (begin / CHUNK + 1) * CHUNK)};
}

/// Gradients of the image with respect to a pixel, and what was blended there.
struct Images {
  const float* transmittances;
  const uint32_t* lasts;
  const float4* totals;
  const float* checkpoints;
  const float* vImage;
  const float* vAlphas;
  const float* vDepths;
};

struct Pixel {
  float T, behind, vRed, vGreen, vBlue, vDepth;
  /// Number of the last splat of the piece that was added, as in forward.
  uint32_t last;

  /// `end` is the number of the last splat that the piece can have; `next` where the checkpoint of the chunk behind lies.
  __device__ __forceinline__ void load(
      const Parameters& camera, int column, int row, const Images& images, uint32_t end, size_t next) {
    T = 1.0f;
    behind = vRed = vGreen = vBlue = vDepth = 0.0f;
    last = 0;
    if (column >= camera.width || row >= camera.height) return;
    const size_t at = static_cast<size_t>(row) * camera.width + column;
    T = images.transmittances[at];
    last = images.lasts[at];
    vRed = images.vImage[3 * at];
    vGreen = images.vImage[3 * at + 1];
    vBlue = images.vImage[3 * at + 2];
    vDepth = images.vDepths ? images.vDepths[at] : 0.0f;
    const float vA = images.vAlphas ? images.vAlphas[at] : 0.0f;
    behind = T *
        (vRed * camera.background[0] + vGreen * camera.background[1] + vBlue * camera.background[2] - vA);
    if (last <= end) return;
    last = end;
    const float* before = images.checkpoints + next;
    const float4 total = images.totals[at];
    T = before[0];
    behind = fmaf(vRed, total.x - before[CHECKPOINT_PIXELS], behind);
    behind = fmaf(vGreen, total.y - before[2 * CHECKPOINT_PIXELS], behind);
    behind = fmaf(vBlue, total.z - before[3 * CHECKPOINT_PIXELS], behind);
    behind = fmaf(vDepth, total.w - before[4 * CHECKPOINT_PIXELS], behind);
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

/// vImage // [H, W, 3]; vAlphas, vDepths // [H, W] or null; sums // [G, 12] zeros; owners // [chunks]; the rest as in
/// forward
extern "C" __global__ void __launch_bounds__(DRAW_BLOCK, 14) backward(
    const Parameters* __restrict__ parameters, const float4* __restrict__ records, const int* __restrict__ radii,
    const uint32_t* __restrict__ order, const uint2* __restrict__ ranges, const uint32_t* __restrict__ values,
    const uint8_t* __restrict__ quarters, const uint32_t* __restrict__ owners, uint32_t chunks, uint32_t capacity,
    const Counters* __restrict__ counters, const float* __restrict__ transmittances,
    const uint32_t* __restrict__ lasts, const float4* __restrict__ totals, const float* __restrict__ checkpoints,
    const float* __restrict__ vImage, const float* __restrict__ vAlphas, const float* __restrict__ vDepths,
    float* __restrict__ sums) {
  __shared__ Stage stages[WARPS];
  __shared__ uint32_t stagedIndices[WARPS][2][STEP];
  const Parameters& camera = *parameters;
  const Piece piece = pieceOf(blockIdx.x / HALVES, chunks, owners, ranges, counters, capacity);
  if (piece.begin >= piece.end) return;
  const Place place = placeOf(camera, piece.tile, blockIdx.x % HALVES);
  TileSplats splats = splatsOf(piece.tile, ranges, values, quarters, order, counters, capacity);
  const uint32_t origin = splats.begin & ~(STEP - 1);
  const uint32_t first = piece.begin & ~(STEP - 1);
  splats.end = piece.end;

  const uint32_t end = divideUp(piece.end, STEP) * STEP - origin;
  const uint32_t next = piece.end / CHUNK;
  const Images images = {transmittances, lasts, totals, checkpoints, vImage, vAlphas, vDepths};
  Pixel upper, lower;
  upper.load(camera, place.column, place.row, images, end, checkpointAt(next, place.quarter, 0));
  lower.load(camera, place.column, place.row + SECOND_ROW, images, end, checkpointAt(next, place.quarter, 1));
  uint32_t warpLast = max(upper.last, lower.last);
  #pragma unroll
  for (int step = 16; step > 0; step /= 2) warpLast = max(warpLast, __shfl_xor_sync(FULL_WARP, warpLast, step));
  if (warpLast <= first - origin) return;

  Stage& stage = stages[warpOfBlock()];
  uint32_t(&indices)[2][STEP] = stagedIndices[warpOfBlock()];
  const float x = static_cast<float>(place.column);
  const float y = static_cast<float>(place.row);
  const float alphaMax = camera.alphaMax;
  const float levelMin = camera.levelMin;
  const int sum = sumOfLane();

  // Steps are counted down to 0, that of `first`; before it there is nothing.
  const auto look = [&](int step) {
    return step < 0 ? Candidate{0, false}
                    : lookAt(camera, splats, place, records, radii, first + STEP * static_cast<uint32_t>(step));
  };
  int step = static_cast<int>((warpLast - 1 - (first - origin)) / STEP);
  Candidate candidate = look(step);
  unsigned meeting = __ballot_sync(FULL_WARP, candidate.meets);
  fetchStep(stage, 0, records, candidate, meeting);
  if (candidate.meets) indices[0][rankOf(meeting)] = candidate.index;
  candidate = look(step - 1);
  for (uint32_t buffer = 0; step >= 0; step--, buffer ^= 1u) {
    const unsigned meetingNext = __ballot_sync(FULL_WARP, candidate.meets);
    fetchStep(stage, buffer ^ 1u, records, candidate, meetingNext);
    if (candidate.meets) indices[buffer ^ 1u][rankOf(meetingNext)] = candidate.index;
    candidate = look(step - 2);
    __pipeline_wait_prior(1);
    __syncwarp();
    // Number of the splat before the step's first. Those behind warpLast were added by no pixel here.
    const uint32_t number = first - origin + STEP * static_cast<uint32_t>(step);
    const int count = min(__popc(meeting), static_cast<int>(warpLast - number));
    for (int j = count - 1; j >= 0; j--) {
      const float4 second = stage.records[buffer][1][j];
      const Reach reach = reachOf(stage.records[buffer][0][j], second, x, y);
      const bool inside = reach.level >= levelMin && number + j < upper.last;
      const bool insideLower = reach.levelLower >= levelMin && number + j < lower.last;
      if (!__any_sync(FULL_WARP, inside || insideLower)) continue;
      const float4 color = stage.records[buffer][2][j];
      float own[GRADIENT_SUMS] = {};
      upper.add(inside, alphaMax, reach.level, reach.t, reach.s, second.z, color, own);
      lower.add(insideLower, alphaMax, reach.levelLower, reach.tLower, reach.sLower, second.z, color, own);
      const float whole = foldSums(own);
      if (sum >= 0) atomicAdd(sums + GRADIENT_WORDS * static_cast<size_t>(indices[buffer][j]) + sum, whole);
    }
    __syncwarp();
    meeting = meetingNext;
  }
  __pipeline_wait_prior(0);
}
