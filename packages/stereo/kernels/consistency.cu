// Which pixels of a reference other views confirm, and where those say that the surface is.
//
// A thread is a pixel of the reference; blocks are tiles of 16 x 8. planes // [all pixels, 4] of all views (see match.cu).
// pairs // [S, 40]: 12 numbers from (x, y, 1, inverse depth) of the reference to the other's array, 12 back, 9 of the
// rotation from the other to the reference, fx, fy, cx, cy of the other, and three that are not used. frames // [S, 3]: first
// pixel, width, height. fused // [H, W, 4]: mean inverse depth, its change to the right and downwards, how many others
// agree (0: no surface). Sums go over the sources in their order: equal bytes every time.
#include "common.cuh"

/// A row of a matrix times (x, y, 1, rho).
__device__ __forceinline__ float along(const float* __restrict__ m, float x, float y, float rho) {
  return __ldg(m) * x + __ldg(m + 1) * y + __ldg(m + 2) + __ldg(m + 3) * rho;
}

extern "C" __global__ void __launch_bounds__(128) checkConsistency(
    const float* __restrict__ planes, float* __restrict__ fused, const float* __restrict__ pairs,
    const int* __restrict__ frames, int first, int width, int height, int sources, float fx, float fy, float cx,
    float cy, float maxCost, float maxPixels, float maxDepth, float minCosine, int agree) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  const int pixel = y * width + x;
  const float4 plane = load4(planes + 4 * size_t(first + pixel));
  const float rho = plane.x, gx = plane.y, gy = plane.z;
  const float px = float(x), py = float(y);
  float sum = rho;
  int count = 0;
  if (plane.w < maxCost) {
    // The normal, away from the camera.
    const float mx = gx * fx, my = gy * fy;
    const float mz = rho - gx * (px + 0.5f - cx) - gy * (py + 0.5f - cy);
    const float length = sqrtf(mx * mx + my * my + mz * mz);
    for (int s = 0; s < sources; s++) {
      const float* pair = pairs + 40 * s;
      const int* frame = frames + 3 * s;
      const float w = along(pair + 8, px, py, rho);
      if (!(w > 0)) continue;
      const float u = along(pair, px, py, rho) / w, v = along(pair + 4, px, py, rho) / w;
      const int otherWidth = __ldg(frame + 1), otherHeight = __ldg(frame + 2);
      if (!(u > -0.5f && v > -0.5f && u < float(otherWidth) - 0.5f && v < float(otherHeight) - 0.5f)) continue;
      const float column = rintf(u), row = rintf(v);
      const float4 other = loadConstant4(planes + 4 * (size_t(__ldg(frame)) + int(row) * otherWidth + int(column)));
      if (!(other.w < maxCost)) continue;
      const float otherRho = other.x + other.y * (u - column) + other.z * (v - row);
      // The other's point, seen from here.
      const float back = along(pair + 20, u, v, otherRho);
      if (!(otherRho > 0 && back > 0)) continue;
      const float there = otherRho / back;
      if (!(fabsf(there - rho) <= maxDepth * rho)) continue;
      const float du = along(pair + 12, u, v, otherRho) / back - px;
      const float dv = along(pair + 16, u, v, otherRho) / back - py;
      if (!(du * du + dv * dv <= maxPixels * maxPixels)) continue;
      const float ox = other.y * __ldg(pair + 33), oy = other.z * __ldg(pair + 34);
      const float oz =
          otherRho - other.y * (u + 0.5f - __ldg(pair + 35)) - other.z * (v + 0.5f - __ldg(pair + 36));
      const float dot = mx * (__ldg(pair + 24) * ox + __ldg(pair + 25) * oy + __ldg(pair + 26) * oz) +
          my * (__ldg(pair + 27) * ox + __ldg(pair + 28) * oy + __ldg(pair + 29) * oz) +
          mz * (__ldg(pair + 30) * ox + __ldg(pair + 31) * oy + __ldg(pair + 32) * oz);
      if (!(dot >= minCosine * length * sqrtf(ox * ox + oy * oy + oz * oz))) continue;
      sum += there;
      count++;
    }
  }
  store4(fused + 4 * size_t(pixel), make_float4(sum / float(count + 1), gx, gy, count >= agree ? float(count) : 0.0f));
}
