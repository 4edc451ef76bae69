// Sums and products of about 48 bits: a value is a vec2f, the rounded number and what it lacks (Dekker 1971, Knuth).
//
// A pixel coordinate of 1000 has a spacing of 6e-5 in f32, and an error of some of those moves alpha of the smallest splats
// by more than the images may differ; so means are projected with these and rounded once. WGSL lets compilers fuse and
// reassociate, which would undo the corrections: every intermediate is hidden (layout.wgsl), and products of halves are
// exact, fused or not.
//#include "layout.wgsl"

/// a + b exactly.
fn twoSum(a: f32, b: f32) -> vec2f {
  let sum = hide(a + b);
  let second = hide(sum - a);
  let first = hide(sum - second);
  return vec2f(sum, hide(a - first) + hide(b - second));
}

/// a + b exactly, where |a| is not below |b|.
fn fastTwoSum(a: f32, b: f32) -> vec2f {
  let sum = hide(a + b);
  return vec2f(sum, hide(b - hide(sum - a)));
}

fn upperHalf(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }

/// a b exactly.
fn twoProduct(a: f32, b: f32) -> vec2f {
  let product = hide(a * b);
  let a1 = upperHalf(a);
  let b1 = upperHalf(b);
  let a2 = hide(a - a1);
  let b2 = hide(b - b1);
  let most = hide(a1 * b1);
  let rest = hide(hide(hide(most - product) + hide(a1 * b2)) + hide(a2 * b1));
  return vec2f(product, rest + hide(a2 * b2));
}

/// row . (m, 1), the row being row + low.
fn transform(row: vec4f, low: vec4f, m: vec3f) -> vec2f {
  let a = twoProduct(row.x, m.x);
  let b = twoProduct(row.y, m.y);
  let c = twoProduct(row.z, m.z);
  let ab = twoSum(a.x, b.x);
  let abc = twoSum(ab.x, c.x);
  let all = twoSum(abc.x, row.w);
  let small = (a.y + b.y) + (c.y + ab.y) + (abc.y + all.y) + (dot(low.xyz, m) + low.w);
  return fastTwoSum(all.x, small);
}

/// scale x / z + centre to f32; `scale` is the first two of `pixel`, `centre` the others. `inverse` is 1 / z, about.
fn pixelOf(x: vec2f, z: vec2f, inverse: f32, pixel: vec4f) -> f32 {
  let ratio = hide(x.x * inverse);
  let back = twoProduct(ratio, z.x);
  let missing = (hide(hide(x.x - back.x) - back.y) + (x.y - ratio * z.y)) * inverse;
  let scaled = twoProduct(pixel.x, ratio);
  let sum = twoSum(scaled.x, pixel.z);
  return sum.x + (sum.y + (scaled.y + (pixel.x * missing + (pixel.y * ratio + pixel.w))));
}
