// Adam (Kingma and Ba 2015) on rows of any length that are skipped where no gradient touches them.
//
// A workgroup has whole rows, `unit` elements (2048 at most, or a single row). It finds the touched ones first, with a flag
// a row in workgroup memory, then steps them. Elements are independent: equal bytes every time.
// Floor: 32 bytes an element of touched rows and 4 of the others. Workgroup memory: 2.7 KiB. Limits: 2^30 elements.
//#include "./adam-update.wgsl"

@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<u32>; // bits of floats
@group(0) @binding(3) var<storage, read_write> m: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;
@group(0) @binding(6) var<storage, read_write> copy: array<atomic<u32>>; // f16, two in a word: maybe of two workgroups

/// Rows of 3 are the most that fit.
var<workgroup> touched: array<atomic<u32>, 683>;

@compute @workgroup_size(256)
fn adamStepRows(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let width = adamSettings.lazyWidth;
  let begin = min(adamSettings.size, linearId(workgroup, grid) * adamSettings.unit);
  let end = min(adamSettings.size, begin + adamSettings.unit);
  for (var row = local; row < adamSettings.unit / width && row < 683u; row += 256u) { atomicStore(&touched[row], 0u); }
  workgroupBarrier();
  for (var i = begin + local; i < end; i += 256u) {
    if (isTouched(vec4u(gradient[i])).x) { atomicStore(&touched[(i - begin) / width], 1u); }
  }
  workgroupBarrier();
  for (var i = begin + local; i < end; i += 256u) {
    let g = gradient[i];
    if (i >= adamSettings.first && i < adamSettings.last && atomicLoad(&touched[(i - begin) / width]) != 0u) {
      let next = moved(vec4u(g), vec4f(parameter[i]), vec4f(m[i]), vec4f(v[i]));
      parameter[i] = next.parameter.x;
      m[i] = next.m.x;
      v[i] = next.v.x;
      if (adamSettings.copied != 0u) {
        let shift = 16u * (i & 1u);
        atomicAnd(&copy[i / 2u], ~(0xffffu << shift));
        atomicOr(&copy[i / 2u], halvesOf(next.parameter).x << shift);
      }
    }
    if (g != 0u) { gradient[i] = 0u; }
  }
}
