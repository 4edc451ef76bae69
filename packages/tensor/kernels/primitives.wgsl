// Sums, scans and selections over whole tensors of any length, in two launches each: reduce, then scan.
//
// Tiles of 4096 elements are dealt to at most 1024 workgroups, a contiguous range each. The first launch reduces the ranges;
// in the second every workgroup adds up what lies before its range and goes through its tiles again. No workgroup waits
// for another. Integer results do not depend on the number of workgroups; that number depends on the length alone, so that
// `sum` has the same bits every time. At most 19 KiB of workgroup memory.
//#include "common.wgsl"
//#include "workgroup.wgsl"

/// `zero` is 0, which compilers do not know.
struct RangeSettings { length: u32, ranges: u32, zero: u32 }
struct FlagSettings { length: u32, ranges: u32, gather: u32 }

@group(0) @binding(0) var<uniform> rangeSettings: RangeSettings;
@group(0) @binding(0) var<uniform> flagSettings: FlagSettings;
@group(0) @binding(1) var<storage, read> floats: array<f32>; // [length]
@group(0) @binding(1) var<storage, read> words: array<u32>; // [length]
@group(0) @binding(1) var<storage, read> flags: array<u32>; // [length] u8
@group(0) @binding(2) var<storage, read_write> rangeSums: array<u32>; // [ranges]
@group(0) @binding(2) var<storage, read_write> partials: array<vec2f>; // [ranges] two floats each
@group(0) @binding(3) var<storage, read_write> offsets: array<u32>; // [length + 1]
@group(0) @binding(3) var<storage, read_write> total: array<f32>; // [1]
@group(0) @binding(3) var<storage, read_write> nonFinite: array<atomic<u32>>; // [1]
@group(0) @binding(3) var<storage, read_write> selected: array<u32>; // [length]
@group(0) @binding(4) var<storage, read_write> count: array<u32>; // [1]
@group(0) @binding(5) var<storage, read> gathered: array<u32>; // [length]

const tile = 4096u;
const items = 16u;
/// A place more every 16, so that threads that own 16 elements in a row do not meet in one bank of memory.
var<workgroup> exchange: array<u32, 4352>;

fn spread(i: u32) -> u32 {
  return i + i / 16u;
}

/// x, of which compilers cannot tell where it comes from: they reorder sums, on NVIDIA's GPUs too, and would undo what
/// `addTwo` corrects.
fn hide(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) ^ rangeSettings.zero);
}

/// Sum of two numbers of two floats each, to twice the precision.
fn addTwo(a: vec2f, b: vec2f) -> vec2f {
  let sum = hide(a.x + b.x);
  if (!isFinite(sum)) {
    return vec2f(sum, 0.0);
  }
  let back = hide(sum - a.x);
  let rest = hide(a.x - hide(sum - back)) + hide(b.x - back) + a.y + b.y;
  let high = hide(sum + rest);
  return vec2f(high, rest - hide(high - sum));
}

fn sumOfThreads(thread: u32, value: vec2f) -> vec2f {
  exchange[2u * thread] = bitcast<u32>(value.x);
  exchange[2u * thread + 1u] = bitcast<u32>(value.y);
  workgroupBarrier();
  for (var step = workgroupThreads / 2u; step > 0u; step /= 2u) {
    if (thread < step) {
      let mine = twoOf(thread);
      let sum = addTwo(mine, twoOf(thread + step));
      exchange[2u * thread] = bitcast<u32>(sum.x);
      exchange[2u * thread + 1u] = bitcast<u32>(sum.y);
    }
    workgroupBarrier();
  }
  return twoOf(0u);
}

fn twoOf(thread: u32) -> vec2f {
  return vec2f(bitcast<f32>(exchange[2u * thread]), bitcast<f32>(exchange[2u * thread + 1u]));
}

@compute @workgroup_size(256)
fn sumRanges(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let range = rangeOf(divideUp(rangeSettings.length, tile), workgroup.x, rangeSettings.ranges);
  var sum = vec2f();
  for (var i = range.x * tile + thread; i < min(range.y * tile, rangeSettings.length); i += 256u) {
    sum = addTwo(sum, vec2f(floats[i], 0.0));
  }
  let all = sumOfThreads(thread, sum);
  if (thread == 0u) {
    partials[workgroup.x] = all;
  }
}

@compute @workgroup_size(256)
fn sumPartials(@builtin(local_invocation_index) thread: u32) {
  var sum = vec2f();
  for (var i = thread; i < rangeSettings.ranges; i += 256u) {
    sum = addTwo(sum, partials[i]);
  }
  let all = sumOfThreads(thread, sum);
  if (thread == 0u) {
    total[0] = all.x + all.y;
  }
}

@compute @workgroup_size(256)
fn countNonFinite(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
//#if SUBGROUPS
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) lanes: u32,
//#endif
) {
//#if SUBGROUPS
  let place = openWorkgroup(local, lane, lanes);
//#else
  let place = openWorkgroup(local);
//#endif
  let range = rangeOf(divideUp(rangeSettings.length, tile), workgroup.x, rangeSettings.ranges);
  var found = 0u;
  for (var i = range.x * tile + local; i < min(range.y * tile, rangeSettings.length); i += 256u) {
    found += select(1u, 0u, bitsAreFinite(words[i]));
  }
  let all = scanWorkgroup(place, found).y;
  if (local == 0u && all > 0u) {
    atomicAdd(&nonFinite[0], all);
  }
}

/// Sum of rangeSums before `range`. All threads must call it.
fn sumBefore(place: Place, range: u32) -> u32 {
  var sum = 0u;
  for (var i = place.thread; i < range; i += 256u) {
    sum += rangeSums[i];
  }
  return scanWorkgroup(place, sum).y;
}

@compute @workgroup_size(256)
fn reduceWords(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
//#if SUBGROUPS
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) lanes: u32,
//#endif
) {
//#if SUBGROUPS
  let place = openWorkgroup(local, lane, lanes);
//#else
  let place = openWorkgroup(local);
//#endif
  let range = rangeOf(divideUp(rangeSettings.length, tile), workgroup.x, rangeSettings.ranges);
  var sum = 0u;
  for (var at = range.x; at < range.y; at++) {
    for (var item = 0u; item < items; item++) {
      let i = at * tile + item * 256u + local;
      if (i < rangeSettings.length) {
        sum += words[i];
      }
    }
  }
  let all = scanWorkgroup(place, sum).y;
  if (local == 0u) {
    rangeSums[workgroup.x] = all;
  }
}

@compute @workgroup_size(256)
fn scanWords(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
//#if SUBGROUPS
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) lanes: u32,
//#endif
) {
//#if SUBGROUPS
  let place = openWorkgroup(local, lane, lanes);
//#else
  let place = openWorkgroup(local);
//#endif
  let thread = place.thread;
  let length = rangeSettings.length;
  let range = rangeOf(divideUp(length, tile), workgroup.x, rangeSettings.ranges);
  var before = sumBefore(place, workgroup.x);
  for (var at = range.x; at < range.y; at++) {
    for (var item = 0u; item < items; item++) {
      let i = item * 256u + thread;
      var value = 0u;
      if (at * tile + i < length) {
        value = words[at * tile + i];
      }
      exchange[spread(i)] = value;
    }
    workgroupBarrier();
    var sum = 0u;
    for (var item = 0u; item < items; item++) {
      sum += exchange[spread(thread * items + item)];
    }
    let sums = scanWorkgroup(place, sum);
    var next = before + sums.x;
    for (var item = 0u; item < items; item++) {
      let i = spread(thread * items + item);
      let value = exchange[i];
      exchange[i] = next;
      next += value;
    }
    before += sums.y;
    workgroupBarrier();
    for (var item = 0u; item < items; item++) {
      let i = item * 256u + thread;
      if (at * tile + i < length) {
        offsets[at * tile + i] = exchange[spread(i)];
      }
    }
    workgroupBarrier();
  }
  if (local == 0u && workgroup.x == rangeSettings.ranges - 1u) {
    offsets[length] = before;
  }
}

/// Ones in the four bytes that are not 0, those at and behind `length` left out.
fn setFlags(word: u32, first: u32, length: u32) -> u32 {
  var ones = 0u;
  for (var i = 0u; i < 4u; i++) {
    if (first + i < length && byteOf(word, i) != 0u) {
      ones |= 1u << i;
    }
  }
  return ones;
}

/// The flags of 16 elements in a row, a bit each.
fn flagsOf(first: u32, length: u32) -> u32 {
  var ones = 0u;
  for (var i = 0u; i < 4u; i++) {
    let at = first + 4u * i;
    if (at < length) {
      ones |= setFlags(flags[at / 4u], at, length) << (4u * i);
    }
  }
  return ones;
}

@compute @workgroup_size(256)
fn reduceFlags(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
//#if SUBGROUPS
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) lanes: u32,
//#endif
) {
//#if SUBGROUPS
  let place = openWorkgroup(local, lane, lanes);
//#else
  let place = openWorkgroup(local);
//#endif
  let range = rangeOf(divideUp(flagSettings.length, tile), workgroup.x, flagSettings.ranges);
  var sum = 0u;
  for (var at = range.x; at < range.y; at++) {
    sum += countOneBits(flagsOf(at * tile + place.thread * items, flagSettings.length));
  }
  let all = scanWorkgroup(place, sum).y;
  if (local == 0u) {
    rangeSums[workgroup.x] = all;
  }
}

@compute @workgroup_size(256)
fn selectFlags(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
//#if SUBGROUPS
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) lanes: u32,
//#endif
) {
//#if SUBGROUPS
  let place = openWorkgroup(local, lane, lanes);
//#else
  let place = openWorkgroup(local);
//#endif
  let thread = place.thread;
  let range = rangeOf(divideUp(flagSettings.length, tile), workgroup.x, flagSettings.ranges);
  var before = sumBefore(place, workgroup.x);
  for (var at = range.x; at < range.y; at++) {
    let first = at * tile + thread * items;
    let ones = flagsOf(first, flagSettings.length);
    let sums = scanWorkgroup(place, countOneBits(ones));
    var next = sums.x;
    for (var item = 0u; item < items; item++) {
      if (((ones >> item) & 1u) != 0u) {
        exchange[next] = first + item;
        next++;
      }
    }
    workgroupBarrier();
    for (var i = thread; i < sums.y; i += 256u) {
      let element = exchange[i];
      var value = element;
      if (flagSettings.gather != 0u) {
        value = gathered[element];
      }
      selected[before + i] = value;
    }
    before += sums.y;
    workgroupBarrier();
  }
  if (local == 0u && workgroup.x == flagSettings.ranges - 1u) {
    count[0] = before;
  }
}
