// Gaussians of the visible anchors out of what the decoders say, forward and backward, and statistics for growing.
//
// No kernel may bind more than eight buffers, so that means are apart from shapes (scales and quaternions), and what is
// counted by anchor from what is by Gaussian. A workgroup has `share` consecutive visible anchors with k Gaussians each,
// and goes over their values in turns; rows of 7 are written by way of workgroup memory, so that global memory is written
// in whole lines. Sums over an anchor's Gaussians are taken by one invocation in their order: no atomics, the same bytes in
// every run. Rows behind count[0] are left alone.
// Floor: bytes; 80 a Gaussian forward, 120 backward. Workgroup memory: 7 KiB. Limits: 2^28 Gaussians.
//#include "../../tensor/kernels/common.wgsl"

const THREADS = 256u;

struct ShareSettings { rows: u32, k: u32, share: u32 }
/// `trains`: whether there is a gradient of the scaling to add to.
struct BackwardSettings { rows: u32, k: u32, share: u32, trains: u32 }
struct GrowthSettings { rows: u32, k: u32 }
struct SumSettings { rows: u32, width: u32 }

@group(0) @binding(0) var<uniform> shareSettings: ShareSettings;
@group(0) @binding(0) var<uniform> backwardSettings: BackwardSettings;
@group(0) @binding(0) var<uniform> growthSettings: GrowthSettings;
@group(0) @binding(0) var<uniform> sumSettings: SumSettings;
@group(0) @binding(1) var<storage, read> count: array<u32>; // [1]
@group(0) @binding(2) var<storage, read> indices: array<u32>; // [rows]
@group(0) @binding(3) var<storage, read> logScaling: array<f32>; // [anchors, 6]

@group(0) @binding(4) var<storage, read> positions: array<f32>; // [anchors, 3]
@group(0) @binding(5) var<storage, read> offset: array<f32>; // [rows k, 3]
@group(0) @binding(6) var<storage, read_write> means: array<f32>; // [rows k, 3]
@group(0) @binding(7) var<storage, read_write> total: array<u32>; // [1]

@group(0) @binding(4) var<storage, read> cov: array<f32>; // [rows k, 7]
@group(0) @binding(5) var<storage, read_write> scales: array<f32>; // [rows k, 3]
@group(0) @binding(6) var<storage, read_write> quats: array<vec4f>; // [rows k]

@group(0) @binding(4) var<storage, read> vMeans: array<f32>; // [rows k, 3]
@group(0) @binding(6) var<storage, read_write> vOffset: array<f32>; // [rows k, 3]
@group(0) @binding(8) var<storage, read_write> vLogScaling: array<f32>; // [anchors, 6]

@group(0) @binding(5) var<storage, read> vScales: array<f32>; // [rows k, 3]
@group(0) @binding(6) var<storage, read> vQuats: array<vec4f>; // [rows k]
@group(0) @binding(7) var<storage, read_write> vCov: array<f32>; // [rows k, 7]

@group(0) @binding(3) var<storage, read> opacities: array<f32>; // [rows k]
@group(0) @binding(4) var<storage, read_write> visits: array<u32>; // [anchors]
@group(0) @binding(5) var<storage, read_write> opacitySums: array<f32>; // [anchors]

@group(0) @binding(3) var<storage, read> radii: array<i32>; // [rows k]
@group(0) @binding(4) var<storage, read> vMeans2d: array<vec2f>; // [rows k]
@group(0) @binding(5) var<storage, read> drawn: array<f32>; // [rows k, 3] the means
@group(0) @binding(6) var<storage, read_write> counts: array<u32>; // [anchors, k]
@group(0) @binding(7) var<storage, read_write> maxGradients: array<f32>; // [anchors, k]
@group(0) @binding(8) var<storage, read_write> maxMeans: array<f32>; // [anchors, k, 3]

@group(0) @binding(2) var<storage, read> more: array<f32>; // [rows, width]
@group(0) @binding(3) var<storage, read_write> sums: array<f32>; // [rows, width]

var<workgroup> rowsOf7: array<f32, 7u * THREADS>;

/// Rows of a workgroup, [first, end).
struct Share { first: u32, end: u32 }

fn shareOf(block: u32, rows: u32, share: u32) -> Share {
  let used = min(count[0], rows);
  let first = min(used, block * share);
  return Share(first, min(used, first + share));
}

// Some implementations lose NaN in exp.

fn exponential(x: f32) -> f32 { return select(exp(x), x, isNan(x)); }

fn share01(x: f32) -> f32 { return select(sigmoid(x), x, isNan(x)); }

/// The part of cov behind the logits.
fn quatAt(g: u32) -> vec4f { return vec4f(cov[7u * g + 3u], cov[7u * g + 4u], cov[7u * g + 5u], cov[7u * g + 6u]); }

/// An invocation a coordinate.
@compute @workgroup_size(256)
fn assembleMeans(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let block = linearId(workgroup, grid);
  let k = shareSettings.k;
  let part = shareOf(block, shareSettings.rows, shareSettings.share);
  if (block == 0u && local == 0u) { total[0] = min(count[0], shareSettings.rows) * k; }
  for (var i = part.first * k * 3u + local; i < part.end * k * 3u; i += THREADS) {
    let g = i / 3u;
    let axis = i - 3u * g;
    let anchor = indices[g / k];
    means[i] = positions[3u * anchor + axis] + offset[i] * exponential(logScaling[6u * anchor + axis]);
  }
}

/// An invocation a Gaussian.
@compute @workgroup_size(256)
fn assembleShapes(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let k = shareSettings.k;
  let part = shareOf(linearId(workgroup, grid), shareSettings.rows, shareSettings.share);
  for (var g = part.first * k + local; g < part.end * k; g += THREADS) {
    let q = quatAt(g);
    quats[g] = q / max(sqrt(dot(q, q)), 1e-12);
  }
  for (var i = part.first * k * 3u + local; i < part.end * k * 3u; i += THREADS) {
    let g = i / 3u;
    let axis = i - 3u * g;
    scales[i] = exponential(logScaling[6u * indices[g / k] + 3u + axis]) * share01(cov[7u * g + axis]);
  }
}

/// Writes vOffset, and adds to the spread of vLogScaling.
@compute @workgroup_size(256)
fn assembleMeansBackward(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let k = backwardSettings.k;
  let part = shareOf(linearId(workgroup, grid), backwardSettings.rows, backwardSettings.share);
  for (var i = part.first * k * 3u + local; i < part.end * k * 3u; i += THREADS) {
    let g = i / 3u;
    vOffset[i] = vMeans[i] * exponential(logScaling[6u * indices[g / k] + i - 3u * g]);
  }
  if (backwardSettings.trains == 0u) { return; }
  // An invocation a coordinate of an anchor; what it reads was read above.
  for (var i = local; i < (part.end - part.first) * 3u; i += THREADS) {
    let row = part.first + i / 3u;
    let axis = i % 3u;
    var sum = 0.0;
    for (var g = row * k; g < (row + 1u) * k; g++) { sum += vMeans[3u * g + axis] * offset[3u * g + axis]; }
    let place = 6u * indices[row] + axis;
    vLogScaling[place] += sum * exponential(logScaling[place]);
  }
}

/// Writes vCov, and adds to the size of vLogScaling. An invocation a Gaussian.
@compute @workgroup_size(256)
fn assembleShapesBackward(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let k = backwardSettings.k;
  let part = shareOf(linearId(workgroup, grid), backwardSettings.rows, backwardSettings.share);
  let end = part.end * k;
  for (var start = part.first * k; start < end; start += THREADS) {
    let g = start + local;
    if (g < end) {
      let scaling = 6u * indices[g / k] + 3u;
      for (var axis = 0u; axis < 3u; axis++) {
        let share = share01(cov[7u * g + axis]);
        rowsOf7[7u * local + axis] = vScales[3u * g + axis] * share * exponential(logScaling[scaling + axis]) * (1.0 - share);
      }
      let q = quatAt(g);
      var v = vQuats[g];
      let norm = sqrt(dot(q, q));
      let divisor = max(norm, 1e-12);
      if (norm > 1e-12) {
        // The part of v along the unit quaternion does not change it.
        let unit = q / divisor;
        v -= unit * dot(unit, v);
      }
      v /= divisor;
      rowsOf7[7u * local + 3u] = v.x;
      rowsOf7[7u * local + 4u] = v.y;
      rowsOf7[7u * local + 5u] = v.z;
      rowsOf7[7u * local + 6u] = v.w;
    }
    workgroupBarrier();
    let n = 7u * min(THREADS, end - start);
    for (var i = local; i < n; i += THREADS) { vCov[7u * start + i] = rowsOf7[i]; }
    workgroupBarrier();
  }
  if (backwardSettings.trains == 0u) { return; }
  for (var i = local; i < (part.end - part.first) * 3u; i += THREADS) {
    let row = part.first + i / 3u;
    let axis = i % 3u;
    var sum = 0.0;
    for (var g = row * k; g < (row + 1u) * k; g++) { sum += vScales[3u * g + axis] * share01(cov[7u * g + axis]); }
    let place = 6u * indices[row] + 3u + axis;
    vLogScaling[place] += sum * exponential(logScaling[place]);
  }
}

/// One step of what is counted by anchor. An invocation an anchor.
@compute @workgroup_size(256)
fn accumulateVisits(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let row = linearId(workgroup, grid) * THREADS + local;
  if (row >= min(count[0], growthSettings.rows)) { return; }
  let k = growthSettings.k;
  var sum = 0.0;
  for (var g = row * k; g < (row + 1u) * k; g++) {
    let opacity = opacities[g];
    if (opacity > 0.0) { sum += opacity; }
  }
  let anchor = indices[row];
  visits[anchor]++;
  opacitySums[anchor] += sum;
}

/// One step of what is counted by Gaussian. An invocation a Gaussian.
@compute @workgroup_size(256)
fn accumulateGradients(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let k = growthSettings.k;
  let g = linearId(workgroup, grid) * THREADS + local;
  if (k == 0u || g >= min(count[0], growthSettings.rows) * k || radii[g] <= 0) { return; }
  let row = g / k;
  let slot = indices[row] * k + (g - row * k);
  counts[slot]++;
  let v = vMeans2d[g];
  let gradient = sqrt(v.x * v.x + v.y * v.y);
  if (isFinite(gradient) && gradient > maxGradients[slot]) {
    maxGradients[slot] = gradient;
    for (var axis = 0u; axis < 3u; axis++) { maxMeans[3u * slot + axis] = drawn[3u * g + axis]; }
  }
}

/// sums += more, in the rows in use. An invocation an element.
@compute @workgroup_size(256)
fn addGradients(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let i = linearId(workgroup, grid) * THREADS + local;
  if (i < min(count[0], sumSettings.rows) * sumSettings.width) { sums[i] += more[i]; }
}
