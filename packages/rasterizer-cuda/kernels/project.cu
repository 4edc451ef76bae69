// Projects Gaussians and counts the tiles of each.
//
// A thread is a Gaussian; blocks of 256. Writes the record (layout.cuh) of visible ones, and of all: the radius, the
// number of tiles, the sort key (bits of the depth, behind all others where culled) and its index. The totals go to
// Counters by one atomic a block; they are integers, so the result is always the same.
// Floor: 56 bytes read and 64 written a Gaussian, 0.05 ms a million at 2.5 TB/s; about 350 operations, 30 of them double.
#include "extent.cuh"
#include "projection.cuh"

constexpr uint32_t BLOCK = 256;
/// Registers are left for this many blocks a multiprocessor: 1536 threads, on Turing the 1024 that it has.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr int BLOCKS = 4;
#else
constexpr int BLOCKS = 6;
#endif

namespace {

/// Whether the square of half side `radius` around (u, v) meets a tile of the image.
__device__ __forceinline__ bool meetsImage(double u, double v, double radius, int width, int height) {
  return u + radius + 15.0 >= 16.0 && v + radius + 15.0 >= 16.0 && floor((u - radius) * 0.0625) * 16.0 < width &&
      floor((v - radius) * 0.0625) * 16.0 < height;
}

/// Whether [middle - half, middle + half] has a pixel centre of an image side.
__device__ __forceinline__ bool holdsPixel(double middle, double half, int size) {
  return fmax(0.0, ceil(middle - half)) <= fmin(size - 1.0, floor(middle + half));
}

/// Number of tiles; writes the record and the radius where there is one.
__device__ __forceinline__ uint32_t projectOne(
    const Parameters& camera, const float* means, const float* quats, const float* scales, float opacity,
    const float* colors, uint32_t index, float4* record, int* radius, uint32_t* key) {
  const bool usable =
      !isNonFinite(opacity) && !isNonFinite(colors[0]) && !isNonFinite(colors[1]) && !isNonFinite(colors[2]);
  const bool reaches = static_cast<double>(opacity) >= camera.alphaMin;
  if (!usable || !(camera.threeSigma || reaches)) return 0;
  Projection p;
  const float4 quat = loadConstant4(quats);
  if (!projectGaussian(camera, means[0], means[1], means[2], quat, scales[0], scales[1], scales[2], p)) return 0;
  const float half = 0.5f * (p.a - p.c);
  const float size = ceilf(3.0f * sqrtf(0.5f * (p.a + p.c) + sqrtf(fmaxf(0.1f, half * half + p.b * p.b))));
  if (!(size < 2147483648.0f)) return 0;
  if (camera.threeSigma) {
    if (!meetsImage(p.u, p.v, size, camera.width, camera.height)) return 0;
    *radius = static_cast<int>(size);
    if (!reaches) return 0;
  }
  const float level = log2f(opacity);
  const float reach = fmaxf(0.0f, level - camera.levelMin);
  if (!camera.threeSigma) {
    const float scale = reach / HALF_LOG2E;
    const bool inside = holdsPixel(p.u, sqrtf(scale * p.a), camera.width) &&
        holdsPixel(p.v, sqrtf(scale * p.c), camera.height);
    if (!inside) return 0;
    *radius = static_cast<int>(size);
  }
  const float3 l = falloffOf(p);
  const float depth = static_cast<float>(p.z);
  const float4 first = make_float4(static_cast<float>(p.u), static_cast<float>(p.v), l.x, l.y);
  const float4 second = make_float4(l.z, level, depth, 0.0f);
  const Footprint footprint = footprintOf(camera, first, second, static_cast<int>(size));
  const uint32_t tiles = countTiles(footprint, camera.width, camera.height);
  if (tiles == 0) return 0;
  record[0] = first;
  record[1] = second;
  record[2] = make_float4(colors[0], colors[1], colors[2], __uint_as_float(index));
  *key = __float_as_uint(depth);
  return tiles;
}

}  // namespace

/// means, scales, colors // [G, 3]; quats // [G, 4]; opacities // [G]; count // [1] or null; records // [G, 12];
/// radii, keys, indices, tiles // [G]; counters // zeros
extern "C" __global__ void __launch_bounds__(BLOCK, BLOCKS) project(
    const Parameters* __restrict__ camera, const float* __restrict__ means, const float* __restrict__ quats,
    const float* __restrict__ scales, const float* __restrict__ opacities, const float* __restrict__ colors,
    const uint32_t* __restrict__ count, uint32_t gaussians, float4* __restrict__ records, int* __restrict__ radii,
    uint32_t* __restrict__ keys, uint32_t* __restrict__ indices, uint32_t* __restrict__ tiles,
    Counters* __restrict__ counters) {
  __shared__ uint32_t pairSums[32];
  __shared__ uint32_t visibleSums[32];
  const uint32_t i = threadIndex();
  uint32_t found = 0;
  if (i < gaussians) {
    int radius = 0;
    uint32_t key = CULLED_KEY;
    if (i < countOf(count, gaussians)) {
      const size_t at = i;
      found = projectOne(
          *camera, means + 3 * at, quats + 4 * at, scales + 3 * at, opacities[i], colors + 3 * at, i,
          records + RECORD_VECTORS * at, &radius, &key);
    }
    radii[i] = radius;
    keys[i] = key;
    indices[i] = i;
    tiles[i] = found;
  }
  const uint32_t pairs = blockSum(found, pairSums);
  const uint32_t visible = blockSum(found > 0 ? 1u : 0u, visibleSums);
  if (threadIdx.x == 0 && visible > 0) {
    atomicAdd(&counters->pairs, static_cast<unsigned long long>(pairs));
    atomicAdd(&counters->visible, visible);
  }
}
