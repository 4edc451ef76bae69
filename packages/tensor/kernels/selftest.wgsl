// Kernels for the tests of the WebGPU runtime: `copySettings` copies every scalar of its settings, `countGroups` counts the
// workgroups below a limit, `variant` says which one was built, `sized` has a workgroup of any size, `addSecond` adds a tensor
// that may be absent, `bits` tells NaN and infinities from numbers.
//#include "common.wgsl"

struct LayoutSettings {
  count: u32,
  offset: i32,
  scale: f32,
  two: vec2f,
  three: vec3<f32>,
  last: u32,
  square: mat3x3f,
  pose: mat3x4<f32>,
  narrow: mat2x2f,
  list: array<vec4<i32>, listLength>,
}
struct GroupSettings { limit: u32 }
struct SecondSettings { present: u32 }

const listLength = 1 + 1;
override size: u32 = 64u;

@group(0) @binding(0) var<uniform> layoutSettings: LayoutSettings;
@group(0) @binding(0) var<uniform> groupSettings: GroupSettings;
@group(0) @binding(0) var<uniform> secondSettings: SecondSettings;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> groups: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read_write> floats: array<f32>;

@compute @workgroup_size(1)
fn copySettings() {
  let s = layoutSettings;
  var at = 0u;
  words[0] = s.count;
  words[1] = bitcast<u32>(s.offset);
  words[2] = bitcast<u32>(s.scale);
  words[3] = bitcast<u32>(s.two.x);
  words[4] = bitcast<u32>(s.two.y);
  words[5] = bitcast<u32>(s.three.x);
  words[6] = bitcast<u32>(s.three.y);
  words[7] = bitcast<u32>(s.three.z);
  words[8] = s.last;
  at = 9u;
  for (var column = 0u; column < 3u; column++) {
    for (var row = 0u; row < 3u; row++) {
      words[at] = bitcast<u32>(s.square[column][row]);
      at++;
    }
  }
  for (var column = 0u; column < 3u; column++) {
    for (var row = 0u; row < 4u; row++) {
      words[at] = bitcast<u32>(s.pose[column][row]);
      at++;
    }
  }
  for (var column = 0u; column < 2u; column++) {
    for (var row = 0u; row < 2u; row++) {
      words[at] = bitcast<u32>(s.narrow[column][row]);
      at++;
    }
  }
  for (var i = 0u; i < 2u; i++) {
    for (var row = 0u; row < 4u; row++) {
      words[at] = bitcast<u32>(s.list[i][row]);
      at++;
    }
  }
}

@compute @workgroup_size(1)
fn countGroups(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let id = linearId(workgroup, grid);
  if (id < groupSettings.limit) {
    atomicAdd(&groups[0], 1u);
    atomicMax(&groups[1], id);
  }
}

@compute @workgroup_size(1)
fn variant() {
//#if SUBGROUPS
  words[0] = subgroupAdd(0u) + 1u;
//#else
  words[0] = 0u;
//#endif
//#if F16
  words[1] = u32(f16(1.0));
//#else
  words[1] = 0u;
//#endif
}

@compute @workgroup_size(size)
fn sized(@builtin(local_invocation_index) thread: u32) {
  words[thread] = size;
}

@compute @workgroup_size(4)
fn addSecond(@builtin(local_invocation_index) thread: u32) {
  if (secondSettings.present != 0u) {
    floats[thread] += second[thread];
  } else {
    floats[thread] += 1.0;
  }
}

@compute @workgroup_size(4)
fn bits(@builtin(local_invocation_index) thread: u32) {
  let x = second[thread];
  words[thread] = select(0u, 1u, isFinite(x)) + select(0u, 2u, isNan(x));
}
