// Two pixels of an invocation in the backward pass, four rows apart, and what a splat gets from them.
//
// T is restored by division, and `behind` is the sum over what lies behind of weight (color . vImage + z vDepth), plus
// T_final (background . vImage - vAlpha), so that for a splat
// dL/dalpha = T (color . vImage + z vDepth) - behind / (1 - alpha).
//#include "extent.wgsl"

@group(0) @binding(4) var<storage, read> finals: array<vec2u>; // [tiles + H W, 2]
@group(0) @binding(5) var<storage, read> vImage: array<f32>; // [H, W, 3]
@group(0) @binding(6) var<storage, read> vAlpha: array<f32>; // [H, W], if given
@group(0) @binding(7) var<storage, read> vDepth: array<f32>; // [H, W], if given

struct Pixel {
  T: f32,
  behind: f32,
  last: u32,
  /// dL/d(red, green, blue, depth).
  gradient: vec4f,
}

/// The upper pixel and the lower.
struct Pixels {
  x: f32,
  y: f32,
  T: vec2f,
  behind: vec2f,
  /// One above the list index of the last splat that was added.
  last: vec2u,
  vRed: vec2f,
  vGreen: vec2f,
  vBlue: vec2f,
  vDepths: vec2f,
}

/// Where the pixels lie in a splat.
struct Falloff {
  t: vec2f,
  s: vec2f,
  level: vec2f,
  inside: vec2<bool>,
}

/// w = dL/dalpha alpha, and the weight of the colour.
struct Share {
  w: vec2f,
  weight: vec2f,
}

fn loadPixel(column: u32, row: u32) -> Pixel {
  if (column >= settings.width || row >= settings.height) { return Pixel(1.0f, 0.0f, 0u, vec4f(0.0f)); }
  let at = row * settings.width + column;
  let stored = finals[settings.tiles + at];
  let T = bitcast<f32>(stored.x);
  let color = vec3f(vImage[3u * at], vImage[3u * at + 1u], vImage[3u * at + 2u]);
  var vZ = 0.0f;
  if (settings.hasDepth != 0u) { vZ = vDepth[at]; }
  var vA = 0.0f;
  if (settings.hasAlpha != 0u) { vA = vAlpha[at]; }
  return Pixel(T, T * (dot(color, settings.background) - vA), stored.y, vec4f(color, vZ));
}

fn loadPixels(column: u32, row: u32) -> Pixels {
  let a = loadPixel(column, row);
  let b = loadPixel(column, row + 4u);
  return Pixels(
      f32(column), f32(row), vec2f(a.T, b.T), vec2f(a.behind, b.behind), vec2u(a.last, b.last),
      vec2f(a.gradient.x, b.gradient.x), vec2f(a.gradient.y, b.gradient.y), vec2f(a.gradient.z, b.gradient.z),
      vec2f(a.gradient.w, b.gradient.w));
}

/// `position` is one above the list index of the splat.
fn falloffAt(pixels: ptr<function, Pixels>, one: vec4f, two: vec4f, position: u32) -> Falloff {
  let ex = (*pixels).x - one.x;
  let ey = vec2f((*pixels).y, (*pixels).y + 4.0f) - one.y;
  let t = fma(vec2f(one.w), ey, vec2f(one.z * ex));
  let s = two.x * ey;
  let level = fma(-s, s, fma(-t, t, vec2f(two.y)));
  return Falloff(t, s, level, (level >= vec2f(settings.levelMin)) & (vec2u(position) <= (*pixels).last));
}

/// Takes a splat off again. Pixels outside of it have no share and keep what they have.
fn takeOff(pixels: ptr<function, Pixels>, falloff: Falloff, depth: f32, color: vec4f) -> Share {
  let alphaMax = vec2f(settings.alphaMax);
  let full = select(vec2f(0.0f), exp2(falloff.level), falloff.inside);
  let alpha = min(alphaMax, full);
  let inverse = 1.0f / (1.0f - alpha);
  let T = (*pixels).T * inverse;
  let weight = alpha * T;
  let value = fma(vec2f(color.x), (*pixels).vRed,
      fma(vec2f(color.y), (*pixels).vGreen, fma(vec2f(color.z), (*pixels).vBlue, depth * (*pixels).vDepths)));
  let vAlphas = fma(T, value, -(*pixels).behind * inverse);
  (*pixels).T = T;
  (*pixels).behind = fma(weight, value, (*pixels).behind);
  return Share(select(vec2f(0.0f), vAlphas * alpha, full <= alphaMax), weight);
}
