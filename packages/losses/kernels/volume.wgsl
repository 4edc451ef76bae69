// Mean over Gaussians of the product of their three scales, and its gradient.
//
// An invocation takes a row at a time, a workgroup ROWS of them. Sums are single precision: eight rows an invocation, then
// a tree, then over workgroups, whose number depends on the capacity alone: equal bytes every time. `count` is read here:
// rows behind it are not in use.
// Floor for G rows: forward reads 12 G bytes, backward moves 36 G.
// Limits: 2^30 rows.
//#include "../../tensor/kernels/common.wgsl"
//#include "./sums.wgsl"

const THREADS = 256u;
const ROWS = 2048u;

struct SumSettings { capacity: u32 }
struct MeanSettings { capacity: u32, workgroups: u32 }
struct BackwardSettings { capacity: u32, weight: f32 }

@group(0) @binding(0) var<uniform> sumSettings: SumSettings;
@group(0) @binding(0) var<uniform> meanSettings: MeanSettings;
@group(0) @binding(0) var<uniform> backwardSettings: BackwardSettings;

@group(0) @binding(1) var<storage, read> scales: array<f32>; // [capacity, 3]
@group(0) @binding(2) var<storage, read> count: array<u32>; // [1]
@group(0) @binding(3) var<storage, read_write> partials: array<f32>; // [workgroups]
@group(0) @binding(1) var<storage, read> sums: array<f32>; // the same
@group(0) @binding(3) var<storage, read_write> mean: array<f32>; // [1]
@group(0) @binding(3) var<storage, read_write> vScales: array<f32>; // [capacity, 3]

/// partials[workgroup] = sum of the products of its rows
@compute @workgroup_size(256)
fn sumVolumes(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let block = linearId(workgroup, grid);
  let end = min(min(count[0], sumSettings.capacity), (block + 1u) * ROWS);
  var sum = 0.0;
  for (var i = block * ROWS + local; i < end; i += THREADS) {
    sum += scales[3u * i] * scales[3u * i + 1u] * scales[3u * i + 2u];
  }
  let total = sumOfWorkgroup(vec4f(sum, 0, 0, 0), local, THREADS);
  if (local == 0u && block * ROWS < sumSettings.capacity) { partials[block] = total.x; }
}

/// mean[0] = the sum of the partials over the number of rows in use; 0 when there are none. One workgroup.
@compute @workgroup_size(256)
fn meanVolume(@builtin(local_invocation_index) local: u32) {
  let n = min(count[0], meanSettings.capacity);
  var sum = 0.0;
  for (var i = local; i < meanSettings.workgroups; i += THREADS) { sum += sums[i]; }
  let total = sumOfWorkgroup(vec4f(sum, 0, 0, 0), local, THREADS).x;
  if (local != 0u) { return; }
  if (n > 0u) { mean[0] = total / f32(n); } else { mean[0] = 0.0; }
}

/// vScales += weight times the gradient of the mean. A row an invocation.
@compute @workgroup_size(256)
fn volumeBackward(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let n = min(count[0], backwardSettings.capacity);
  let i = linearId(workgroup, grid) * THREADS + local;
  if (i >= n) { return; }
  let each = backwardSettings.weight / f32(n);
  let x = scales[3u * i];
  let y = scales[3u * i + 1u];
  let z = scales[3u * i + 2u];
  vScales[3u * i] += each * (y * z);
  vScales[3u * i + 1u] += each * (x * z);
  vScales[3u * i + 2u] += each * (x * y);
}
