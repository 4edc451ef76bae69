// The best of `tries` random planes a pixel, evenly over the range of inverse depth.
//
// An invocation is a pixel of the reference; workgroups are tiles of 16 x 8, so that neighbours read neighbouring texels.
// Random numbers depend on seed and pixel alone: equal bytes in every run on a device.
// Limits: 32 sources, 2^23 pixels a view, patches of up to 64 samples (groups <= 16).
//#include "./search.wgsl"

struct SeedSettings {
  base: i32, first: i32, width: i32, height: i32, sources: i32, best: i32,
  groups: i32, reach: f32, falloff: f32, minVariance: f32,
  fx: f32, fy: f32, cx: f32, cy: f32, farthest: f32, nearest: f32,
  seed: u32, tries: i32,
}

@group(0) @binding(0) var<uniform> settings: SeedSettings;
@group(0) @binding(5) var<storage, read_write> planes: array<vec4f>; // [pixels] rho, gx, gy, cost; from base on
@group(0) @binding(6) var<storage, read> chosen: array<u32>; // [H, W] one bit a source that counts

@compute @workgroup_size(16, 8)
fn seedPlanes(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_id) local: vec3u) {
  let place = placeOf(linearId(workgroup, grid), local, u32(settings.width));
  if (place.x >= settings.width || place.y >= settings.height) { return; }
  let pixel = place.y * settings.width + place.x;
  let which = chosen[pixel];
  found = nothingFound(which);
  if (which != 0u && loadPatch(place)) {
    openSearch(place, which);
    openStream(settings.seed, pixel);
    let step = (settings.nearest - settings.farthest) / f32(settings.tries);
    for (var i = 0; i < settings.tries; i++) {
      let rho = settings.farthest + step * (f32(i) + 0.5 + 0.5 * nextRandom());
      considerSlant(rho, nextSlant());
    }
  }
  planes[settings.base + pixel] = found;
}
