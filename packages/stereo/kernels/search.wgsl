// What the kernels that search for planes share: the best plane of a pixel so far, and whether another one is better.
//
// The file that includes this one declares `settings`, with what patch.wgsl asks for and sources, best, fx, fy, cx, cy,
// farthest and nearest.
//#include "./patch.wgsl"

/// The cost of a pixel that is left out.
const NONE = 3.0;
/// Slants beyond 81 degrees to the viewing ray are no surfaces that a patch could show.
const MIN_COSINE_SQUARED = 0.0225;

/// The pixel, the ray through it (x, y; z is 1), the sources that count, and its best plane so far: rho, gx, gy, cost.
var<private> pixelHere: vec2f;
var<private> ray: vec2f;
var<private> counted: u32;
var<private> found: vec4f;

fn openSearch(place: vec2i, which: u32) {
  pixelHere = vec2f(place);
  ray = (pixelHere + 0.5 - vec2f(settings.cx, settings.cy)) / vec2f(settings.fx, settings.fy);
  counted = which;
}

/// What a pixel has before any plane was tried.
fn nothingFound(which: u32) -> vec4f {
  return vec4f(0.5 * (settings.nearest + settings.farthest), 0.0, 0.0, select(WORST, NONE, which == 0u));
}

/// The four least costs, ascending, with one more.
fn withCost(least: vec4f, cost: f32) -> vec4f {
  return vec4f(min(least.x, cost), clamp(cost, least.x, least.y), clamp(cost, least.y, least.z),
      clamp(cost, least.z, least.w));
}

/// Their sum over the first `count`.
fn sumOf(least: vec4f, count: i32) -> f32 {
  return dot(least, select(vec4f(0), vec4f(1), vec4i(0, 1, 2, 3) < vec4i(count)));
}

/// Mean of the costs of the `best` sources that match best. It stops, with WORST, as soon as perfect matches with all
/// sources that are left would not make the plane better.
fn planeCost(plane: vec3f) -> f32 {
  var left = i32(countOneBits(counted));
  let limit = found.w * f32(settings.best);
  var least = vec4f(WORST);
  for (var s = 0; s < settings.sources; s++) {
    if (((counted >> u32(s)) & 1u) == 0u) { continue; }
    least = withCost(least, sourceCost(s, pixelHere, plane));
    left--;
    if (left < settings.best && sumOf(least, settings.best - left) >= limit) { return WORST; }
  }
  return sumOf(least, settings.best) / f32(settings.best);
}

/// Whether a plane is in the range of depths and not seen too much from its side.
fn isPossible(plane: vec3f) -> bool {
  if (!isFinite(plane.x) || !isFinite(plane.y) || !isFinite(plane.z)) { return false; }
  if (!(plane.x >= settings.farthest && plane.x <= settings.nearest)) { return false; }
  let slant = plane.yz * vec2f(settings.fx, settings.fy);
  let m = vec3f(slant, plane.x - dot(slant, ray));
  return plane.x * plane.x >= MIN_COSINE_SQUARED * dot(m, m) * (dot(ray, ray) + 1.0);
}

/// Takes the plane if it is better.
fn consider(plane: vec3f) {
  if (!isPossible(plane)) { return; }
  let cost = planeCost(plane);
  if (cost < found.w) { found = vec4f(plane, cost); }
}

/// The plane at inverse depth rho whose normal is that of (ray + slant, 1): it faces the camera where slant is 0.
fn considerSlant(rho: f32, slant: vec2f) {
  let normal = ray + slant;
  let scale = rho / (dot(normal, ray) + 1.0);
  consider(vec3f(rho, normal * scale / vec2f(settings.fx, settings.fy)));
}

/// [-1, 1) to (-4, 4), dense in the middle: slants up to 76 degrees.
fn slantOf(u: f32) -> f32 { return u / (1.0 - 0.75 * abs(u)); }

fn nextSlant() -> vec2f {
  let x = slantOf(nextRandom());
  let y = slantOf(nextRandom());
  return vec2f(x, y);
}
