// out = M (r, g, b, 1) for every pixel, and its gradients.
//
// An invocation takes a pixel at a time, a workgroup BLOCK of them backward. The twelve sums of vMatrix are single
// precision: over the 16 pixels of an invocation, then a tree, then over workgroups, whose number depends on the image
// alone: equal bytes every time.
// Floor for n pixels: forward moves 24 n bytes, backward 36 n.
// Limits: 2^29 pixels.
//#include "../../tensor/kernels/common.wgsl"
//#include "./sums.wgsl"

const THREADS = 256u;
/// Pixels of a workgroup.
const BLOCK = 4096u;

/// The camera is `camera`, or, where `isOnDevice`, cameras[0], at most `camera`.
struct ApplySettings { pixels: u32, camera: u32, isOnDevice: u32 }
struct AddSettings { workgroups: u32, camera: u32, isOnDevice: u32 }
struct CentreSettings { cameras: u32 }

@group(0) @binding(0) var<uniform> applySettings: ApplySettings;
@group(0) @binding(0) var<uniform> addSettings: AddSettings;
@group(0) @binding(0) var<uniform> centreSettings: CentreSettings;

@group(0) @binding(1) var<storage, read> image: array<f32>; // [pixels, 3]
@group(0) @binding(2) var<storage, read> matrices: array<vec4f>; // [cameras, 3] rows
@group(0) @binding(3) var<storage, read> vOut: array<f32>; // [pixels, 3]
@group(0) @binding(4) var<storage, read_write> vImage: array<f32>; // [pixels, 3]
@group(0) @binding(5) var<storage, read_write> partials: array<vec4f>; // [workgroups, 3]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [pixels, 3]
@group(0) @binding(1) var<storage, read> sums: array<vec4f>; // [workgroups, 3]
@group(0) @binding(2) var<storage, read_write> vMatrices: array<vec4f>; // [cameras, 3] rows
@group(0) @binding(6) var<storage, read> cameras: array<u32>; // [1]
@group(0) @binding(1) var<storage, read_write> centred: array<vec4f>; // [cameras, 3] rows

/// Where the rows of the camera's matrix begin.
fn rowsOf(camera: u32, isOnDevice: u32) -> u32 {
  if (isOnDevice != 0u) { return 3u * min(cameras[0], camera); }
  return 3u * camera;
}

@compute @workgroup_size(256)
fn apply(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let i = linearId(workgroup, grid) * THREADS + local;
  if (i >= applySettings.pixels) { return; }
  let p = vec4f(image[3u * i], image[3u * i + 1u], image[3u * i + 2u], 1);
  let rows = rowsOf(applySettings.camera, applySettings.isOnDevice);
  out[3u * i] = dot(matrices[rows], p);
  out[3u * i + 1u] = dot(matrices[rows + 1u], p);
  out[3u * i + 2u] = dot(matrices[rows + 2u], p);
}

/// Writes vImage; partials[workgroup] = its part of the gradient of the matrix
@compute @workgroup_size(256)
fn applyBackward(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let block = linearId(workgroup, grid);
  let rows = rowsOf(applySettings.camera, applySettings.isOnDevice);
  let r = matrices[rows].xyz;
  let g = matrices[rows + 1u].xyz;
  let b = matrices[rows + 2u].xyz;
  let end = min(applySettings.pixels, (block + 1u) * BLOCK);
  var ofR = vec4f(0);
  var ofG = vec4f(0);
  var ofB = vec4f(0);
  for (var i = block * BLOCK + local; i < end; i += THREADS) {
    let p = vec4f(image[3u * i], image[3u * i + 1u], image[3u * i + 2u], 1);
    let v = vec3f(vOut[3u * i], vOut[3u * i + 1u], vOut[3u * i + 2u]);
    ofR += v.x * p;
    ofG += v.y * p;
    ofB += v.z * p;
    let back = v.x * r + v.y * g + v.z * b;
    vImage[3u * i] = back.x;
    vImage[3u * i + 1u] = back.y;
    vImage[3u * i + 2u] = back.z;
  }
  ofR = sumOfWorkgroup(ofR, local, THREADS);
  ofG = sumOfWorkgroup(ofG, local, THREADS);
  ofB = sumOfWorkgroup(ofB, local, THREADS);
  if (local == 0u && block * BLOCK < applySettings.pixels) {
    partials[3u * block] = ofR;
    partials[3u * block + 1u] = ofG;
    partials[3u * block + 2u] = ofB;
  }
}

/// Adds the sums of all workgroups to the matrix of the camera. Three workgroups, a row of it each.
@compute @workgroup_size(256)
fn addPartials(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
  var sum = vec4f(0);
  for (var i = local; i < addSettings.workgroups; i += THREADS) { sum += sums[3u * i + workgroup.x]; }
  sum = sumOfWorkgroup(sum, local, THREADS);
  if (local == 0u) { vMatrices[rowsOf(addSettings.camera, addSettings.isOnDevice) + workgroup.x] += sum; }
}

/// Takes the mean distance from [I | 0] off the matrices of all cameras. Three workgroups, a row each; sums of distances,
/// which are small where matrices are near [I | 0].
@compute @workgroup_size(256)
fn centre(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
  let identity = vec4f(vec4u(0u, 1u, 2u, 3u) == vec4u(workgroup.x));
  var sum = vec4f(0);
  for (var i = local; i < centreSettings.cameras; i += THREADS) { sum += centred[3u * i + workgroup.x] - identity; }
  let shift = sumOfWorkgroup(sum, local, THREADS) / f32(centreSettings.cameras);
  for (var i = local; i < centreSettings.cameras; i += THREADS) { centred[3u * i + workgroup.x] -= shift; }
}
