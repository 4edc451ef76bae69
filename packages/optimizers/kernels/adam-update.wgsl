// What the kernels of Adam share; the formula is in src/contract.ts.
//#include "../../tensor/kernels/common.wgsl"

struct AdamSettings {
  size: u32,
  /// First trained element and one past the last.
  first: u32,
  last: u32,
  /// Elements of a row if rows may be skipped, else 0.
  lazyWidth: u32,
  /// Elements of a workgroup.
  unit: u32,
  /// Row of the rates.
  group: u32,
  epsilon: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  /// Negative: gradients are used as they are.
  gradientLimit: f32,
  /// Whether there is a copy in f16.
  copied: u32,
}

@group(0) @binding(0) var<uniform> adamSettings: AdamSettings;
/// learningRate / (1 - beta1^step), 1 / sqrt(1 - beta2^step) of each group
@group(0) @binding(5) var<storage, read> rates: array<vec2f>;

// Gradients are read as bits: a float may lose a denormal number on its way, and a comparison may take it for granted that
// there is no NaN.

fn isNan4(bits: vec4u) -> vec4<bool> { return (bits & vec4u(0x7fffffff)) > vec4u(0x7f800000); }

/// NaN becomes zero, the rest is clamped.
fn limited(bits: vec4u) -> vec4f {
  let g = bitcast<vec4f>(bits);
  let limit = adamSettings.gradientLimit;
  if (limit < 0.0) { return g; }
  return select(clamp(g, vec4f(-limit), vec4f(limit)), vec4f(0), isNan4(bits));
}

/// Which elements are not zero; NaN is, where there is a limit.
fn isTouched(bits: vec4u) -> vec4<bool> {
  let isZero = (bits & vec4u(0x7fffffff)) == vec4u(0);
  return !(isZero | (isNan4(bits) & vec4<bool>(adamSettings.gradientLimit >= 0.0)));
}

/// A moment, or zero below the least normal number. NaN stays.
fn normal(x: vec4f) -> vec4f { return select(x, vec4f(0), abs(x) < vec4f(1.17549435e-38)); }

/// Binary16 bits of four floats, rounded to nearest even, infinite beyond 65504. In integers: how `pack2x16float` rounds
/// is left to the implementation.
fn halvesOf(x: vec4f) -> vec4u {
  let bits = bitcast<vec4u>(x);
  let magnitude = bits & vec4u(0x7fffffff);
  let exponent = magnitude >> vec4u(23);
  // Without the bias between the exponents; denormal numbers as multiples of 2^-24. What is shifted out decides.
  let denormal = (magnitude & vec4u(0x7fffff)) | vec4u(0x800000);
  let digits = select(denormal, magnitude - vec4u(0x38000000), exponent >= vec4u(113));
  let shift = min(vec4u(126) - min(exponent, vec4u(113)), vec4u(25));
  let odd = (digits >> shift) & vec4u(1);
  let rounded = (digits + (vec4u(1) << (shift - vec4u(1))) - vec4u(1) + odd) >> shift;
  let special = select(vec4u(0x7c00), vec4u(0x7e00), magnitude > vec4u(0x7f800000));
  return select(rounded, special, magnitude >= vec4u(0x47800000)) | ((bits >> vec4u(16)) & vec4u(0x8000));
}

struct Moved { parameter: vec4f, m: vec4f, v: vec4f }

fn moved(bits: vec4u, parameter: vec4f, m: vec4f, v: vec4f) -> Moved {
  let g = limited(bits);
  let rate = rates[adamSettings.group];
  let nextM = normal(adamSettings.beta1 * m + adamSettings.rest1 * g);
  let nextV = normal(adamSettings.beta2 * v + adamSettings.rest2 * (g * g));
  let change = rate.x * nextM / (sqrt(nextV) * rate.y + adamSettings.epsilon);
  return Moved(parameter - change, nextM, nextV);
}
