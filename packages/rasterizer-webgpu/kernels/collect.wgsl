// Adds the rows of sums of each Gaussian's pairs to its own sums (layout.wgsl).
//
// `clear` zeroes what is read before it is written: all but the rows. `collect`: an invocation is a splat, in depth order,
// whose pairs are numbered one after the other; splats with many pairs are added up by 32 invocations of the workgroup of
// 256. A pair that no tile reached has no row. The order of additions is fixed. 15 KiB of workgroup memory.
//#include "layout.wgsl"

/// More pairs than this are added up by 32 invocations.
const FEW = 16u;
/// Odd, for the memory's banks.
const PART_WORDS = 11u;

@group(0) @binding(1) var<storage, read_write> sums: array<vec2u>; // f32 bits
@group(0) @binding(2) var<storage, read> order: array<u32>; // [G]
@group(0) @binding(3) var<storage, read> offsets: array<u32>; // [G + 1] first pairs in depth order
@group(0) @binding(4) var<storage, read> totals: array<u32>; // the counters

struct Row {
  a: vec4f,
  b: vec4f,
  c: vec2f,
}

/// Splats with many pairs: index, first pair, one above the last pair.
var<workgroup> queue: array<vec4u, 256>;
var<workgroup> queued: atomic<u32>;
var<workgroup> queueLength: u32;
var<workgroup> parts: array<f32, 256u * PART_WORDS>;

@compute @workgroup_size(256)
fn clear(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  // Both are even: rows begin at a multiple of four words.
  let end = rowsAt() / 2u;
  let start = 4096u * linearId(workgroup, grid) + thread;
  for (var i = 0u; i < 4096u; i += 256u) {
    if (start + i < end) { sums[start + i] = vec2u(0u); }
  }
}

fn addRow(total: Row, pair: u32) -> Row {
  let at = rowsOfPairsAt() + pair;
  let both = sums[at >> 1u];
  let row = select(both.x, both.y, (at & 1u) != 0u);
  if (row == 0u) { return total; }
  let first = (rowsAt() + ROW_WORDS * (row - 1u)) >> 1u;
  let a = vec4u(sums[first], sums[first + 1u]);
  let b = vec4u(sums[first + 2u], sums[first + 3u]);
  let c = sums[first + 4u];
  return Row(total.a + bitcast<vec4f>(a), total.b + bitcast<vec4f>(b), total.c + bitcast<vec2f>(c));
}

@compute @workgroup_size(256)
fn collect(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let rank = 256u * linearId(workgroup, grid) + thread;
  let fits = totals[PAIRS_HIGH] == 0u && totals[PAIRS_LOW] <= settings.capacity;
  if (fits && rank < min(settings.gaussians, totals[VISIBLE])) {
    let begin = offsets[rank];
    let end = offsets[rank + 1u];
    let index = order[rank];
    if (end - begin > FEW) {
      queue[atomicAdd(&queued, 1u)] = vec4u(index, begin, end, 0u);
    } else if (begin < end) {
      let at = GRADIENT_WORDS / 2u * index;
      let a = vec4u(sums[at], sums[at + 1u]);
      let b = vec4u(sums[at + 2u], sums[at + 3u]);
      var total = Row(bitcast<vec4f>(a), bitcast<vec4f>(b), bitcast<vec2f>(sums[at + 4u]));
      for (var pair = begin; pair < end; pair++) { total = addRow(total, pair); }
      let newA = bitcast<vec4u>(total.a);
      let newB = bitcast<vec4u>(total.b);
      sums[at] = newA.xy;
      sums[at + 1u] = newA.zw;
      sums[at + 2u] = newB.xy;
      sums[at + 3u] = newB.zw;
      sums[at + 4u] = bitcast<vec2u>(total.c);
    }
  }
  workgroupBarrier();
  if (thread == 0u) { queueLength = atomicLoad(&queued); }
  let length = workgroupUniformLoad(&queueLength);
  let group = thread >> 5u;
  for (var n = 0u; n < length; n += 8u) {
    var total = Row(vec4f(0.0f), vec4f(0.0f), vec2f(0.0f));
    if (n + group < length) {
      let entry = queue[n + group];
      for (var pair = entry.y + (thread & 31u); pair < entry.z; pair += 32u) { total = addRow(total, pair); }
    }
    let at = PART_WORDS * thread;
    parts[at] = total.a.x;
    parts[at + 1u] = total.a.y;
    parts[at + 2u] = total.a.z;
    parts[at + 3u] = total.a.w;
    parts[at + 4u] = total.b.x;
    parts[at + 5u] = total.b.y;
    parts[at + 6u] = total.b.z;
    parts[at + 7u] = total.b.w;
    parts[at + 8u] = total.c.x;
    parts[at + 9u] = total.c.y;
    workgroupBarrier();
    // An invocation has two sums of a splat, neighbours in memory.
    let splat = thread / (GRADIENT_SUMS / 2u);
    if (splat < 8u && n + splat < length) {
      let two = thread % (GRADIENT_SUMS / 2u);
      let sumsAt = GRADIENT_WORDS / 2u * queue[n + splat].x + two;
      var sum = bitcast<vec2f>(sums[sumsAt]);
      for (var i = 0u; i < 32u; i++) {
        let part = PART_WORDS * (32u * splat + i) + 2u * two;
        sum += vec2f(parts[part], parts[part + 1u]);
      }
      sums[sumsAt] = bitcast<vec2u>(sum);
    }
    workgroupBarrier();
  }
}
