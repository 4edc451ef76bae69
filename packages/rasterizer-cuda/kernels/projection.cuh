// Projection of one Gaussian and its derivative, shared by forward and backward.
//
// The camera-space mean and its pixel are computed in double precision, about 30 operations: a pixel coordinate of 1000
// has a spacing of 6e-5 in f32, and an error of some of those moves alpha of the smallest splats by more than the
// images may differ. All else is f32; det(M M^T) is the squared cross product of M's rows, without cancellation.
#pragma once

#include "layout.cuh"

struct Projection {
  /// Camera-space depth, pixel coordinates.
  double z, u, v;
  /// 1/z, x/z, y/z, the latter clamped.
  float inverseZ, ratioX, ratioY, clampedX, clampedY;
  /// fx/z, fy/z.
  float j00, j11;
  /// Rotation of the quaternion, 3x3; J R, J R Q, J R Q diag(scales), 2x3.
  float q[9], jr[6], jrq[6], m[6];
  /// Dilated 2D covariance [[a, b], [b, c]].
  float a, b, c, det;
};

/// False where the Gaussian is not between the near plane and 1e20, not finite or singular.
__device__ __forceinline__ bool projectGaussian(
    const Parameters& camera, float mx, float my, float mz, float4 quat, float sx, float sy, float sz, Projection& p) {
  const double* world = camera.worldToCamera;
  p.z = world[8] * mx + world[9] * my + world[10] * mz + world[11];
  if (!(p.z > camera.near && p.z < 1e20)) return false;
  const double x = world[0] * mx + world[1] * my + world[2] * mz + world[3];
  const double y = world[4] * mx + world[5] * my + world[6] * mz + world[7];
  const double inverse = 1.0 / p.z;
  p.u = camera.fx * x * inverse + camera.cx - 0.5;
  p.v = camera.fy * y * inverse + camera.cy - 0.5;
  if (!(fabs(p.u) < 1e30 && fabs(p.v) < 1e30)) return false;

  p.inverseZ = static_cast<float>(inverse);
  p.ratioX = static_cast<float>(x * inverse);
  p.ratioY = static_cast<float>(y * inverse);
  p.clampedX = fmaxf(-camera.limitX, fminf(camera.limitX, p.ratioX));
  p.clampedY = fmaxf(-camera.limitY, fminf(camera.limitY, p.ratioY));
  p.j00 = camera.focalX * p.inverseZ;
  p.j11 = camera.focalY * p.inverseZ;
  const float j02 = -p.j00 * p.clampedX;
  const float j12 = -p.j11 * p.clampedY;
  const float* r = camera.rotation;
  for (int k = 0; k < 3; k++) {
    p.jr[k] = p.j00 * r[k] + j02 * r[6 + k];
    p.jr[3 + k] = p.j11 * r[3 + k] + j12 * r[6 + k];
  }

  const float qw = quat.x, qx = quat.y, qy = quat.z, qz = quat.w;
  p.q[0] = 1.0f - 2.0f * (qy * qy + qz * qz);
  p.q[1] = 2.0f * (qx * qy - qw * qz);
  p.q[2] = 2.0f * (qx * qz + qw * qy);
  p.q[3] = 2.0f * (qx * qy + qw * qz);
  p.q[4] = 1.0f - 2.0f * (qx * qx + qz * qz);
  p.q[5] = 2.0f * (qy * qz - qw * qx);
  p.q[6] = 2.0f * (qx * qz - qw * qy);
  p.q[7] = 2.0f * (qy * qz + qw * qx);
  p.q[8] = 1.0f - 2.0f * (qx * qx + qy * qy);
  const float scale[3] = {sx, sy, sz};
  for (int row = 0; row < 2; row++) {
    const float* t = p.jr + 3 * row;
    for (int k = 0; k < 3; k++) {
      p.jrq[3 * row + k] = t[0] * p.q[k] + t[1] * p.q[3 + k] + t[2] * p.q[6 + k];
      p.m[3 * row + k] = p.jrq[3 * row + k] * scale[k];
    }
  }

  const float* m = p.m;
  const float a = m[0] * m[0] + m[1] * m[1] + m[2] * m[2];
  const float c = m[3] * m[3] + m[4] * m[4] + m[5] * m[5];
  const float k0 = m[1] * m[5] - m[2] * m[4];
  const float k1 = m[2] * m[3] - m[0] * m[5];
  const float k2 = m[0] * m[4] - m[1] * m[3];
  const float dilation = camera.dilation;
  p.b = m[0] * m[3] + m[1] * m[4] + m[2] * m[5];
  p.det = k0 * k0 + k1 * k1 + k2 * k2 + dilation * (a + c) + dilation * dilation;
  p.a = a + dilation;
  p.c = c + dilation;
  return p.det > 0.0f && p.det < INFINITY;
}

/// log2(e) / 2.
constexpr float HALF_LOG2E = 0.72134752044448170f;

/// (l11, l21, l22) of layout.cuh.
__device__ __forceinline__ float3 falloffOf(const Projection& p) {
  const float l11 = sqrtf(HALF_LOG2E * p.c / p.det);
  return make_float3(l11, -p.b / p.c * l11, sqrtf(HALF_LOG2E / p.c));
}

struct GaussianGradients {
  float mean[3], quat[4], scale[3], mean2d[2];
};

/// From the sums of layout.cuh. With L the Cholesky factor, k = 2 ln 2 and Y the second moments of w in (t, s):
/// dL/d(u, v) = k L^T (sum w t, sum w s), dL/dcov = k^2 L^T Y L / 2, dL/dM = 2 dL/dcov M. None flows through a clamp.
__device__ __forceinline__ GaussianGradients differentiate(
    const Parameters& camera, const Projection& p, float4 quat, const float scale[3], const float sums[GRADIENT_SUMS]) {
  GaussianGradients g;
  const float3 l = falloffOf(p);
  const float k = 1.3862943611198906f;
  const float vU = k * l.x * sums[1];
  const float vV = k * (l.y * sums[1] + l.z * sums[2]);
  g.mean2d[0] = vU * 0.5f * camera.width;
  g.mean2d[1] = vV * 0.5f * camera.height;
  const float half = 0.5f * k * k;
  const float mixed = l.y * sums[3] + l.z * sums[4];
  const float va = half * l.x * l.x * sums[3];
  const float vb = half * l.x * mixed;
  const float vc = half * (mixed * l.y + (l.y * sums[4] + l.z * sums[5]) * l.z);

  float d[6];
  for (int j = 0; j < 3; j++) {
    const float vM0 = 2.0f * (va * p.m[j] + vb * p.m[3 + j]);
    const float vM1 = 2.0f * (vb * p.m[j] + vc * p.m[3 + j]);
    g.scale[j] = vM0 * p.jrq[j] + vM1 * p.jrq[3 + j];
    d[j] = vM0 * scale[j];
    d[3 + j] = vM1 * scale[j];
  }

  float vJ00 = 0.0f, vJ02 = 0.0f, vJ11 = 0.0f, vJ12 = 0.0f;
  float vQ[9];
  const float* r = camera.rotation;
  for (int j = 0; j < 3; j++) {
    const float* q = p.q + 3 * j;
    const float vT0 = d[0] * q[0] + d[1] * q[1] + d[2] * q[2];
    const float vT1 = d[3] * q[0] + d[4] * q[1] + d[5] * q[2];
    vJ00 += vT0 * r[j];
    vJ02 += vT0 * r[6 + j];
    vJ11 += vT1 * r[3 + j];
    vJ12 += vT1 * r[6 + j];
    for (int column = 0; column < 3; column++) {
      vQ[3 * j + column] = p.jr[j] * d[column] + p.jr[3 + j] * d[3 + column];
    }
  }

  // Every 1/z^2 as a product of two moderate factors, which do not overflow. A clamped x/z is a constant.
  const bool freeX = fabsf(p.ratioX) <= camera.limitX;
  const bool freeY = fabsf(p.ratioY) <= camera.limitY;
  const float jx = p.j00 * p.inverseZ;
  const float jy = p.j11 * p.inverseZ;
  const float vX = p.j00 * vU - (freeX ? jx * vJ02 : 0.0f);
  const float vY = p.j11 * vV - (freeY ? jy * vJ12 : 0.0f);
  const float vZ = sums[9] - (p.j00 * p.ratioX * vU + p.j11 * p.ratioY * vV) - (jx * vJ00 + jy * vJ11) +
      (jx * p.clampedX * vJ02 * (freeX ? 2.0f : 1.0f) + jy * p.clampedY * vJ12 * (freeY ? 2.0f : 1.0f));
  for (int j = 0; j < 3; j++) g.mean[j] = vX * r[j] + vY * r[3 + j] + vZ * r[6 + j];

  const float w = quat.x, x = quat.y, y = quat.z, z = quat.w;
  g.quat[0] = 2.0f * (z * (vQ[3] - vQ[1]) + y * (vQ[2] - vQ[6]) + x * (vQ[7] - vQ[5]));
  g.quat[1] = 2.0f * (y * (vQ[1] + vQ[3]) + z * (vQ[2] + vQ[6]) + w * (vQ[7] - vQ[5]) - 2.0f * x * (vQ[4] + vQ[8]));
  g.quat[2] = 2.0f * (x * (vQ[1] + vQ[3]) + w * (vQ[2] - vQ[6]) + z * (vQ[5] + vQ[7]) - 2.0f * y * (vQ[0] + vQ[8]));
  g.quat[3] = 2.0f * (w * (vQ[3] - vQ[1]) + x * (vQ[2] + vQ[6]) + y * (vQ[5] + vQ[7]) - 2.0f * z * (vQ[0] + vQ[4]));
  return g;
}
