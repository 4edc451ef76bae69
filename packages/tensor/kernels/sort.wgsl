// Stable radix sort of u32 pairs (or of two-word keys with u32 values) by a digit of up to 8 bits, in three launches.
//
// Tiles of 4096 elements are dealt to at most 1024 workgroups, a contiguous range each. `countDigits` counts the digits of
// each range, `scanDigits` (a workgroup a digit) turns counts into places, `scatterPairs` ranks the elements of a tile
// and writes them there. No workgroup waits for another. Ranking is by virtual warps, whose elements are consecutive: lanes
// with the same digit find each other by ballots (subgroups) or by a mask in workgroup memory, and the first of them counts
// them all. Elements reach memory through workgroup memory, in the order of digits, so that neighbours are written
// together. The result does not depend on the number of workgroups. 26 to 32 KiB of workgroup memory.
//
// `digitBits` and `leastLanes` (of a subgroup, in the variant with them) are chosen by the host: 256 / leastLanes * 2^digitBits
// counters must fit in 16 KiB. Any subgroup of leastLanes to 64 lanes will do.
//#include "common.wgsl"
//#include "workgroup.wgsl"

override digitBits: u32 = 8u;
override leastLanes: u32 = 32u;
override keyWords: u32 = 1u;

struct SortSettings { capacity: u32, counted: u32, ranges: u32, word: u32, shift: u32, mask: u32 }

@group(0) @binding(0) var<uniform> sortSettings: SortSettings;
@group(0) @binding(1) var<storage, read> count: array<u32>; // [1]
@group(0) @binding(2) var<storage, read> keys: array<u32>; // [capacity, keyWords]
@group(0) @binding(2) var<storage, read> keyVectors: array<vec4u>; // the same, four at once
@group(0) @binding(3) var<storage, read> values: array<u32>; // [capacity]
@group(0) @binding(4) var<storage, read_write> places: array<u32>; // [2^digitBits, ranges]
@group(0) @binding(5) var<storage, read_write> totals: array<u32>; // [2^digitBits]
@group(0) @binding(6) var<storage, read_write> sortedKeys: array<u32>; // [capacity, keyWords]
@group(0) @binding(7) var<storage, read_write> sortedValues: array<u32>; // [capacity]

const items = 16u;
const tile = 4096u; // items * 256
override digits = 1u << digitBits;
override warps = 256u / leastLanes;

var<workgroup> counters: array<atomic<u32>, warps * digits>;
/// Elements of a tile by digit; masks of lanes while they are ranked without subgroups.
var<workgroup> exchange: array<atomic<u32>, 4096>;
/// What to add to a place in the tile to get one in the output.
var<workgroup> digitOffsets: array<u32, digits>;

fn elements() -> u32 {
  return select(sortSettings.capacity, min(count[0], sortSettings.capacity), sortSettings.counted != 0u);
}

fn digitOf(word: u32) -> u32 {
  return (word >> sortSettings.shift) & sortSettings.mask;
}

/// One of several copies of the counters, so that fewer threads wait for one another.
fn copyOf(thread: u32) -> u32 {
  return ((thread / 32u) % warps) * digits;
}

fn writeCounts(thread: u32, range: u32) {
  workgroupBarrier();
  if (thread < digits) {
    var sum = 0u;
    for (var warp = 0u; warp < warps; warp++) {
      sum += atomicLoad(&counters[warp * digits + thread]);
    }
    places[thread * sortSettings.ranges + range] = sum;
  }
}

// For keys of one word.
@compute @workgroup_size(256)
fn countDigits(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let n = elements();
  let range = rangeOf(divideUp(n, tile), workgroup.x, sortSettings.ranges);
  let copy = copyOf(thread);
  for (var at = range.x; at < range.y; at++) {
    let first = at * tile + 4u * thread;
    let most = divideUp(n, 4u) - 1u;
    // A buffer ends behind its tensor, at a whole vector.
    let vectors = array<vec4u, 4>(
      keyVectors[min(most, first / 4u)],
      keyVectors[min(most, first / 4u + 256u)],
      keyVectors[min(most, first / 4u + 512u)],
      keyVectors[min(most, first / 4u + 768u)],
    );
    for (var item = 0u; item < 4u; item++) {
      for (var i = 0u; i < 4u; i++) {
        if (first + 1024u * item + i < n) {
          atomicAdd(&counters[copy + digitOf(vectors[item][i])], 1u);
        }
      }
    }
  }
  writeCounts(thread, workgroup.x);
}

// For keys of two words.
@compute @workgroup_size(256)
fn countWideDigits(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let n = elements();
  let range = rangeOf(divideUp(n, tile), workgroup.x, sortSettings.ranges);
  let copy = copyOf(thread);
  for (var at = range.x; at < range.y; at++) {
    for (var item = 0u; item < items; item++) {
      let element = at * tile + item * 256u + thread;
      if (element < n) {
        atomicAdd(&counters[copy + digitOf(keys[element * keyWords + sortSettings.word])], 1u);
      }
    }
  }
  writeCounts(thread, workgroup.x);
}

@compute @workgroup_size(256)
fn scanDigits(
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
  let first = workgroup.x * sortSettings.ranges;
  var before = 0u;
  for (var range = 0u; range < sortSettings.ranges; range += 256u) {
    let i = range + place.thread;
    let inside = i < sortSettings.ranges;
    var value = 0u;
    if (inside) {
      value = places[first + i];
    }
    let sums = scanWorkgroup(place, value);
    if (inside) {
      places[first + i] = before + sums.x;
    }
    before += sums.y;
  }
  if (local == 0u) {
    totals[workgroup.x] = before;
  }
}

/// The same for a few ranges, by one workgroup: a thread a digit. Workgroups would mostly wait for themselves.
@compute @workgroup_size(256)
fn scanFewRanges(@builtin(local_invocation_index) local: u32) {
  if (local >= digits) {
    return;
  }
  var before = 0u;
  for (var range = 0u; range < sortSettings.ranges; range++) {
    let i = local * sortSettings.ranges + range;
    let counted = places[i];
    places[i] = before;
    before += counted;
  }
  totals[local] = before;
}

//#if SUBGROUPS
/// How many lanes of the warp before this one have its digit, those counted in `counters` before included.
fn rankOf(place: Place, digit: u32, parity: u32) -> u32 {
  var equal = subgroupBallot(true).xy;
  for (var bit = 0u; bit < digitBits; bit++) {
    let mine = ((digit >> bit) & 1u) != 0u;
    let ballot = subgroupBallot(mine).xy;
    equal &= select(~ballot, ballot, mine);
  }
  let low = (1u << (place.lane & 31u)) - 1u;
  let below = select(vec2u(low, 0u), vec2u(0xffffffffu, low), place.lane >= 32u);
  let ones = countOneBits(equal & below);
  let rank = ones.x + ones.y;
  var before = 0u;
  if (rank == 0u) {
    let all = countOneBits(equal);
    before = atomicAdd(&counters[place.subgroup * digits + digit], all.x + all.y);
  }
  let leader = select(32u + firstTrailingBit(equal.y), firstTrailingBit(equal.x), equal.x != 0u);
  return rank + subgroupShuffle(before, leader);
}

fn clearMasks(place: Place) {}
//#else
fn rankOf(place: Place, digit: u32, parity: u32) -> u32 {
  // The masks of one call are cleared by it; the next may set its own at once, since it uses the other half.
  let warp = place.thread / 32u;
  let bit = 1u << (place.thread & 31u);
  let mask = (parity * warps + warp) * digits + digit;
  atomicOr(&exchange[mask], bit);
  workgroupBarrier();
  let before = atomicLoad(&counters[warp * digits + digit]);
  let equal = atomicLoad(&exchange[mask]);
  let rank = countOneBits(equal & (bit - 1u));
  workgroupBarrier();
  if (rank == 0u) {
    atomicAdd(&counters[warp * digits + digit], countOneBits(equal));
    atomicStore(&exchange[mask], 0u);
  }
  return rank + before;
}

fn clearMasks(place: Place) {
  for (var i = place.thread; i < 2u * warps * digits; i += 256u) {
    atomicStore(&exchange[i], 0u);
  }
}
//#endif

@compute @workgroup_size(256)
fn scatterPairs(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
//#if SUBGROUPS
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) lanes: u32,
//#endif
) {
//#if SUBGROUPS
  let place = openWorkgroup(local, lane, lanes);
  let warpLanes = lanes;
//#else
  let place = openWorkgroup(local);
  let warpLanes = 32u;
//#endif
  let thread = place.thread;
  let warp = thread / warpLanes;
  let usedWarps = 256u / warpLanes;
  let n = elements();
  let range = rangeOf(divideUp(n, tile), workgroup.x, sortSettings.ranges);
  if (range.x == range.y) {
    return;
  }
  // Where the next element of digit `thread` goes.
  var next = 0u;
  var total = 0u;
  if (thread < digits) {
    total = totals[thread];
    next = places[thread * sortSettings.ranges + workgroup.x];
  }
  next += scanWorkgroup(place, total).x;
  for (var at = range.x; at < range.y; at++) {
    let first = at * tile;
    let inTile = min(tile, n - first);
    for (var i = thread; i < warps * digits; i += 256u) {
      atomicStore(&counters[i], 0u);
    }
    clearMasks(place);
    workgroupBarrier();
    // Elements behind the last count as ones of the highest digit: they come last and are not written.
    let mine = warp * warpLanes * items + (thread - warp * warpLanes);
    var words: array<u32, 16>;
    //#repeat item 16 SUBGROUPS
    let i = mine + item * warpLanes;
    let word = keys[(first + min(i, inTile - 1u)) * keyWords + sortSettings.word];
    words[item] = select(0xffffffffu, word, i < inTile);
    //#endrepeat
    var ranks: array<u32, 16>;
    //#repeat item 16 SUBGROUPS
    ranks[item] = rankOf(place, digitOf(words[item]), item & 1u);
    //#endrepeat
    workgroupBarrier();
    var sum = 0u;
    if (thread < digits) {
      for (var i = 0u; i < usedWarps; i++) {
        sum += atomicLoad(&counters[i * digits + thread]);
      }
    }
    var start = scanWorkgroup(place, sum).x;
    if (thread < digits) {
      digitOffsets[thread] = next - start;
      next += sum;
      for (var i = 0u; i < usedWarps; i++) {
        let inWarp = atomicLoad(&counters[i * digits + thread]);
        atomicStore(&counters[i * digits + thread], start);
        start += inWarp;
      }
    }
    workgroupBarrier();
    //#repeat item 16 SUBGROUPS
    let word = words[item];
    ranks[item] += atomicLoad(&counters[warp * digits + digitOf(word)]);
    atomicStore(&exchange[ranks[item]], word);
    //#endrepeat
    workgroupBarrier();
    var targets: array<u32, 16>;
    //#repeat item 16 SUBGROUPS
    let i = item * 256u + thread;
    let word = atomicLoad(&exchange[i]);
    targets[item] = digitOffsets[digitOf(word)] + i;
    if (i < inTile) {
      sortedKeys[targets[item] * keyWords + sortSettings.word] = word;
    }
    //#endrepeat
    if (keyWords == 2u) {
      let other = 1u - sortSettings.word;
      workgroupBarrier();
      //#repeat item 16 SUBGROUPS
      let i = min(mine + item * warpLanes, inTile - 1u);
      words[item] = keys[(first + i) * 2u + other];
      //#endrepeat
      //#repeat item 16 SUBGROUPS
      atomicStore(&exchange[ranks[item]], words[item]);
      //#endrepeat
      workgroupBarrier();
      //#repeat item 16 SUBGROUPS
      let i = item * 256u + thread;
      if (i < inTile) {
        sortedKeys[targets[item] * 2u + other] = atomicLoad(&exchange[i]);
      }
      //#endrepeat
    }
    workgroupBarrier();
    //#repeat item 16 SUBGROUPS
    words[item] = values[first + min(mine + item * warpLanes, inTile - 1u)];
    //#endrepeat
    //#repeat item 16 SUBGROUPS
    atomicStore(&exchange[ranks[item]], words[item]);
    //#endrepeat
    workgroupBarrier();
    //#repeat item 16 SUBGROUPS
    let i = item * 256u + thread;
    if (i < inTile) {
      sortedValues[targets[item]] = atomicLoad(&exchange[i]);
    }
    //#endrepeat
    workgroupBarrier();
  }
}
