// Which pixels of a reference other views confirm, and where those say that the surface is.
//
// An invocation is a pixel of the reference; workgroups are tiles of 16 x 8. Sums go over the sources in their order: equal
// bytes in every run on a device. What planes hold is looked at by its bits: NaN and infinity are no surface.
// Floor: bytes; 16 a pixel and source read (cached where neighbours meet the same surface), 16 a pixel written.
// Limits: 2^23 pixels a view.
//#include "./tile.wgsl"

/// Vectors of a pair: three rows of [A | b] there, three back, then nine numbers of the rotation from the other to the
/// reference, fx, fy, cx, cy of the other, and three that are not used.
const PAIR = 10;

struct ConsistencySettings {
  first: i32, width: i32, height: i32, sources: i32, fx: f32, fy: f32, cx: f32, cy: f32,
  maxCost: f32, maxPixels: f32, maxDepth: f32, minCosine: f32, agree: i32,
}

@group(0) @binding(0) var<uniform> settings: ConsistencySettings;
@group(0) @binding(1) var<storage, read> planes: array<vec4u>; // [all pixels] bits of rho, gx, gy, cost, of all views
@group(0) @binding(2) var<storage, read> pairs: array<vec4f>; // [S, PAIR]
@group(0) @binding(3) var<storage, read> frames: array<u32>; // [S, 3] first pixel, width, height
@group(0) @binding(4) var<storage, read_write> fused: array<vec4f>; // [H, W] mean rho, gx, gy, others that agree

/// A plane that is a surface, by its bits.
fn isSurface(bits: vec4u) -> bool {
  let areFinite = bitsAreFinite(bits.x) && bitsAreFinite(bits.y) && bitsAreFinite(bits.z) && !bitsAreNan(bits.w);
  return areFinite && bitcast<f32>(bits.w) < settings.maxCost;
}

/// A pixel at an inverse depth in the other image, homogeneous; `row` is the first of three.
fn transfer(row: i32, x: f32, y: f32, rho: f32) -> vec3f {
  let point = vec4f(x, y, 1.0, rho);
  return vec3f(dot(pairs[row], point), dot(pairs[row + 1], point), dot(pairs[row + 2], point));
}

/// The inverse depth at which source s confirms the plane with this normal at a pixel, or 0.
fn confirmed(s: i32, pixel: vec2f, rho: f32, normal: vec3f) -> f32 {
  let pair = PAIR * s;
  let there = transfer(pair, pixel.x, pixel.y, rho);
  if (!isFinite(there.x) || !isFinite(there.y) || !isFinite(there.z) || !(there.z > 0.0)) { return 0.0; }
  let size = vec2f(f32(frames[3 * s + 1]), f32(frames[3 * s + 2]));
  let place = there.xy / there.z;
  if (!isFinite(place.x) || !isFinite(place.y)) { return 0.0; }
  if (!(all(place > vec2f(-0.5)) && all(place < size - 0.5))) { return 0.0; }
  let nearest = round(place);
  let bits = planes[i32(frames[3 * s]) + i32(nearest.y) * i32(frames[3 * s + 1]) + i32(nearest.x)];
  if (!isSurface(bits)) { return 0.0; }
  let other = bitcast<vec3f>(bits.xyz);
  let otherRho = other.x + dot(other.yz, place - nearest);
  // The other's point, seen from here.
  let back = transfer(pair + 3, place.x, place.y, otherRho);
  if (!isFinite(otherRho) || !isFinite(back.z) || !(otherRho > 0.0 && back.z > 0.0)) { return 0.0; }
  let backRho = otherRho / back.z;
  if (!isFinite(backRho) || !(abs(backRho - rho) <= settings.maxDepth * rho)) { return 0.0; }
  let miss = back.xy / back.z - pixel;
  let distance = dot(miss, miss);
  if (!isFinite(distance) || !(distance <= settings.maxPixels * settings.maxPixels)) { return 0.0; }
  let a = pairs[pair + 6];
  let b = pairs[pair + 7];
  let c = pairs[pair + 8];
  let centre = vec2f(c.w, pairs[pair + 9].x);
  let slant = vec3f(other.yz * c.yz, otherRho - dot(other.yz, place + 0.5 - centre));
  let turned = vec3f(dot(a.xyz, slant), dot(vec3f(a.w, b.xy), slant), dot(vec3f(b.zw, c.x), slant));
  let cosine = dot(normal, turned);
  let least = settings.minCosine * length(normal) * length(slant);
  return select(0.0, backRho, isFinite(cosine) && isFinite(least) && cosine >= least);
}

@compute @workgroup_size(16, 8)
fn checkConsistency(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_id) local: vec3u) {
  let place = placeOf(linearId(workgroup, grid), local, u32(settings.width));
  if (place.x >= settings.width || place.y >= settings.height) { return; }
  let pixel = place.y * settings.width + place.x;
  let bits = planes[settings.first + pixel];
  let plane = bitcast<vec3f>(bits.xyz);
  var sum = plane.x;
  var count = 0;
  if (isSurface(bits)) {
    // The normal, away from the camera.
    let point = vec2f(place) + 0.5 - vec2f(settings.cx, settings.cy);
    let normal = vec3f(plane.yz * vec2f(settings.fx, settings.fy), plane.x - dot(plane.yz, point));
    for (var s = 0; s < settings.sources; s++) {
      let rho = confirmed(s, vec2f(place), plane.x, normal);
      if (rho > 0.0) {
        sum += rho;
        count++;
      }
    }
  }
  fused[pixel] = vec4f(sum / f32(count + 1), plane.yz, select(0.0, f32(count), count >= settings.agree));
}
