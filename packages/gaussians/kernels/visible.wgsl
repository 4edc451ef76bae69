// Which anchors a pinhole view may show, of one view or of any of several, as an ascending list.
//
// An anchor is a Gaussian with scales exp(logScaling[0..2]); it is visible when it lies behind the near plane and the
// square of its three-sigma radius meets a tile of the image. A workgroup has 1024 anchors, an invocation four of them.
// `markVisible` writes a word of flags for each 32 and how many the workgroup found; in `listVisible` a workgroup adds up
// the counts before its own and lists its anchors. Bits are set by atomics in workgroup memory, whose order does not matter.
// Formulas are those of the other devices in their order, but a compiler may fuse operations. NaN anywhere makes an anchor
// invisible: inputs and what may come out of infinite ones are looked at by their bits.
// Floor: 36 bytes an anchor (52 with rotations), 4 for each that is visible.
// Limits: the sum of counts is quadratic in workgroups, 4 MB of cached reads for a million anchors.
//#include "../../tensor/kernels/common.wgsl"

const THREADS = 256u;
const ANCHORS = 1024u;
const WORDS = 32u;
/// Numbers of a view: worldToCamera, fx, fy, cx, cy, width, height.
const VIEW = 18u;
const TILE = 16.0;

/// `rotated`: whether `rotations` are what their name says.
struct MarkSettings { anchors: u32, views: u32, rotated: u32, near: f32, dilation: f32 }
struct ListSettings { workgroups: u32 }

@group(0) @binding(0) var<uniform> markSettings: MarkSettings;
@group(0) @binding(0) var<uniform> listSettings: ListSettings;
@group(0) @binding(1) var<storage, read> positions: array<f32>; // [anchors, 3]
@group(0) @binding(2) var<storage, read> logScaling: array<f32>; // [anchors, 6]
@group(0) @binding(3) var<storage, read> rotations: array<vec4f>; // [anchors] w x y z
@group(0) @binding(4) var<storage, read> views: array<f32>; // [views, VIEW]
@group(0) @binding(5) var<storage, read_write> flags: array<u32>; // [workgroups, WORDS]
@group(0) @binding(6) var<storage, read_write> counts: array<u32>; // [workgroups]

@group(0) @binding(1) var<storage, read> marked: array<u32>; // the flags
@group(0) @binding(2) var<storage, read> found: array<u32>; // the counts
@group(0) @binding(3) var<storage, read_write> indices: array<u32>; // [anchors]
@group(0) @binding(4) var<storage, read_write> count: array<u32>; // [1]

var<workgroup> words: array<atomic<u32>, WORDS>;
var<workgroup> starts: array<u32, WORDS>;
var<workgroup> partials: array<u32, THREADS>;

fn areFinite(v: vec3f) -> bool { return isFinite(v.x) && isFinite(v.y) && isFinite(v.z); }

/// exp, bounded to normal numbers.
fn exponential(x: f32) -> f32 {
  if (x < -87.33654022216797) { return 0.0; }
  let y = min(x, 88.72283172607422);
  let n = round(y * 1.44269504088896341);
  let r = (y - n * 0.693359375) - n * -2.12194440e-4;
  var p = 1.9875691500e-4;
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  p = r * r * p + r + 1.0;
  let k = i32(n);
  let half = k >> 1u;
  return p * bitcast<f32>((half + 127) << 23u) * bitcast<f32>((k - half + 127) << 23u);
}

/// The part of `rows`, the two rows of J W, turned as the anchor is.
fn turned(rows: mat2x3f, quaternion: vec4f) -> mat2x3f {
  let q = quaternion / max(sqrt(dot(quaternion, quaternion)), 1e-12);
  let w = q.x;
  let x = q.y;
  let y = q.z;
  let z = q.w;
  let first = vec3f(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y));
  let second = vec3f(2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x));
  let third = vec3f(2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y));
  return mat2x3f(
      dot(rows[0], first), dot(rows[0], second), dot(rows[0], third),
      dot(rows[1], first), dot(rows[1], second), dot(rows[1], third));
}

fn tileOf(coordinate: f32, tiles: f32) -> f32 { return clamp(floor(coordinate / TILE), 0.0, tiles); }

/// Whether the view at views[v] shows an anchor.
fn sees(v: u32, position: vec3f, scales: vec3f, quaternion: vec4f) -> bool {
  let toX = vec4f(views[v], views[v + 1u], views[v + 2u], views[v + 3u]);
  let toY = vec4f(views[v + 4u], views[v + 5u], views[v + 6u], views[v + 7u]);
  let toZ = vec4f(views[v + 8u], views[v + 9u], views[v + 10u], views[v + 11u]);
  let z = dot(toZ.xyz, position) + toZ.w;
  if (!isFinite(z) || !(z > markSettings.near)) { return false; }
  let focal = vec2f(views[v + 12u], views[v + 13u]);
  let size = vec2f(views[v + 16u], views[v + 17u]);
  // Where the inverse would be no normal number, both are brought nearer first.
  let nearer = select(1.0, 1e-20, z > 1e30);
  let perspective = 1.0 / (z * nearer);
  let uv = vec2f(dot(toX.xyz, position) + toX.w, dot(toY.xyz, position) + toY.w) * nearer * perspective;
  let inverse = perspective * nearer;
  let limit = 1.3 * size / (2.0 * focal);

  // Rows of J W, then their product with the anchor's rotation and scales.
  let j = focal * inverse;
  let k = -j * clamp(uv, -limit, limit);
  var rows = mat2x3f(j.x * toX.xyz + k.x * toZ.xyz, j.y * toY.xyz + k.y * toZ.xyz);
  if (markSettings.rotated != 0u) { rows = turned(rows, quaternion); }
  let first = rows[0] * scales;
  let second = rows[1] * scales;
  let a = dot(first, first) + markSettings.dilation;
  let b = dot(first, second);
  let c = dot(second, second) + markSettings.dilation;
  // half^2 + b^2 is mid^2 - det without the cancellation, which long needles do not survive.
  let half = 0.5 * (a - c);
  let square = half * half + b * b;
  let lambda = 0.5 * (a + c) + sqrt(max(0.1, square));
  let radius = ceil(3.0 * sqrt(lambda));
  let center = focal * uv + vec2f(views[v + 14u], views[v + 15u]) - 0.5;
  if (isNan(square) || isNan(lambda) || isNan(center.x) || isNan(center.y)) { return false; }

  let tiles = floor((size + TILE - 1.0) / TILE);
  let left = tileOf(center.x - radius, tiles.x);
  let right = tileOf(center.x + radius + TILE - 1.0, tiles.x);
  let top = tileOf(center.y - radius, tiles.y);
  let bottom = tileOf(center.y + radius + TILE - 1.0, tiles.y);
  return right > left && bottom > top;
}

fn isVisible(anchor: u32) -> bool {
  if (anchor >= markSettings.anchors) { return false; }
  let position = vec3f(positions[3u * anchor], positions[3u * anchor + 1u], positions[3u * anchor + 2u]);
  let logs = vec3f(logScaling[6u * anchor], logScaling[6u * anchor + 1u], logScaling[6u * anchor + 2u]);
  if (!areFinite(position) || isNan(logs.x) || isNan(logs.y) || isNan(logs.z)) { return false; }
  var quaternion = vec4f(1, 0, 0, 0);
  if (markSettings.rotated != 0u) {
    quaternion = rotations[anchor];
    if (!areFinite(quaternion.xyz) || !isFinite(quaternion.w)) { return false; }
  }
  let scales = vec3f(exponential(logs.x), exponential(logs.y), exponential(logs.z));
  for (var view = 0u; view < markSettings.views; view++) {
    if (sees(view * VIEW, position, scales, quaternion)) { return true; }
  }
  return false;
}

@compute @workgroup_size(256)
fn markVisible(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let block = linearId(workgroup, grid);
  if (local < WORDS) { atomicStore(&words[local], 0u); }
  workgroupBarrier();
  for (var i = local; i < ANCHORS; i += THREADS) {
    if (isVisible(block * ANCHORS + i)) { atomicOr(&words[i / 32u], 1u << (i & 31u)); }
  }
  workgroupBarrier();
  if (block * ANCHORS >= markSettings.anchors) { return; }
  if (local < WORDS) { flags[block * WORDS + local] = atomicLoad(&words[local]); }
  if (local == 0u) {
    var sum = 0u;
    for (var i = 0u; i < WORDS; i++) { sum += countOneBits(atomicLoad(&words[i])); }
    counts[block] = sum;
  }
}

/// Lists what is flagged. Workgroups are those of `markVisible`, or one where there are none.
@compute @workgroup_size(256)
fn listVisible(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let block = linearId(workgroup, grid);
  let blocks = listSettings.workgroups;
  if (block >= max(blocks, 1u)) { return; }
  var before = 0u;
  for (var other = local; other < block; other += THREADS) { before += found[other]; }
  partials[local] = before;
  if (local < WORDS) {
    // The bits of this word, and how many come before them.
    var sum = 0u;
    var word = 0u;
    if (block < blocks) {
      for (var i = 0u; i < local; i++) { sum += countOneBits(marked[block * WORDS + i]); }
      word = marked[block * WORDS + local];
    }
    starts[local] = sum;
    atomicStore(&words[local], word);
  }
  workgroupBarrier();
  for (var step = THREADS / 2u; step > 0u; step /= 2u) {
    if (local < step) { partials[local] += partials[local + step]; }
    workgroupBarrier();
  }
  let first = partials[0];
  if (local == 0u && block + 1u >= blocks) {
    count[0] = first + starts[WORDS - 1u] + countOneBits(atomicLoad(&words[WORDS - 1u]));
  }
  for (var i = local; i < ANCHORS; i += THREADS) {
    let word = atomicLoad(&words[i / 32u]);
    let bit = 1u << (i & 31u);
    if ((word & bit) != 0u) {
      indices[first + starts[i / 32u] + countOneBits(word & (bit - 1u))] = block * ANCHORS + i;
    }
  }
}
