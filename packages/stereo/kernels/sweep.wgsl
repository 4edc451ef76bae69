// Takes better planes from pixels around, eight regions that reach `far` steps out or the four nearest pixels (far = 0),
// then tries the best with another depth (by up to depthScale), another slant (by up to slantScale) and both, and
// `randoms` random planes.
//
// An invocation is a pixel of one colour of the checkerboard; workgroups are tiles of 16 x 8 of them, so that neighbours
// read neighbouring texels. Only pixels of the other colour are read, and random numbers depend on seed and pixel alone:
// equal bytes in every run on a device.
// Limits: 32 sources, 2^23 pixels a view, patches of up to 64 samples (groups <= 16).
//#include "./search.wgsl"

struct SweepSettings {
  base: i32, first: i32, width: i32, height: i32, sources: i32, best: i32,
  groups: i32, reach: f32, falloff: f32, minVariance: f32,
  fx: f32, fy: f32, cx: f32, cy: f32, farthest: f32, nearest: f32,
  seed: u32, colour: i32, far: i32, depthScale: f32, slantScale: f32, randoms: i32,
}

@group(0) @binding(0) var<uniform> settings: SweepSettings;
@group(0) @binding(5) var<storage, read_write> planes: array<vec4f>; // [pixels] rho, gx, gy, cost; from base on
@group(0) @binding(6) var<storage, read> chosen: array<u32>; // [H, W] one bit a source that counts

/// Regions 0 to 3: odd distances to the left, right, up, down. 4 to 7: a few pixels of each quadrant.
fn stepOf(region: i32, i: i32) -> vec2i {
  if (region >= 4) {
    let step = vec2i((i & 1) + 1, 2 - (i & 1)) + (i >> 1u);
    return select(-step, step, (vec2i(region) & vec2i(1, 2)) != vec2i(0));
  }
  let far = select(-1 - 2 * i, 1 + 2 * i, (region & 1) != 0);
  return select(vec2i(0, far), vec2i(far, 0), region < 2);
}

/// Considers the plane of the pixel of least cost in a region.
fn considerRegion(region: i32, place: vec2i) {
  let here = settings.base + place.y * settings.width + place.x;
  var least = WORST;
  var best = vec2i(0);
  let steps = select(4, max(settings.far, 1), region < 4);
  for (var i = 0; i < steps; i++) {
    let step = stepOf(region, i);
    let there = place + step;
    if (any(there < vec2i(0)) || there.x >= settings.width || there.y >= settings.height) { continue; }
    let cost = planes[here + step.y * settings.width + step.x].w;
    if (isNan(cost) || !(cost < least)) { continue; }
    least = cost;
    best = step;
  }
  if (all(best == vec2i(0))) { return; }
  let other = planes[here + best.y * settings.width + best.x];
  consider(vec3f(other.x - dot(other.yz, vec2f(best)), other.yz));
}

/// Considers the best plane with its inverse depth and its normal moved.
fn considerNear(depth: f32, slant: vec2f) {
  let m = found.yz * vec2f(settings.fx, settings.fy);
  let mz = found.x - dot(m, ray);
  let rho = found.x + depth;
  // A normal that points sideways has no such slants: only its depth changes.
  if (mz > 1e-3 * found.x) {
    considerSlant(rho, m / mz - ray + slant);
  } else {
    consider(vec3f(rho, found.yz * (rho / found.x)));
  }
}

@compute @workgroup_size(16, 8)
fn sweepPlanes(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_id) local: vec3u) {
  var place = placeOf(linearId(workgroup, grid), local, divideUp(u32(settings.width), 2u));
  place.x = 2 * place.x + ((place.y + settings.colour) & 1);
  if (place.x >= settings.width || place.y >= settings.height) { return; }
  let pixel = place.y * settings.width + place.x;
  let which = chosen[pixel];
  if (which == 0u || !loadPatch(place)) { return; }
  openSearch(place, which);
  found = planes[settings.base + pixel];

  let regions = select(4, 8, settings.far > 0);
  for (var region = 0; region < regions; region++) { considerRegion(region, place); }

  openStream(settings.seed, pixel);
  for (var i = 0; i < 3; i++) {
    // Always three numbers, so that the next ones do not depend on what was used.
    let depth = settings.depthScale * nextRandom();
    let slantX = settings.slantScale * nextRandom();
    let slantY = settings.slantScale * nextRandom();
    considerNear(select(depth, 0.0, i == 1), select(vec2f(slantX, slantY), vec2f(0), i == 0));
  }
  for (var i = 0; i < settings.randoms; i++) {
    let rho = settings.farthest + (settings.nearest - settings.farthest) * (0.5 + 0.5 * nextRandom());
    considerSlant(rho, nextSlant());
  }
  planes[settings.base + pixel] = found;
}
