// Projection of one Gaussian and its derivative, shared by forward and backward.
//
// The camera-space mean and its pixel have 48 bits (double.wgsl). All else is f32; det(M M^T) is the squared cross product
// of M's rows, without cancellation.
//#include "double.wgsl"

/// log2(e) / 2.
const HALF_LOG2E = 0.72134752044448170f;

struct Projection {
  visible: bool,
  /// Camera-space depth, pixel coordinates.
  z: f32,
  u: f32,
  v: f32,
  /// 1/z; x/z and y/z, as they are and clamped.
  inverseZ: f32,
  ratio: vec2f,
  clamped: vec2f,
  /// fx/z, fy/z.
  j: vec2f,
  /// Columns of the rotation of the quaternion.
  q0: vec3f,
  q1: vec3f,
  q2: vec3f,
  /// Rows of J R, of J R Q and of J R Q diag(scales).
  jr0: vec3f,
  jr1: vec3f,
  jrq0: vec3f,
  jrq1: vec3f,
  m0: vec3f,
  m1: vec3f,
  /// Dilated 2D covariance [[a, b], [b, c]].
  a: f32,
  b: f32,
  c: f32,
  det: f32,
}

/// `visible` is false where the Gaussian is not between the near plane and 1e20, not finite or singular.
fn projectGaussian(mean: vec3f, quat: vec4f, scale: vec3f) -> Projection {
  var p: Projection;
  p.visible = false;
  if (!(finite3(mean) && finite3(scale) && finite3(quat.xyz) && finite(quat.w))) { return p; }
  let z = transform(settings.row2, settings.low2, mean);
  if (!(finite(z.x) && finite(z.y))) { return p; }
  let near = settings.near;
  let inFront = z.x > near.x || (z.x == near.x && z.y > near.y);
  if (!(inFront && z.x < 1e20f)) { return p; }
  let x = transform(settings.row0, settings.low0, mean);
  let y = transform(settings.row1, settings.low1, mean);
  p.z = z.x;
  p.inverseZ = 1.0f / z.x;
  p.u = pixelOf(x, z, p.inverseZ, settings.pixelX);
  p.v = pixelOf(y, z, p.inverseZ, settings.pixelY);
  if (!(finite(p.u) && finite(p.v) && abs(p.u) < 1e30f && abs(p.v) < 1e30f)) { return p; }

  p.ratio = vec2f(x.x, y.x) * p.inverseZ;
  p.clamped = clamp(p.ratio, -settings.limit, settings.limit);
  p.j = vec2f(settings.pixelX.x, settings.pixelY.x) * p.inverseZ;
  p.jr0 = p.j.x * settings.row0.xyz - (p.j.x * p.clamped.x) * settings.row2.xyz;
  p.jr1 = p.j.y * settings.row1.xyz - (p.j.y * p.clamped.y) * settings.row2.xyz;

  let qw = quat.x;
  let qx = quat.y;
  let qy = quat.z;
  let qz = quat.w;
  p.q0 = vec3f(1.0f - 2.0f * (qy * qy + qz * qz), 2.0f * (qx * qy + qw * qz), 2.0f * (qx * qz - qw * qy));
  p.q1 = vec3f(2.0f * (qx * qy - qw * qz), 1.0f - 2.0f * (qx * qx + qz * qz), 2.0f * (qy * qz + qw * qx));
  p.q2 = vec3f(2.0f * (qx * qz + qw * qy), 2.0f * (qy * qz - qw * qx), 1.0f - 2.0f * (qx * qx + qy * qy));
  p.jrq0 = vec3f(dot(p.jr0, p.q0), dot(p.jr0, p.q1), dot(p.jr0, p.q2));
  p.jrq1 = vec3f(dot(p.jr1, p.q0), dot(p.jr1, p.q1), dot(p.jr1, p.q2));
  p.m0 = p.jrq0 * scale;
  p.m1 = p.jrq1 * scale;

  let a = dot(p.m0, p.m0);
  let c = dot(p.m1, p.m1);
  let k = cross(p.m0, p.m1);
  let dilation = settings.dilation;
  p.b = dot(p.m0, p.m1);
  p.det = dot(k, k) + dilation * (a + c) + dilation * dilation;
  p.a = a + dilation;
  p.c = c + dilation;
  p.visible = finite(p.det) && p.det > 0.0f;
  return p;
}

/// (l11, l21, l22) of layout.wgsl.
fn falloffOf(p: Projection) -> vec3f {
  let l11 = sqrt(HALF_LOG2E * p.c / p.det);
  return vec3f(l11, -p.b / p.c * l11, sqrt(HALF_LOG2E / p.c));
}

struct GaussianGradients {
  mean: vec3f,
  scale: vec3f,
  quat: vec4f,
  mean2d: vec2f,
}

/// From the sums of layout.wgsl: `first` w, t, s; `second` t^2, t s, s^2; `depth`. With L the Cholesky factor, k = 2 ln 2
/// and Y the second moments of w in (t, s): dL/d(u, v) = k L^T (sum w t, sum w s), dL/dcov = k^2 L^T Y L / 2,
/// dL/dM = 2 dL/dcov M. None flows through a clamp.
fn differentiate(
    p: Projection, quat: vec4f, scale: vec3f, first: vec3f, second: vec3f, depth: f32) -> GaussianGradients {
  var g: GaussianGradients;
  let l = falloffOf(p);
  let k = 1.3862943611198906f;
  let vU = k * l.x * first.y;
  let vV = k * (l.y * first.y + l.z * first.z);
  g.mean2d = vec2f(vU * 0.5f * f32(settings.width), vV * 0.5f * f32(settings.height));
  let half = 0.5f * k * k;
  let mixed = l.y * second.x + l.z * second.y;
  let va = half * l.x * l.x * second.x;
  let vb = half * l.x * mixed;
  let vc = half * (mixed * l.y + (l.y * second.y + l.z * second.z) * l.z);

  let vM0 = 2.0f * (va * p.m0 + vb * p.m1);
  let vM1 = 2.0f * (vb * p.m0 + vc * p.m1);
  g.scale = vM0 * p.jrq0 + vM1 * p.jrq1;
  let d0 = vM0 * scale;
  let d1 = vM1 * scale;

  let vT0 = d0.x * p.q0 + d0.y * p.q1 + d0.z * p.q2;
  let vT1 = d1.x * p.q0 + d1.y * p.q1 + d1.z * p.q2;
  let row0 = settings.row0.xyz;
  let row1 = settings.row1.xyz;
  let row2 = settings.row2.xyz;
  let vJ00 = dot(vT0, row0);
  let vJ02 = dot(vT0, row2);
  let vJ11 = dot(vT1, row1);
  let vJ12 = dot(vT1, row2);

  // Every 1/z^2 as a product of two moderate factors, which do not overflow. A clamped x/z is a constant.
  let free = abs(p.ratio) <= settings.limit;
  let jz = p.j * p.inverseZ;
  let vX = p.j.x * vU - select(0.0f, jz.x * vJ02, free.x);
  let vY = p.j.y * vV - select(0.0f, jz.y * vJ12, free.y);
  let vZ = depth - (p.j.x * p.ratio.x * vU + p.j.y * p.ratio.y * vV) - (jz.x * vJ00 + jz.y * vJ11) +
      (jz.x * p.clamped.x * vJ02 * select(1.0f, 2.0f, free.x) + jz.y * p.clamped.y * vJ12 * select(1.0f, 2.0f, free.y));
  g.mean = vX * row0 + vY * row1 + vZ * row2;

  // Columns of dL/dQ.
  let v0 = p.jr0 * d0.x + p.jr1 * d1.x;
  let v1 = p.jr0 * d0.y + p.jr1 * d1.y;
  let v2 = p.jr0 * d0.z + p.jr1 * d1.z;
  let w = quat.x;
  let x = quat.y;
  let y = quat.z;
  let z = quat.w;
  g.quat = 2.0f * vec4f(
      z * (v0.y - v1.x) + y * (v2.x - v0.z) + x * (v1.z - v2.y),
      y * (v1.x + v0.y) + z * (v2.x + v0.z) + w * (v1.z - v2.y) - 2.0f * x * (v1.y + v2.z),
      x * (v1.x + v0.y) + w * (v2.x - v0.z) + z * (v2.y + v1.z) - 2.0f * y * (v0.x + v2.z),
      w * (v0.y - v1.x) + x * (v2.x + v0.z) + y * (v2.y + v1.z) - 2.0f * z * (v0.x + v1.y));
  return g;
}
