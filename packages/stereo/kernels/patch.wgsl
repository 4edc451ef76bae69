// What the matching kernels share: random numbers, the reference patch of a pixel, and the cost of a plane.
//
// A plane at a pixel is its inverse depth there and the change of inverse depth per pixel to the right and downwards:
// inverse depth is linear over the image of a plane, and so is the (homogeneous) place where it projects in a source. The
// patch of an invocation lies in its private memory; the bytes of the four texels that a bilinear sample needs lie in one
// word. The file that includes this one declares `settings`, with first, width, height, groups, reach, falloff and
// minVariance. Compilers may reorder the sums: costs are exact to the tolerance of the contract only.
//#include "./tile.wgsl"

/// The cost of a source that does not see the plane; of a perfect match it is 0.
const WORST = 2.0;
const MAX_LANES = 64;

@group(0) @binding(1) var<storage, read> quads: array<u32>; // [pixels of all views]
@group(0) @binding(2) var<storage, read> matrices: array<vec4f>; // [S, 3] from (x, y, 1, rho) to the place in the source
@group(0) @binding(3) var<storage, read> frames: array<u32>; // [S, 3] first word, width, height
@group(0) @binding(4) var<storage, read> pattern: array<f32>; // [3, lanes] dx, dy, logarithm of the weight

/// Of the reference patch that was loaded last: grey level, mean (less the grey level) and variance; then for every lane
/// its weight, and the weight times the grey level.
var<private> centre: f32;
var<private> mean: f32;
var<private> variance: f32;
var<private> weights: array<vec2f, MAX_LANES>;

/// A well mixed word ("lowbias32" of Wellons' search).
fn mixed(word: u32) -> u32 {
  var x = (word ^ (word >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

var<private> stream: u32;

/// Begins the random numbers of a pixel.
fn openStream(seed: u32, pixel: i32) { stream = mixed(u32(pixel) ^ seed); }

/// In [-1, 1), exact.
fn nextRandom() -> f32 {
  stream = mixed(stream + 0x9e3779b9u);
  return f32(stream >> 8u) * 1.1920928955078125e-7 - 1.0;
}

fn greyAt(place: vec2i) -> f32 {
  let inside = clamp(place, vec2i(0), vec2i(settings.width, settings.height) - 1);
  return f32(quads[settings.first + inside.y * settings.width + inside.x] & 255u);
}

/// Weights (of sum one) and weighted grey levels around a pixel; false where there is no contrast.
fn loadPatch(place: vec2i) -> bool {
  centre = greyAt(place);
  let lanes = 4 * settings.groups;
  var total = 0.0;
  var sum = 0.0;
  var squares = 0.0;
  for (var i = 0; i < lanes; i++) {
    let value = greyAt(place + vec2i(vec2f(pattern[i], pattern[lanes + i]))) - centre;
    let exponent = pattern[2 * lanes + i] + settings.falloff * value * value;
    // Lanes that stand for nothing lie far outside of what exp is exact for.
    let weight = select(exp(max(exponent, -80.0)), 0.0, exponent < -80.0);
    weights[i] = vec2f(weight, weight * value);
    total += weight;
    sum += weight * value;
    squares += weight * value * value;
  }
  let perTotal = 1.0 / total;
  mean = sum * perTotal;
  variance = squares * perTotal - mean * mean;
  for (var i = 0; i < lanes; i++) { weights[i] *= perTotal; }
  return variance >= settings.minVariance;
}

/// The four texels of a word.
fn texelsOf(word: u32) -> vec4f { return vec4f((vec4u(word) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u)); }

/// 1 - NCC of the loaded patch and source s, for a plane (rho, gx, gy) of finite numbers at a pixel.
fn sourceCost(s: i32, pixel: vec2f, plane: vec3f) -> f32 {
  let u = matrices[3 * s];
  let v = matrices[3 * s + 1];
  let w = matrices[3 * s + 2];
  let shift = vec3f(u.w, v.w, w.w);
  let across = vec3f(u.x, v.x, w.x) + shift * plane.y;
  let down = vec3f(u.y, v.y, w.y) + shift * plane.z;
  let start = vec3f(u.x, v.x, w.x) * pixel.x + vec3f(u.y, v.y, w.y) * pixel.y + vec3f(u.z, v.z, w.z) + shift * plane.x;
  // In front of the source in the whole patch, its centre inside of the image. Huge planes overflow.
  let nearest = start.z - settings.reach * (abs(across.z) + abs(down.z));
  if (!isFinite(nearest) || !isFinite(start.x) || !isFinite(start.y) || !(nearest > 0.0)) { return WORST; }
  let stride = i32(frames[3 * s + 1]);
  let last = vec2f(f32(stride - 1), f32(frames[3 * s + 2]) - 1.0);
  if (!(all(start.xy >= vec2f(0)) && all(start.xy <= last * start.z))) { return WORST; }

  let lanes = 4 * settings.groups;
  let first = i32(frames[3 * s]);
  var sum = 0.0;
  var squares = 0.0;
  var products = 0.0;
  for (var i = 0; i < lanes; i++) {
    let there = start + across * pattern[i] + down * pattern[lanes + i];
    let place = clamp(there.xy / there.z, vec2f(0), last);
    let corner = floor(place);
    let part = place - corner;
    let texels = texelsOf(quads[first + i32(corner.y) * stride + i32(corner.x)]);
    let rows = texels.xz + part.x * (texels.yw - texels.xz);
    let value = rows.x + part.y * (rows.y - rows.x) - centre;
    let weight = weights[i];
    let product = weight.x * value;
    sum += product;
    squares += product * value;
    products += weight.y * value;
  }
  let sourceVariance = squares - sum * sum;
  if (!isFinite(sourceVariance) || !(sourceVariance >= settings.minVariance)) { return WORST; }
  return clamp(1.0 - (products - mean * sum) / sqrt(variance * sourceVariance), 0.0, WORST);
}
