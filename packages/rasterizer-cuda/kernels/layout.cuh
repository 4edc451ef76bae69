// Where things lie: the parameters of a view, the counters of a pass, the record of a projected Gaussian, the gradient
// sums of a Gaussian. src/layout.ts writes the same parameters.
//
// Record: three float4, (x, y, l11, l21), (l22, level, depth, -), (red, green, blue, index of the Gaussian as bits).
// Pixel (0, 0) has its centre at (0, 0) here. For e = pixel - (x, y), t = l11 ex + l21 ey and s = l22 ey, alpha before
// its bound is 2^(level - t^2 - s^2): [[l11, l21], [0, l22]] is the Cholesky factor of the inverse covariance times
// log2(e) / 2, level the log2 of the opacity. Nothing is lost for long thin splats, and the threshold on alpha is one
// for all.
//
// Gradient sums: over the pixels, of w = dL/dalpha alpha times 1, t, s, t^2, t s, s^2, then of dL/d(red, green, blue,
// depth), then two floats of padding. In t and s they stay well conditioned where ex and ey would cancel.
#pragma once

#include "common.cuh"

/// Pixels a side of a tile.
constexpr int TILE = 16;
constexpr uint32_t RECORD_VECTORS = 3;
constexpr uint32_t GRADIENT_WORDS = 12;
constexpr uint32_t GRADIENT_SUMS = 10;
/// Sorts behind every depth below 1e20.
constexpr uint32_t CULLED_KEY = 0x7fffffffu;

struct Parameters {
  double worldToCamera[12];
  double fx, fy, cx, cy;
  double near, alphaMin;
  float rotation[9];
  float focalX, focalY;
  /// Bounds of |x/z| and |y/z| in the Jacobian.
  float limitX, limitY;
  float dilation;
  float alphaMax;
  /// log2 of alphaMin.
  float levelMin;
  float transmittanceMin;
  float background[3];
  int width, height;
  /// Tiles a row and rows of tiles.
  int tilesX, tilesY;
  int threeSigma;
  int padding;
};
static_assert(sizeof(Parameters) == 248, "src/layout.ts writes 18 doubles and 26 words");

struct Counters {
  /// (Gaussian, tile) pairs, also those beyond the capacity of the lists.
  unsigned long long pairs;
  /// Gaussians with a tile.
  uint32_t visible;
  uint32_t padding;
};
