// Planes of a level of half the size, of the four pixels around; then only the `keep` sources that match best count.
//
// An invocation is a pixel of the reference; workgroups are tiles of 16 x 8, so that neighbours read neighbouring texels.
// The pixel (x, y) here lies in (x / 2, y / 2) of the coarser level. Each pixel has its own words: equal bytes in every run.
// Limits: 32 sources, 2^23 pixels a view, patches of up to 64 samples (groups <= 16).
//#include "./search.wgsl"

struct LiftSettings {
  coarseFirst: i32, coarseWidth: i32, coarseHeight: i32,
  base: i32, first: i32, width: i32, height: i32, sources: i32, best: i32,
  groups: i32, reach: f32, falloff: f32, minVariance: f32,
  fx: f32, fy: f32, cx: f32, cy: f32, farthest: f32, nearest: f32,
  keep: i32,
}

@group(0) @binding(0) var<uniform> settings: LiftSettings;
@group(0) @binding(5) var<storage, read_write> planes: array<vec4f>; // [pixels] rho, gx, gy, cost; from base on
@group(0) @binding(6) var<storage, read_write> chosen: array<u32>; // [H, W] one bit a source that counts
@group(0) @binding(7) var<storage, read> coarse: array<vec4u>; // bits of [h, w, 4] from coarseFirst on

/// Of the sources that count.
var<private> costsHere: array<f32, 32>;

/// As `consider`, with the costs of all sources; true if the plane was taken.
fn considerAll(plane: vec3f) -> bool {
  if (!isPossible(plane)) { return false; }
  var least = vec4f(WORST);
  for (var s = 0; s < settings.sources; s++) {
    if (((counted >> u32(s)) & 1u) == 0u) { continue; }
    let cost = sourceCost(s, pixelHere, plane);
    costsHere[s] = cost;
    least = withCost(least, cost);
  }
  let cost = sumOf(least, settings.best) / f32(settings.best);
  if (!(cost < found.w)) { return false; }
  found = vec4f(plane, cost);
  return true;
}

/// The `keep` sources of those that count with the least costs; of equal ones the first.
fn bestSources() -> u32 {
  var result = 0u;
  for (var i = 0; i < settings.keep; i++) {
    var least = NONE;
    var winner = 0u;
    for (var s = 0; s < settings.sources; s++) {
      let bit = 1u << u32(s);
      if ((counted & ~result & bit) == 0u || !(costsHere[s] < least)) { continue; }
      least = costsHere[s];
      winner = bit;
    }
    if (winner == 0u) { break; }
    result |= winner;
  }
  return result;
}

/// The pixel of the coarser level around a place: i = 0 the one that it lies in, then those across its nearer borders.
fn aroundOf(i: i32, place: vec2i) -> vec2i {
  let across = select(vec2i(0), 2 * (place & vec2i(1)) - 1, (vec2i(i) & vec2i(1, 2)) != vec2i(0));
  return clamp((place >> vec2u(1u)) + across, vec2i(0), vec2i(settings.coarseWidth, settings.coarseHeight) - 1);
}

fn coarseAt(place: vec2i) -> vec4u { return coarse[settings.coarseFirst + place.y * settings.coarseWidth + place.x]; }

/// Whether the bits are those of a number below the limit.
fn areBelow(bits: u32, limit: f32) -> bool { return !bitsAreNan(bits) && bitcast<f32>(bits) < limit; }

@compute @workgroup_size(16, 8)
fn liftPlanes(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_id) local: vec3u) {
  let place = placeOf(linearId(workgroup, grid), local, u32(settings.width));
  if (place.x >= settings.width || place.y >= settings.height) { return; }
  let pixel = place.y * settings.width + place.x;
  let which = chosen[pixel];
  found = nothingFound(which);
  if (which != 0u && loadPatch(place)) {
    openSearch(place, which);
    var begin = 0;
    var least = WORST;
    for (var i = 0; i < 4; i++) {
      let cost = coarseAt(aroundOf(i, place)).w;
      if (!areBelow(cost, least)) { continue; }
      least = bitcast<f32>(cost);
      begin = i;
    }
    // The plane that fitted best there is tried with all sources and tells which of them count.
    var isTold = false;
    for (var k = 0; k < 4; k++) {
      let there = aroundOf((begin + k) & 3, place);
      let bits = coarseAt(there);
      if (!areBelow(bits.w, WORST)) { continue; }
      if (!bitsAreFinite(bits.x) || !bitsAreFinite(bits.y) || !bitsAreFinite(bits.z)) { continue; }
      let slope = 0.5 * bitcast<vec2f>(bits.yz);
      let rho = bitcast<f32>(bits.x) + dot(slope, vec2f(place - 2 * there) - 0.5);
      if (isTold) {
        consider(vec3f(rho, slope));
      } else if (considerAll(vec3f(rho, slope))) {
        counted = bestSources();
        chosen[pixel] = counted;
        isTold = true;
      }
    }
  }
  planes[settings.base + pixel] = found;
}
