// What the runtime itself launches: filling, writing parts of words, and sizing launches on the device.
//
// `fill` writes 4096 words a workgroup, `patch` a word a thread, `grid` is one thread. Deterministic, no shared memory.
//#include "common.wgsl"

struct FillSettings { words: u32, value: u32 }
struct PatchSettings { firstWord: u32, words: u32, headMask: u32, tailMask: u32 }
struct GridSettings { perWorkgroup: u32, limit: u32, timesRows: u32 }

@group(0) @binding(0) var<uniform> fillSettings: FillSettings;
@group(0) @binding(0) var<uniform> patchSettings: PatchSettings;
@group(0) @binding(0) var<uniform> gridSettings: GridSettings;
@group(0) @binding(1) var<storage, read_write> words: array<u32>; // the whole buffer
@group(0) @binding(2) var<storage, read> patches: array<u32>; // [words]
@group(0) @binding(2) var<storage, read> count: array<u32>; // [1]
@group(0) @binding(1) var<storage, read_write> groups: array<u32>; // [3]

const fillWords = 4096u;
const mostGroups = 65535u;

@compute @workgroup_size(256)
fn fill(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = linearId(workgroup, grid) * fillWords;
  let end = min(first + fillWords, fillSettings.words);
  for (var i = first + thread; i < end; i += 256u) {
    words[i] = fillSettings.value;
  }
}

// Only the bits of the masks change: the first word has the head mask, the last the tail mask.
@compute @workgroup_size(256)
fn patchWords(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = linearId(workgroup, grid) * 256u + thread;
  if (i >= patchSettings.words) {
    return;
  }
  var mask = 0xffffffffu;
  if (i == 0u) {
    mask &= patchSettings.headMask;
  }
  if (i == patchSettings.words - 1u) {
    mask &= patchSettings.tailMask;
  }
  let at = patchSettings.firstWord + i;
  words[at] = (words[at] & ~mask) | (patches[i] & mask);
}

// Workgroups for min(count, limit) elements in each of timesRows rows, spread so that no dimension passes its limit.
@compute @workgroup_size(1)
fn gridOf() {
  let elements = min(count[0], gridSettings.limit);
  let inRow = elements / gridSettings.perWorkgroup + select(0u, 1u, elements % gridSettings.perWorkgroup != 0u);
  let all = inRow * gridSettings.timesRows;
  let rows = max(1u, divideUp(all, mostGroups));
  groups[0] = divideUp(all, rows);
  groups[1] = rows;
  groups[2] = 1u;
}
