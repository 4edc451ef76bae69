// Gradients of Gaussians from their sums.
//
// An invocation is a Gaussian; workgroups of 256. `gradients`: the projection is repeated and differentiated
// (projection.wgsl). `gradientsOfColors`: colours and opacities, in a kernel of their own since one has eight buffers at
// most. Every row is written, zero where no pixel added to the sums.
//#include "projection.wgsl"

@group(0) @binding(1) var<storage, read> sums: array<vec4u>; // [G, 12] f32 bits
@group(0) @binding(2) var<storage, read> means: array<f32>; // [G, 3]
@group(0) @binding(3) var<storage, read> quats: array<vec4f>; // [G, 4]
@group(0) @binding(4) var<storage, read> scales: array<f32>; // [G, 3]
@group(0) @binding(5) var<storage, read_write> vMeans: array<f32>; // [G, 3]
@group(0) @binding(6) var<storage, read_write> vQuats: array<vec4f>; // [G, 4]
@group(0) @binding(7) var<storage, read_write> vScales: array<f32>; // [G, 3]
@group(0) @binding(8) var<storage, read_write> vMeans2d: array<vec2f>; // [G, 2]

@group(0) @binding(2) var<storage, read> opacities: array<f32>; // [G]
@group(0) @binding(3) var<storage, read_write> vOpacities: array<f32>; // [G]
@group(0) @binding(4) var<storage, read_write> vColors: array<f32>; // [G, 3]

@compute @workgroup_size(256)
fn gradients(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let i = 256u * linearId(workgroup, grid) + thread;
  if (i >= settings.gaussians) { return; }
  var g: GaussianGradients;
  let a = sums[3u * i];
  let b = sums[3u * i + 1u];
  let c = sums[3u * i + 2u];
  let some = a | b | c;
  if (((some.x | some.y | some.z | some.w) << 1u) != 0u) {
    let scale = vec3f(scales[3u * i], scales[3u * i + 1u], scales[3u * i + 2u]);
    let quat = quats[i];
    let p = projectGaussian(vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]), quat, scale);
    if (p.visible) {
      let own0 = bitcast<vec4f>(a);
      let own1 = bitcast<vec4f>(b);
      g = differentiate(
          p, quat, scale, own0.xyz, vec3f(own0.w, own1.xy), bitcast<f32>(c.y));
    }
  }
  vMeans[3u * i] = g.mean.x;
  vMeans[3u * i + 1u] = g.mean.y;
  vMeans[3u * i + 2u] = g.mean.z;
  vScales[3u * i] = g.scale.x;
  vScales[3u * i + 1u] = g.scale.y;
  vScales[3u * i + 2u] = g.scale.z;
  vQuats[i] = g.quat;
  vMeans2d[i] = g.mean2d;
}

@compute @workgroup_size(256)
fn gradientsOfColors(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let i = 256u * linearId(workgroup, grid) + thread;
  if (i >= settings.gaussians) { return; }
  let w = bitcast<f32>(sums[3u * i].x);
  let b = bitcast<vec4f>(sums[3u * i + 1u]);
  // Opacities of what was never drawn may be 0 or not finite.
  var vOpacity = 0.0f;
  if (w != 0.0f) { vOpacity = w / opacities[i]; }
  vOpacities[i] = vOpacity;
  vColors[3u * i] = b.z;
  vColors[3u * i + 1u] = b.w;
  vColors[3u * i + 2u] = bitcast<f32>(sums[3u * i + 2u].x);
}
