// Projects Gaussians.
//
// An invocation is a Gaussian; workgroups of 256. `project` writes geometry: the radius and the sort key (bits of the depth,
// behind all others where culled) of all, the first two vectors of the record (layout.wgsl) of visible ones. `paint` adds
// colours, culls what has none, numbers the Gaussians for the sort and counts the visible ones, an atomic a workgroup; an
// invocation also empties the range of a tile.
// Two kernels, since one would need eleven buffers. Integer sums only: the result is always the same.
//#include "projection.wgsl"

@group(0) @binding(1) var<storage, read> means: array<f32>; // [G, 3]
@group(0) @binding(2) var<storage, read> quats: array<vec4f>; // [G, 4]
@group(0) @binding(3) var<storage, read> scales: array<f32>; // [G, 3]
@group(0) @binding(4) var<storage, read> opacities: array<f32>; // [G]
@group(0) @binding(5) var<storage, read> count: array<u32>; // [1], if given
@group(0) @binding(6) var<storage, read_write> records: array<vec4f>; // [G, 12]
@group(0) @binding(7) var<storage, read_write> radii: array<i32>; // [G]
@group(0) @binding(8) var<storage, read_write> keys: array<u32>; // [G]

@group(0) @binding(1) var<storage, read> colors: array<f32>; // [G, 3]
@group(0) @binding(2) var<storage, read_write> indices: array<u32>; // [G]
@group(0) @binding(3) var<storage, read_write> counters: array<atomic<u32>>; // zeros
@group(0) @binding(4) var<storage, read_write> finals: array<vec2u>; // [tiles + H W, 2], of which the ranges

/// Whether the square of half side `radius` around (u, v) meets a tile of the image.
fn meetsImage(u: f32, v: f32, radius: f32) -> bool {
  return u + radius >= 1.0f && v + radius >= 1.0f && floor((u - radius) * 0.0625f) * 16.0f < f32(settings.width) &&
      floor((v - radius) * 0.0625f) * 16.0f < f32(settings.height);
}

/// Whether [middle - half, middle + half] has a pixel centre of an image side.
fn holdsPixel(middle: f32, half: f32, size: u32) -> bool {
  return max(0.0f, ceil(middle - half)) <= min(f32(size) - 1.0f, floor(middle + half));
}

@compute @workgroup_size(256)
fn project(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let i = 256u * linearId(workgroup, grid) + thread;
  if (i >= settings.gaussians) { return; }
  radii[i] = 0;
  keys[i] = CULLED_KEY;
  if (settings.hasCount != 0u && i >= count[0]) { return; }
  let opacity = opacities[i];
  if (!finite(opacity)) { return; }
  let threeSigma = settings.threeSigma != 0u;
  let reaches = opacity >= settings.alphaMin;
  if (!(threeSigma || reaches)) { return; }
  let mean = vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]);
  let scale = vec3f(scales[3u * i], scales[3u * i + 1u], scales[3u * i + 2u]);
  let p = projectGaussian(mean, quats[i], scale);
  if (!p.visible) { return; }
  let half = 0.5f * (p.a - p.c);
  let size = ceil(3.0f * sqrt(0.5f * (p.a + p.c) + sqrt(max(0.1f, half * half + p.b * p.b))));
  if (!(finite(size) && size < 2147483648.0f)) { return; }
  let l = falloffOf(p);
  if (!finite3(l)) { return; }
  if (threeSigma) {
    if (!meetsImage(p.u, p.v, size)) { return; }
    radii[i] = i32(size);
    if (!reaches) { return; }
  }
  let level = log2(opacity);
  if (!threeSigma) {
    let spread = max(0.0f, level - settings.levelMin) / HALF_LOG2E;
    let inside = holdsPixel(p.u, sqrt(spread * p.a), settings.width) &&
        holdsPixel(p.v, sqrt(spread * p.c), settings.height);
    if (!inside) { return; }
    radii[i] = i32(size);
  }
  keys[i] = bitcast<u32>(p.z);
  records[RECORD_VECTORS * i] = vec4f(p.u, p.v, l.x, l.y);
  records[RECORD_VECTORS * i + 1u] = vec4f(l.z, level, p.z, select(1e9f, size, threeSigma));
}

var<workgroup> visible: atomic<u32>;

@compute @workgroup_size(256)
fn paint(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let i = 256u * linearId(workgroup, grid) + thread;
  if (i < settings.tiles) { finals[i] = vec2u(0u); }
  if (i < settings.gaussians) {
    indices[i] = i;
    if (radii[i] != 0) {
      let color = vec3f(colors[3u * i], colors[3u * i + 1u], colors[3u * i + 2u]);
      if (!finite3(color)) {
        radii[i] = 0;
        keys[i] = CULLED_KEY;
      } else if (keys[i] != CULLED_KEY) {
        records[RECORD_VECTORS * i + 2u] = vec4f(color, 0.0f);
        atomicAdd(&visible, 1u);
      }
    }
  }
  workgroupBarrier();
  if (thread == 0u) {
    let some = atomicLoad(&visible);
    if (some > 0u) { atomicAdd(&counters[VISIBLE], some); }
  }
}
