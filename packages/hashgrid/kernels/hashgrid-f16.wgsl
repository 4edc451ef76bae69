// The forward pass of the hash grid over a table in f16: as in hashgrid.wgsl, with entries of half the size.
//
// Halves are widened in integers and exactly: whether `unpack2x16float` keeps denormal numbers, which small tables are made of,
// is left to the implementation; and no adapter needs shader-f16.
// Limits: 2^32 values of `encoded`.
//#include "encode.wgsl"

@group(0) @binding(3) var<storage, read> table: array<u32>;  // [E, F] two a word
@group(0) @binding(3) var<storage, read> tableQuads: array<vec2u>;

/// The numbers that binary16 bits stand for.
fn wide(bits: vec4u) -> vec4f {
  let digits = bits & vec4u(0x7fffu);
  let normal = (digits << vec4u(13u)) + vec4u(0x38000000u);
  let denormal = bitcast<vec4u>(vec4f(digits) * 0x1p-24);
  let special = (digits << vec4u(13u)) + vec4u(0x70000000u);
  let finite = select(normal, denormal, digits < vec4u(0x400u));
  let sign = (bits & vec4u(0x8000u)) << vec4u(16u);
  return bitcast<vec4f>(select(finite, special, digits >= vec4u(0x7c00u)) | sign);
}

fn valueAt(place: u32) -> f32 {
  return wide(vec4u(table[place / 2u] >> (16u * (place & 1u)))).x;
}

fn quadAt(place: u32) -> vec4f {
  let words = tableQuads[place];
  return wide(vec4u(words.x, words.x >> 16u, words.y, words.y >> 16u));
}

/// encoded // [N, L F], F = 4 or 8. Workgroups: blocks of 128 points by pairs of levels by quads of features.
@compute @workgroup_size(THREADS)
fn encodeQuads(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  encodeQuadsOf(linearId(workgroup, grid), thread);
}

/// encoded // [N, L F], F = 1 or 2. An invocation has a point and a level; workgroups: blocks of 256 points by levels.
@compute @workgroup_size(THREADS)
fn encode(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  encodeValuesOf(linearId(workgroup, grid), thread);
}
