// Gradient sums of each Gaussian, splats back to front.
//
// A warp is a quarter of a tile in a chunk of its list, a lane two pixels (batch.cuh). Warps are independent: where a
// list goes on into the next chunk, T and what was blended so far come from the checkpoint that forward left there. Per
// pixel, T is restored by division and `behind` is the sum over what lies behind of weight (color . vImage + z vDepth),
// plus T_final (background . vImage - vAlpha), so that for a splat dL/dalpha = T (color . vImage + z vDepth) -
// behind / (1 - alpha). A warp adds up its 64 pixels for three splats at a time, then one instruction adds ten sums to
// 40 bytes of each Gaussian: an atomic a quarter of a tile and Gaussian, not a pixel. A warp starts at the last splat
// that any of its pixels added. The order of these additions is not fixed: gradients repeat to rounding.
// Shared memory: 14.5 KiB. Floor: a quarter that a splat meets costs a warp about 110 instructions and two sectors of
// atomics; a million splats at 1352x1014, about 3 million quarters before tiles end: 0.36 ms on an H100.
#include "batch.cuh"

namespace {

/// Of the lists, or of all splats where those overflowed, what a block draws.
struct Piece {
  uint32_t tile, begin, end;
};

/// The first blocks have the chunks that a tile enters from the one before, the others each tile up to the end of its
/// first chunk. Empty where there is nothing to draw.
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

  /// `end` is the number of the last splat that the piece can have; `next` where the checkpoint at its end lies.
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

  /// What this pixel gives to the sums of a splat: w and the weight of its colour.
  __device__ __forceinline__ float2 pass(bool inside, float alphaMax, float level, float depth, float4 color) {
    const float full = exp2Fast(level);
    const float alpha = inside ? fminf(alphaMax, full) : 0.0f;
    const float inverse = reciprocalFast(1.0f - alpha);
    T *= inverse;
    const float weight = alpha * T;
    const float value = fmaf(color.x, vRed, fmaf(color.y, vGreen, fmaf(color.z, vBlue, depth * vDepth)));
    const float vAlpha = fmaf(T, value, -behind * inverse);
    behind = fmaf(weight, value, behind);
    return make_float2(full <= alphaMax ? vAlpha * alpha : 0.0f, weight);
  }
};

/// Sums over the warp of the ten values of SPLATS splats at once: lanes put theirs into rows, then each lane adds up
/// one row. Rows are 36 floats apart, so that neither way has two lanes at a bank.
constexpr uint32_t SPLATS = 3;
constexpr uint32_t ROW = 36;

struct alignas(16) Rows {
  float values[SPLATS * GRADIENT_SUMS][ROW];
};

struct Sums {
  Rows& rows;
  float* sums;
  /// This lane adds up value `value` of the splat that comes `turn`-th.
  uint32_t turn, value;
  uint32_t filled = 0;
  /// The Gaussian of this lane's row.
  uint32_t index = 0;

  __device__ __forceinline__ Sums(Rows& rows, float* sums)
      : rows(rows), sums(sums), turn(lane() / GRADIENT_SUMS), value(lane() % GRADIENT_SUMS) {}

  __device__ __forceinline__ void put(uint32_t gaussian, const float own[GRADIENT_SUMS]) {
    #pragma unroll
    for (uint32_t k = 0; k < GRADIENT_SUMS; k++) rows.values[GRADIENT_SUMS * filled + k][lane()] = own[k];
    index = turn == filled ? gaussian : index;
    if (++filled == SPLATS) flush();
  }

  __device__ __forceinline__ void flush() {
    __syncwarp();
    if (turn < filled) {
      const float4* row = reinterpret_cast<const float4*>(rows.values[lane()]);
      float4 sum = row[0];
      #pragma unroll
      for (int k = 1; k < 8; k++) {
        const float4 more = row[k];
        sum = make_float4(sum.x + more.x, sum.y + more.y, sum.z + more.z, sum.w + more.w);
      }
      atomicAdd(sums + GRADIENT_WORDS * static_cast<size_t>(index) + value, (sum.x + sum.y) + (sum.z + sum.w));
    }
    filled = 0;
    __syncwarp();
  }
};

}  // namespace

/// vImage // [H, W, 3]; vAlphas, vDepths // [H, W] or null; sums // [G, 12] zeros; owners // [chunks]; the rest as in
/// forward
extern "C" __global__ void __launch_bounds__(DRAW_BLOCK, 14) backward(
    const Parameters* __restrict__ parameters, const float4* __restrict__ records, const int* __restrict__ radii,
    const uint32_t* __restrict__ order, const uint2* __restrict__ ranges, const uint32_t* __restrict__ values,
    const uint32_t* __restrict__ owners, uint32_t chunks, uint32_t capacity, const Counters* __restrict__ counters,
    const float* __restrict__ transmittances, const uint32_t* __restrict__ lasts, const float4* __restrict__ totals,
    const float* __restrict__ checkpoints, const float* __restrict__ vImage, const float* __restrict__ vAlphas,
    const float* __restrict__ vDepths, float* __restrict__ sums) {
  __shared__ Stage stages[WARPS];
  __shared__ Rows rows[WARPS];
  const Parameters& camera = *parameters;
  const Piece piece = pieceOf(blockIdx.x / HALVES, chunks, owners, ranges, counters, capacity);
  if (piece.begin >= piece.end) return;
  const Place place = placeOf(camera, piece.tile, blockIdx.x % HALVES);
  TileSplats splats = splatsOf(piece.tile, ranges, values, order, counters, capacity);
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
  const float x = static_cast<float>(place.column);
  const float y = static_cast<float>(place.row);
  const float alphaMax = camera.alphaMax;
  const float levelMin = camera.levelMin;
  Sums added(rows[warpOfBlock()], sums);

  // Looks at a step, fetches the one behind and draws the one behind that; the first two have nothing to draw. Steps
  // are counted from `first`, before which there is nothing.
  Candidate candidate = {0, false};
  unsigned meeting = 0;
  uint32_t buffer = 0;
  for (int ahead = static_cast<int>((warpLast - 1 - (first - origin)) / STEP); ahead > -3; ahead--, buffer ^= 1u) {
    const unsigned meetingNext = __ballot_sync(FULL_WARP, candidate.meets);
    fetchStep(stage, buffer ^ 1u, records, candidate, meetingNext);
    const uint32_t looked = first + STEP * static_cast<uint32_t>(ahead);
    candidate = {0, false};
    if (ahead >= 0) candidate = lookAt(camera, splats, place, records, radii, looked);
    __pipeline_wait_prior(1);
    __syncwarp();
    // Number of the splat before the step's first. Those behind warpLast were added by no pixel here.
    const uint32_t number = first - origin + STEP * static_cast<uint32_t>(ahead + 2);
    const int count = min(__popc(meeting), static_cast<int>(warpLast - number));
    for (int j = count - 1; j >= 0; j--) {
      const float4 second = stage.records[buffer][1][j];
      const Reach reach = reachOf(stage.records[buffer][0][j], second, x, y);
      const bool inside = reach.level >= levelMin && number + j < upper.last;
      const bool insideLower = reach.levelLower >= levelMin && number + j < lower.last;
      if (!__any_sync(FULL_WARP, inside || insideLower)) continue;
      const float4 color = stage.records[buffer][2][j];
      const float2 u = upper.pass(inside, alphaMax, reach.level, second.z, color);
      const float2 l = lower.pass(insideLower, alphaMax, reach.levelLower, second.z, color);
      const float ut = u.x * reach.t, us = u.x * reach.s;
      const float lt = l.x * reach.tLower, ls = l.x * reach.sLower;
      const float own[GRADIENT_SUMS] = {
          u.x + l.x,
          ut + lt,
          us + ls,
          fmaf(lt, reach.tLower, ut * reach.t),
          fmaf(lt, reach.sLower, ut * reach.s),
          fmaf(ls, reach.sLower, us * reach.s),
          fmaf(l.y, lower.vRed, u.y * upper.vRed),
          fmaf(l.y, lower.vGreen, u.y * upper.vGreen),
          fmaf(l.y, lower.vBlue, u.y * upper.vBlue),
          fmaf(l.y, lower.vDepth, u.y * upper.vDepth)};
      added.put(__float_as_uint(color.w), own);
    }
    __syncwarp();
    meeting = meetingNext;
  }
  added.flush();
  __pipeline_wait_prior(0);
}
