// The tiles of a splat, row by row, and the quarters of a tile that it meets: those that the ellipse of alphaMin reaches,
// and the square of three sigma where there is one. A superset is harmless (pixels are tested one by one), so all is
// rounded outwards. Rounding is spelled out, because counting and listing must agree to the last tile.
#pragma once

#include "layout.cuh"

/// The ellipse t^2 + s^2 <= reach and its bounding box, which is a little enlarged.
struct Ellipse {
  float reach, halfX, halfY;
  /// ey of the rightmost point.
  float skew;
  float l22, slope, inverse, pad;
};

struct Range {
  /// End is exclusive.
  int first, end;
};

__device__ __forceinline__ Ellipse ellipseOf(float l11, float l21, float l22, float reach) {
  Ellipse e;
  e.reach = fmaxf(0.0f, reach);
  const float root = __fsqrt_rn(e.reach);
  e.inverse = __frcp_rn(l11);
  const float inverse22 = __frcp_rn(l22);
  const float ratio = __fmul_rn(l21, inverse22);
  const float length = __fsqrt_rn(__fmaf_rn(ratio, ratio, 1.0f));
  e.halfX = __fmaf_rn(__fmul_rn(__fmul_rn(root, length), e.inverse), 1.0001f, 0.01f);
  e.halfY = __fmaf_rn(__fmul_rn(root, inverse22), 1.0001f, 0.01f);
  e.skew = -__fmul_rn(__fmul_rn(root, __fmul_rn(ratio, __frcp_rn(length))), inverse22);
  e.l22 = l22;
  e.slope = __fmul_rn(l21, e.inverse);
  e.pad = __fmaf_rn(e.halfX, 1e-4f, 0.01f);
  return e;
}

/// Extremes in x, from the centre, of the ellipse inside of low <= ey <= high: at the extreme points of the whole where
/// the slab has them, else at its edges. False where the slab misses the ellipse.
__device__ __forceinline__ bool slabOf(const Ellipse& e, float low, float high, float& left, float& right) {
  low = fmaxf(low, -e.halfY);
  high = fminf(high, e.halfY);
  const float atRight = fmaxf(low, fminf(high, e.skew));
  const float atLeft = fmaxf(low, fminf(high, -e.skew));
  const float sRight = __fmul_rn(e.l22, atRight);
  const float sLeft = __fmul_rn(e.l22, atLeft);
  const float toRight = __fsqrt_rn(fmaxf(0.0f, __fmaf_rn(-sRight, sRight, e.reach)));
  const float toLeft = __fsqrt_rn(fmaxf(0.0f, __fmaf_rn(-sLeft, sLeft, e.reach)));
  right = __fmaf_rn(-e.slope, atRight, __fmaf_rn(toRight, e.inverse, e.pad));
  left = __fmaf_rn(-e.slope, atLeft, -__fmaf_rn(toLeft, e.inverse, e.pad));
  return low <= high;
}

/// Tiles of the pixels in [low, high], cut to those that the square [middle - half, middle + half] meets.
__device__ __forceinline__ Range tilesOf(float low, float high, float middle, float half, int size) {
  const float first = fmaxf(ceilf(low), 0.0f);
  const float last = fminf(floorf(high), static_cast<float>(size - 1));
  if (!(first <= last)) return {0, 0};
  const float limit = 4096.0f;
  const float squareFirst = fmaxf(0.0f, fminf(limit, floorf(__fmul_rn(__fadd_rn(middle, -half), 0.0625f))));
  const float squareEnd =
      fmaxf(0.0f, fminf(limit, floorf(__fmul_rn(__fadd_rn(__fadd_rn(middle, half), 15.0f), 0.0625f))));
  const Range range = {
      max(static_cast<int>(first) / TILE, static_cast<int>(squareFirst)),
      min(static_cast<int>(last) / TILE + 1, static_cast<int>(squareEnd))};
  return range.first < range.end ? range : Range{0, 0};
}

/// What listing needs of a splat.
struct Footprint {
  float x, y;
  /// Half side of the square that bounds the tiles; large where nothing does.
  float square;
  Ellipse ellipse;
};

__device__ __forceinline__ Footprint footprintOf(const Parameters& camera, float4 first, float4 second, int radius) {
  const float square = camera.threeSigma ? static_cast<float>(radius) : 1e9f;
  return {first.x, first.y, square, ellipseOf(first.z, first.w, second.x, __fadd_rn(second.y, -camera.levelMin))};
}

/// Tile rows of a splat.
__device__ __forceinline__ Range tileRows(const Footprint& f, int height) {
  const float half = f.ellipse.halfY;
  return tilesOf(__fadd_rn(f.y, -half), __fadd_rn(f.y, half), f.y, f.square, height);
}

/// Tile columns of a splat in a tile row.
__device__ __forceinline__ Range tileColumns(const Footprint& f, int row, int width) {
  const float half = f.ellipse.halfX;
  const Range box = tilesOf(__fadd_rn(f.x, -half), __fadd_rn(f.x, half), f.x, f.square, width);
  if (box.end - box.first < 2) return box;
  const float top = __fadd_rn(static_cast<float>(row * TILE), -f.y);
  float left, right;
  if (!slabOf(f.ellipse, top, __fadd_rn(top, static_cast<float>(TILE - 1)), left, right)) return {0, 0};
  return tilesOf(__fadd_rn(f.x, left), __fadd_rn(f.x, right), f.x, f.square, width);
}

__device__ __forceinline__ uint32_t countTiles(const Footprint& f, int width, int height) {
  uint32_t count = 0;
  const Range rows = tileRows(f, height);
  for (int row = rows.first; row < rows.end; row++) {
    const Range columns = tileColumns(f, row, width);
    count += columns.end - columns.first;
  }
  return count;
}

/// Extremes in x, from the centre, of an ellipse in the upper and the lower half of a tile row; `from` is infinite
/// where it misses that half.
struct HalfRows {
  float from[2], to[2];
};

__device__ __forceinline__ HalfRows halfRowsOf(const Footprint& f, int row) {
  const float top = __fadd_rn(static_cast<float>(row * TILE), -f.y);
  HalfRows halves;
  #pragma unroll
  for (int half = 0; half < 2; half++) {
    const float low = __fadd_rn(top, static_cast<float>(8 * half));
    if (!slabOf(f.ellipse, low, __fadd_rn(low, 7.0f), halves.from[half], halves.to[half])) halves.from[half] = INFINITY;
  }
  return halves;
}

/// The quarters of 8x8 pixels that a splat's ellipse meets in a tile of that row: bit 0 upper left, bit 1 upper right,
/// bits 2 and 3 below.
__device__ __forceinline__ uint32_t quartersOf(const Footprint& f, const HalfRows& halves, int column) {
  const float offset = __fadd_rn(static_cast<float>(column * TILE), -f.x);
  uint32_t quarters = 0;
  #pragma unroll
  for (int half = 0; half < 2; half++) {
    const float from = halves.from[half];
    const float to = halves.to[half];
    if (from <= __fadd_rn(offset, 7.0f) && to >= offset) quarters |= 1u << (2 * half);
    if (from <= __fadd_rn(offset, 15.0f) && to >= __fadd_rn(offset, 8.0f)) quarters |= 2u << (2 * half);
  }
  return quarters;
}
