// The cost of a given plane a pixel, for every source.
//
// An invocation is a pixel of the reference; workgroups are tiles of 16 x 8, so that neighbours read neighbouring texels.
// Planes of NaN or infinity are told by their bits and cost WORST.
// Limits: 32 sources, 2^23 pixels a view, patches of up to 64 samples (groups <= 16).
//#include "./patch.wgsl"

struct CostSettings {
  first: i32, width: i32, height: i32, sources: i32,
  groups: i32, reach: f32, falloff: f32, minVariance: f32,
}

@group(0) @binding(0) var<uniform> settings: CostSettings;
@group(0) @binding(5) var<storage, read> planes: array<vec4u>; // [H, W] bits of rho, gx, gy, what is not read
@group(0) @binding(6) var<storage, read_write> costs: array<f32>; // [S, H, W]

@compute @workgroup_size(16, 8)
fn matchCosts(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_id) local: vec3u) {
  let place = placeOf(linearId(workgroup, grid), local, u32(settings.width));
  if (place.x >= settings.width || place.y >= settings.height) { return; }
  let pixel = place.y * settings.width + place.x;
  let bits = planes[pixel].xyz;
  let isFine = loadPatch(place) && bitsAreFinite(bits.x) && bitsAreFinite(bits.y) && bitsAreFinite(bits.z);
  for (var s = 0; s < settings.sources; s++) {
    var cost = WORST;
    if (isFine) { cost = sourceCost(s, vec2f(place), bitcast<vec3f>(bits)); }
    costs[s * settings.width * settings.height + pixel] = cost;
  }
}
