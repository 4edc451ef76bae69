// PatchMatch with slanted planes: the cost of given planes, random planes, planes of a coarser level, and a sweep.
//
// A thread is a pixel of the reference (in a sweep, of one colour of the checkerboard); blocks are tiles of 16 x 8 threads,
// so that neighbouring threads read neighbouring texels. planes // [H, W, 4] inverse depth at the pixel's centre, its
// change per pixel to the right and downwards, cost. chosen // [H, W] one bit a source that counts at the pixel; a pixel
// without any is left out. A sweep reads the pixels of the other colour only, and random numbers depend on seed and pixel
// alone: equal bytes every time.
// Limits: 32 sources, 2^23 pixels a view, patches of up to 64 samples (groups <= 16).
#include "patch.cuh"

/// Of a pixel that is left out.
constexpr float NONE = 3.0f;
/// Slants beyond 81 degrees to the viewing ray are no surfaces that a patch could show.
constexpr float MIN_COSINE_SQUARED = 0.0225f;
constexpr int THREADS = 128;

/// What a search has found at a pixel, and what it needs to judge another plane.
struct Search {
  const Patch& patch;
  const float* __restrict__ matrices;
  const int* __restrict__ frames;
  int sources, best;
  float fx, fy, cx, cy, farthest, nearest;
  float px = 0, py = 0;
  /// The best plane of the pixel so far: rho, gx, gy, cost.
  float4 found = {0, 0, 0, WORST};

  /// Mean of the costs of the `best` sources that match best; each cost also goes to `costs` if that is given. Without
  /// it, it may stop, with WORST, as soon as perfect matches with all sources that are left would not make the plane better.
  __device__ __forceinline__ float planeCost(float rho, float gx, float gy, uint32_t chosen, float* costs) const {
    int left = __popc(chosen);
    const float limit = found.w * float(best);
    float a = WORST, b = WORST, c = WORST, d = WORST;
    for (int s = 0; s < sources; s++) {
      if (((chosen >> s) & 1u) == 0) continue;
      const float cost = patch.cost(matrices + 12 * s, frames + 3 * s, px, py, rho, gx, gy);
      if (costs) costs[s] = cost;
      if (cost < a) {
        d = c;
        c = b;
        b = a;
        a = cost;
      } else if (cost < b) {
        d = c;
        c = b;
        b = cost;
      } else if (cost < c) {
        d = c;
        c = cost;
      } else if (cost < d) {
        d = cost;
      }
      left--;
      if (left >= best || costs) continue;
      float bound = a;
      if (best - left > 1) bound += b;
      if (best - left > 2) bound += c;
      if (bound >= limit) return WORST;
    }
    if (best == 1) return a;
    if (best == 2) return (a + b) * 0.5f;
    if (best == 3) return (a + b + c) * (1.0f / 3.0f);
    return (a + b + c + d) * 0.25f;
  }

  /// Whether a plane is in the range of depths and not seen too much from its side.
  __device__ __forceinline__ bool isPossible(float rho, float gx, float gy) const {
    if (!(rho >= farthest && rho <= nearest)) return false;
    const float rx = (px + 0.5f - cx) / fx, ry = (py + 0.5f - cy) / fy;
    const float mx = gx * fx, my = gy * fy;
    const float mz = rho - mx * rx - my * ry;
    return rho * rho >= MIN_COSINE_SQUARED * (mx * mx + my * my + mz * mz) * (rx * rx + ry * ry + 1.0f);
  }

  /// Takes the plane if it is better; true if so.
  __device__ __forceinline__ bool consider(float rho, float gx, float gy, uint32_t chosen, float* costs = nullptr) {
    if (!isPossible(rho, gx, gy)) return false;
    const float cost = planeCost(rho, gx, gy, chosen, costs);
    if (!(cost < found.w)) return false;
    found = make_float4(rho, gx, gy, cost);
    return true;
  }

  /// The plane at inverse depth rho whose normal is that of (rx + a, ry + b, 1): a and b are 0 where it faces the camera.
  __device__ __forceinline__ void considerSlant(float rho, float a, float b, uint32_t chosen) {
    const float rx = (px + 0.5f - cx) / fx, ry = (py + 0.5f - cy) / fy;
    const float nx = rx + a, ny = ry + b;
    const float scale = rho / (nx * rx + ny * ry + 1.0f);
    consider(rho, nx * scale / fx, ny * scale / fy, chosen);
  }
};

/// [-1, 1) to (-4, 4), dense in the middle: slants up to 76 degrees.
__device__ __forceinline__ float slantOf(float u) { return u / (1.0f - 0.75f * fabsf(u)); }

/// costs // [S, H, W] of every source for the first three numbers of planes.
extern "C" __global__ void __launch_bounds__(THREADS) matchCosts(
    const float* __restrict__ planes, float* __restrict__ costs, const uint32_t* __restrict__ quads,
    const float* __restrict__ matrices, const int* __restrict__ frames, const float* __restrict__ pattern, int first,
    int width, int height, int sources, int groups, float reach, float falloff, float minVariance) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  Patch patch(quads, pattern, first, width, height, groups, reach, falloff, minVariance);
  const int pixel = y * width + x;
  const float4 plane = load4(planes + 4 * size_t(pixel));
  const bool isContrast = patch.load(x, y);
  for (int s = 0; s < sources; s++) {
    const float cost = isContrast
        ? patch.cost(matrices + 12 * s, frames + 3 * s, float(x), float(y), plane.x, plane.y, plane.z)
        : WORST;
    costs[size_t(s) * width * height + pixel] = cost;
  }
}

/// The best of `tries` random planes a pixel, evenly over the range of inverse depth.
extern "C" __global__ void __launch_bounds__(THREADS) seedPlanes(
    float* __restrict__ planes, const uint32_t* __restrict__ chosen, const uint32_t* __restrict__ quads,
    const float* __restrict__ matrices, const int* __restrict__ frames, const float* __restrict__ pattern, int base,
    int first, int width, int height, int sources, int best, int groups, float reach, float falloff, float minVariance,
    float fx, float fy, float cx, float cy, float farthest, float nearest, uint32_t seed, int tries) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  Patch patch(quads, pattern, first, width, height, groups, reach, falloff, minVariance);
  const int pixel = y * width + x;
  const uint32_t which = chosen[pixel];
  Search search = {patch, matrices, frames, sources, best, fx, fy, cx, cy, farthest, nearest, float(x), float(y)};
  search.found = make_float4(0.5f * (nearest + farthest), 0, 0, which == 0 ? NONE : WORST);
  if (which != 0 && patch.load(x, y)) {
    const float step = (nearest - farthest) / float(tries);
    Stream stream(seed, pixel);
    for (int i = 0; i < tries; i++) {
      const float rho = farthest + step * (float(i) + 0.5f + 0.5f * stream.next());
      const float a = slantOf(stream.next());
      const float b = slantOf(stream.next());
      search.considerSlant(rho, a, b, which);
    }
  }
  store4(planes + 4 * size_t(base + pixel), search.found);
}

/// The `keep` sources of `which` with the least costs; of equal ones the first.
__device__ __forceinline__ uint32_t bestOf(const float* costs, int sources, uint32_t which, int keep) {
  uint32_t result = 0;
  for (int i = 0; i < keep; i++) {
    float least = INFINITY;
    int winner = -1;
    for (int s = 0; s < sources; s++) {
      if ((((which & ~result) >> s) & 1u) == 0) continue;
      if (costs[s] < least) {
        least = costs[s];
        winner = s;
      }
    }
    if (winner < 0) break;
    result |= 1u << winner;
  }
  return result;
}

/// The pixel of the coarser level around (x, y): i = 0 the one that it lies in, then those across its nearer borders.
__device__ __forceinline__ int2 aroundOf(int i, int x, int y, int width, int height) {
  const int u = (x >> 1) + ((i & 1) != 0 ? 2 * (x & 1) - 1 : 0), v = (y >> 1) + ((i & 2) != 0 ? 2 * (y & 1) - 1 : 0);
  return make_int2(min(max(u, 0), width - 1), min(max(v, 0), height - 1));
}

/// Planes of a level of half the size, of the four pixels around; then only the `keep` sources that match best count.
/// coarse // [h, w, 4] from coarseFirst on; the pixel (x, y) here lies in (x / 2, y / 2) there.
extern "C" __global__ void __launch_bounds__(THREADS) liftPlanes(
    const float* __restrict__ coarse, float* __restrict__ planes, uint32_t* __restrict__ chosen,
    const uint32_t* __restrict__ quads, const float* __restrict__ matrices, const int* __restrict__ frames,
    const float* __restrict__ pattern, int coarseFirst, int coarseWidth, int coarseHeight, int base, int first,
    int width, int height, int sources, int best, int groups, float reach, float falloff, float minVariance, float fx,
    float fy, float cx, float cy, float farthest, float nearest, int keep) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  Patch patch(quads, pattern, first, width, height, groups, reach, falloff, minVariance);
  const int pixel = y * width + x;
  uint32_t which = chosen[pixel];
  Search search = {patch, matrices, frames, sources, best, fx, fy, cx, cy, farthest, nearest, float(x), float(y)};
  search.found = make_float4(0.5f * (nearest + farthest), 0, 0, which == 0 ? NONE : WORST);
  if (which != 0 && patch.load(x, y)) {
    int start = 0;
    float least = WORST;
    for (int i = 0; i < 4; i++) {
      const int2 there = aroundOf(i, x, y, coarseWidth, coarseHeight);
      const float cost = coarse[4 * size_t(coarseFirst + there.y * coarseWidth + there.x) + 3];
      if (!(cost < least)) continue;
      least = cost;
      start = i;
    }
    // The plane that fitted best there is tried with all sources and tells which of them count.
    float costs[32];
    bool isTold = false;
    for (int k = 0; k < 4; k++) {
      const int2 there = aroundOf((start + k) & 3, x, y, coarseWidth, coarseHeight);
      const float4 plane = load4(coarse + 4 * size_t(coarseFirst + there.y * coarseWidth + there.x));
      if (!(plane.w < WORST)) continue;
      const float gx = 0.5f * plane.y, gy = 0.5f * plane.z;
      const float dx = float(x - 2 * there.x) - 0.5f, dy = float(y - 2 * there.y) - 0.5f;
      const bool isTaken = search.consider(plane.x + gx * dx + gy * dy, gx, gy, which, isTold ? nullptr : costs);
      if (!isTaken || isTold) continue;
      which = bestOf(costs, sources, which, keep);
      chosen[pixel] = which;
      isTold = true;
    }
  }
  store4(planes + 4 * size_t(base + pixel), search.found);
}

/// Regions 0 to 3: odd distances to the left, right, up, down. 4 to 7: a few pixels of each quadrant.
__device__ __forceinline__ int2 stepOf(int region, int i) {
  if (region >= 4) {
    const int u = (i & 1) + 1 + (i >> 1), v = 2 - (i & 1) + (i >> 1);
    return make_int2((region & 1) != 0 ? u : -u, (region & 2) != 0 ? v : -v);
  }
  const int far = (region & 1) != 0 ? 1 + 2 * i : -1 - 2 * i;
  return region < 2 ? make_int2(far, 0) : make_int2(0, far);
}

/// Takes better planes from pixels around, eight regions that reach `far` steps out or the four nearest pixels (far = 0),
/// then tries the best with another depth (by up to depthScale), another slant (by up to slantScale) and both, and
/// `randoms` random planes. Grid: half as wide as the picture.
extern "C" __global__ void __launch_bounds__(THREADS) sweepPlanes(
    float* __restrict__ planes, const uint32_t* __restrict__ chosen, const uint32_t* __restrict__ quads,
    const float* __restrict__ matrices, const int* __restrict__ frames, const float* __restrict__ pattern, int base,
    int first, int width, int height, int sources, int best, int groups, float reach, float falloff, float minVariance,
    float fx, float fy, float cx, float cy, float farthest, float nearest, uint32_t seed, int colour, int far,
    float depthScale, float slantScale, int randoms) {
  const int y = blockIdx.y * blockDim.y + threadIdx.y;
  const int x = 2 * (blockIdx.x * blockDim.x + threadIdx.x) + ((y + colour) & 1);
  if (x >= width || y >= height) return;
  const int pixel = y * width + x;
  const uint32_t which = chosen[pixel];
  if (which == 0) return;
  Patch patch(quads, pattern, first, width, height, groups, reach, falloff, minVariance);
  if (!patch.load(x, y)) return;
  planes += 4 * size_t(base);
  Search search = {patch, matrices, frames, sources, best, fx, fy, cx, cy, farthest, nearest, float(x), float(y)};
  search.found = load4(planes + 4 * size_t(pixel));

  const int regions = far > 0 ? 8 : 4;
  for (int region = 0; region < regions; region++) {
    float least = WORST;
    int2 step = make_int2(0, 0);
    const int steps = region < 4 ? max(far, 1) : 4;
    for (int i = 0; i < steps; i++) {
      const int2 one = stepOf(region, i);
      if (x + one.x < 0 || x + one.x >= width || y + one.y < 0 || y + one.y >= height) continue;
      const float cost = planes[4 * size_t(pixel + one.y * width + one.x) + 3];
      if (!(cost < least)) continue;
      least = cost;
      step = one;
    }
    if (step.x == 0 && step.y == 0) continue;
    const float4 other = load4(planes + 4 * size_t(pixel + step.y * width + step.x));
    search.consider(other.x - other.y * float(step.x) - other.z * float(step.y), other.y, other.z, which);
  }

  Stream stream(seed, pixel);
  for (int i = 0; i < 3; i++) {
    // Always three numbers, so that the next ones do not depend on what was used.
    const float depthStep = depthScale * stream.next();
    const float stepX = slantScale * stream.next();
    const float stepY = slantScale * stream.next();
    const float depth = i == 1 ? 0 : depthStep;
    const float slantX = i == 0 ? 0 : stepX;
    const float slantY = i == 0 ? 0 : stepY;
    const float rx = (search.px + 0.5f - cx) / fx, ry = (search.py + 0.5f - cy) / fy;
    const float mx = search.found.y * fx, my = search.found.z * fy;
    const float mz = search.found.x - mx * rx - my * ry;
    const float rho = search.found.x + depth;
    // A normal that points sideways has no such slants: only its depth changes.
    if (mz > 1e-3f * search.found.x) {
      search.considerSlant(rho, mx / mz - rx + slantX, my / mz - ry + slantY, which);
    } else {
      const float scale = rho / search.found.x;
      search.consider(rho, search.found.y * scale, search.found.z * scale, which);
    }
  }
  for (int i = 0; i < randoms; i++) {
    const float rho = farthest + (nearest - farthest) * (0.5f + 0.5f * stream.next());
    const float a = slantOf(stream.next());
    const float b = slantOf(stream.next());
    search.considerSlant(rho, a, b, which);
  }
  store4(planes + 4 * size_t(pixel), search.found);
}
