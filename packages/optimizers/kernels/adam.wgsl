// Adam (Kingma and Ba 2015) where rows are never skipped, or lie inside of four elements (1, 2 or 4 of them).
//
// An invocation has four elements, in accesses of 16 bytes; it looks at their gradients first and moves nothing else where
// no row is touched. Elements are independent: equal bytes every time. Buffers have multiples of 16
// bytes: what lies between the end of a tensor and a multiple of four is nobody's.
// Floor: 32 bytes an element (parameter, gradient and two moments, read and written; 28 where the gradient is zero
// already), 2 more for a copy in f16; 4 bytes an element of skipped rows.
// Limits: 2^30 elements.
//#include "./adam-update.wgsl"

@group(0) @binding(1) var<storage, read_write> parameter: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> gradient: array<vec4u>; // bits of floats
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> copy: array<vec2u>; // f16

/// Elements of rows that are touched.
fn chosen(g: vec4u) -> vec4<bool> {
  let width = adamSettings.lazyWidth;
  if (width == 0u) { return vec4<bool>(true); }
  let touched = isTouched(g);
  if (width == 1u) { return touched; }
  let pairs = touched.xz | touched.yw;
  if (width == 2u) { return pairs.xxyy; }
  return vec4<bool>(any(pairs));
}

fn pairsOf(halves: vec4u) -> vec2u { return halves.xz | (halves.yw << vec2u(16)); }

@compute @workgroup_size(256)
fn adamStep(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let place = linearId(workgroup, grid) * 256u + local;
  let elements = 4u * place + vec4u(0, 1, 2, 3);
  if (elements.x >= adamSettings.size) { return; }
  let g = gradient[place];
  let isTrained = (elements >= vec4u(adamSettings.first)) & (elements < vec4u(adamSettings.last));
  let on = isTrained & chosen(g);
  if (any(on)) {
    let p = parameter[place];
    let oldM = m[place];
    let oldV = v[place];
    let next = moved(g, p, oldM, oldV);
    parameter[place] = select(p, next.parameter, on);
    m[place] = select(oldM, next.m, on);
    v[place] = select(oldV, next.v, on);
    if (adamSettings.copied != 0u) {
      let halves = halvesOf(next.parameter);
      let mask = select(vec4u(0), vec4u(0xffff), on);
      copy[place] = (copy[place] & ~pairsOf(mask)) | pairsOf(halves & mask);
    }
  }
  if (any(g != vec4u(0))) { gradient[place] = vec4u(0); }
}
