// Scans over a workgroup of 256 threads, for kernels to include.
//
// `openWorkgroup` is called once before anything else and gives each thread its number: with subgroups these follow their
// lanes, whatever way the implementation lays them out, so that a subgroup has consecutive numbers. All threads must call
// each function, in uniform control flow. Uses up to 2 KiB of workgroup memory; sums are modulo 2^32.

const workgroupThreads = 256u;

//#if SUBGROUPS
var<workgroup> subgroupCounter: atomic<u32>;
var<workgroup> subgroupTotals: array<u32, 64>;

struct Place { thread: u32, lane: u32, lanes: u32, subgroup: u32 }

fn openWorkgroup(local: u32, lane: u32, lanes: u32) -> Place {
  var index = 0u;
  if (lane == 0u) {
    index = atomicAdd(&subgroupCounter, 1u);
  }
  index = subgroupBroadcastFirst(index);
  return Place(index * lanes + lane, lane, lanes, index);
}

/// Sum of the values of the threads before, and of all.
fn scanWorkgroup(place: Place, value: u32) -> vec2u {
  let before = subgroupExclusiveAdd(value);
  if (place.lane == place.lanes - 1u) {
    subgroupTotals[place.subgroup] = before + value;
  }
  workgroupBarrier();
  let count = workgroupThreads / place.lanes;
  var first = 0u;
  var all = 0u;
  for (var i = 0u; i < count; i++) {
    if (i == place.subgroup) {
      first = all;
    }
    all += subgroupTotals[i];
  }
  workgroupBarrier();
  return vec2u(first + before, all);
}
//#else
var<workgroup> scanned: array<array<u32, 256>, 2>;

struct Place { thread: u32 }

fn openWorkgroup(local: u32) -> Place {
  return Place(local);
}

/// Sum of the values of the threads before, and of all.
fn scanWorkgroup(place: Place, value: u32) -> vec2u {
  let thread = place.thread;
  var sum = value;
  var half = 0u;
  scanned[0][thread] = sum;
  workgroupBarrier();
  for (var step = 1u; step < workgroupThreads; step *= 2u) {
    if (thread >= step) {
      sum += scanned[half][thread - step];
    }
    half = 1u - half;
    scanned[half][thread] = sum;
    workgroupBarrier();
  }
  let all = scanned[half][workgroupThreads - 1u];
  workgroupBarrier();
  return vec2u(sum - value, all);
}
//#endif

/// The part of `tiles` tiles that workgroup `range` of `ranges` works on: first and end.
fn rangeOf(tiles: u32, range: u32, ranges: u32) -> vec2u {
  let each = tiles / ranges + select(0u, 1u, tiles % ranges != 0u);
  return vec2u(min(tiles, range * each), min(tiles, range * each + each));
}
