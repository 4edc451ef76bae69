// Rows for the field and for the decoders, gathered by the list of visible anchors, and the way back.
//
// fieldPoints: a thread has a row. The others: a warp has a row and strides over it in elements of 4 or 16 bytes (suffix
// 4, for widths that are multiples of four; widths are given in elements). Every visible anchor occurs once in the list,
// so that the way back adds to rows of the anchors without conflicts. Rows behind count[0] are left alone.
// Floor: bytes only, each value read once and written once.
#include "common.cuh"

namespace {

__device__ float plus(float a, float b) { return a + b; }
__device__ float4 plus(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }

/** combined[row] = [fixed[indices[row]] ; dynamic[row]] */
template <class T>
__device__ void concatenate(
    const uint32_t* count, uint32_t rows, const uint32_t* indices, const T* fixed, const T* dynamic, T* combined,
    uint32_t cs, uint32_t cd) {
  const uint32_t row = warpIndex();
  if (row >= countOf(count, rows)) return;
  const T* first = fixed + static_cast<size_t>(indices[row]) * cs;
  const T* second = dynamic + static_cast<size_t>(row) * cd;
  T* to = combined + static_cast<size_t>(row) * (cs + cd);
  for (uint32_t i = lane(); i < cs; i += 32) to[i] = first[i];
  for (uint32_t i = lane(); i < cd; i += 32) to[cs + i] = second[i];
}

/** vDynamic[row] = vCombined[row][cs ..]; vFixed[indices[row]] += vCombined[row][.. cs], unless vFixed is null. */
template <class T>
__device__ void concatenateBackward(
    const uint32_t* count, uint32_t rows, const uint32_t* indices, const T* vCombined, T* vFixed, T* vDynamic,
    uint32_t cs, uint32_t cd) {
  const uint32_t row = warpIndex();
  if (row >= countOf(count, rows)) return;
  const T* from = vCombined + static_cast<size_t>(row) * (cs + cd);
  if (vFixed) {
    T* first = vFixed + static_cast<size_t>(indices[row]) * cs;
    for (uint32_t i = lane(); i < cs; i += 32) first[i] = plus(first[i], from[i]);
  }
  T* second = vDynamic + static_cast<size_t>(row) * cd;
  for (uint32_t i = lane(); i < cd; i += 32) second[i] = from[cs + i];
}

/** combined[row] = fixed[indices[row]] + dynamic[row] */
template <class T>
__device__ void add(
    const uint32_t* count, uint32_t rows, const uint32_t* indices, const T* fixed, const T* dynamic, T* combined,
    uint32_t width) {
  const uint32_t row = warpIndex();
  if (row >= countOf(count, rows)) return;
  const T* first = fixed + static_cast<size_t>(indices[row]) * width;
  const size_t start = static_cast<size_t>(row) * width;
  for (uint32_t i = lane(); i < width; i += 32) combined[start + i] = plus(dynamic[start + i], first[i]);
}

/** vDynamic[row] = vCombined[row]; vFixed[indices[row]] += vCombined[row], unless vFixed is null. */
template <class T>
__device__ void addBackward(
    const uint32_t* count, uint32_t rows, const uint32_t* indices, const T* vCombined, T* vFixed, T* vDynamic,
    uint32_t width) {
  const uint32_t row = warpIndex();
  if (row >= countOf(count, rows)) return;
  T* first = vFixed ? vFixed + static_cast<size_t>(indices[row]) * width : nullptr;
  const size_t start = static_cast<size_t>(row) * width;
  for (uint32_t i = lane(); i < width; i += 32) {
    const T v = vCombined[start + i];
    if (first) first[i] = plus(first[i], v);
    vDynamic[start + i] = v;
  }
}

}  // namespace

/** points[row] = ((a - min) / (max - min), time); 0 along an axis without extent. */
extern "C" __global__ void __launch_bounds__(256) fieldPoints(
    const uint32_t* __restrict__ count, uint32_t rows, const uint32_t* __restrict__ indices,
    const float* __restrict__ positions, float* __restrict__ points, float minX, float minY, float minZ, float maxX,
    float maxY, float maxZ, const float* __restrict__ timeOnDevice, float timeGiven) {
  const uint32_t row = threadIndex();
  if (row >= countOf(count, rows)) return;
  const float* p = positions + static_cast<size_t>(indices[row]) * 3;
  const auto unit = [](float value, float low, float high) {
    const float extent = high - low;
    return extent == 0 ? 0.0f : __fdiv_rn(value - low, extent);
  };
  const float time = timeOnDevice ? *timeOnDevice : timeGiven;
  const float4 point = make_float4(unit(p[0], minX, maxX), unit(p[1], minY, maxY), unit(p[2], minZ, maxZ), time);
  store4(points + static_cast<size_t>(row) * 4, point);
}

#define KERNEL extern "C" __global__ void __launch_bounds__(256)
#define LIST const uint32_t *__restrict__ count, uint32_t rows, const uint32_t *__restrict__ indices

#define KERNELS(suffix, T)                                                                                             \
  KERNEL concatenate##suffix(                                                                                          \
      LIST, const T* __restrict__ fixed, const T* __restrict__ dynamic, T* __restrict__ combined, uint32_t cs,         \
      uint32_t cd) {                                                                                                   \
    concatenate<T>(count, rows, indices, fixed, dynamic, combined, cs, cd);                                            \
  }                                                                                                                    \
  KERNEL concatenateBackward##suffix(                                                                                  \
      LIST, const T* __restrict__ vCombined, T* __restrict__ vFixed, T* __restrict__ vDynamic, uint32_t cs,            \
      uint32_t cd) {                                                                                                   \
    concatenateBackward<T>(count, rows, indices, vCombined, vFixed, vDynamic, cs, cd);                                 \
  }                                                                                                                    \
  KERNEL add##suffix(                                                                                                  \
      LIST, const T* __restrict__ fixed, const T* __restrict__ dynamic, T* __restrict__ combined, uint32_t width) {    \
    add<T>(count, rows, indices, fixed, dynamic, combined, width);                                                     \
  }                                                                                                                    \
  KERNEL addBackward##suffix(                                                                                          \
      LIST, const T* __restrict__ vCombined, T* __restrict__ vFixed, T* __restrict__ vDynamic, uint32_t width) {       \
    addBackward<T>(count, rows, indices, vCombined, vFixed, vDynamic, width);                                          \
  }

KERNELS(1, float)
KERNELS(4, float4)
