// 4D multiresolution hash grid (Müller et al. 2022), forward and backward; the formula is in src/contract.ts.
//
// Forward: two invocations take a point at two neighbouring levels, each the eight corners on its side of the cell along x,
// whose entries mostly lie in one sector; through workgroup memory (4 KiB) each then gets one whole level. `encodeQuads` moves
// entries of 4 and 8 features by 16 bytes, `encode` is for 1 and 2.
// Backward: 2 F invocations take a point at a level, features side by side, so that an entry is one sector to the atomics.
// WGSL has atomics of integers only. `encodeBackward` adds fixed point numbers, whose unit is 2^-28 of the level's largest
// gradient to within a factor of two, in words of 32 bits; what overflows goes to a second word. These sums are exact, so
// bytes do not depend on the order, and equal addresses do not slow them down. `encodeBackwardFloat` adds to f32 by
// compare-and-swap instead, in any order; it needs no other memory.
// Limits: 2^32 values of `encoded`.
//#include "encode.wgsl"

/// log2 of the units in a number that is one to two times as large as the largest gradient.
const UNIT_BITS = 28u;

@group(0) @binding(3) var<storage, read> table: array<f32>;  // [E, F]
@group(0) @binding(3) var<storage, read> tableQuads: array<vec4f>;
@group(0) @binding(3) var<storage, read> vEncoded: array<u32>;  // [N, L F] bits
@group(0) @binding(4) var<storage, read_write> vTable: array<u32>;  // [E, F] bits
@group(0) @binding(4) var<storage, read_write> vTableAtomic: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> vTableQuads: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> largest: array<atomic<u32>>;  // [L] bits of the largest gradient
@group(0) @binding(5) var<storage, read> largestRead: array<u32>;
@group(0) @binding(6) var<storage, read_write> sums: array<atomic<i32>>;  // [2, values] low and high words
@group(0) @binding(6) var<storage, read> sumQuads: array<vec4i>;
@group(0) @binding(1) var<storage, read_write> positions: array<vec2u>;  // [N] of `locateAll`

var<workgroup> largestOfBlock: array<atomic<u32>, 32>;

fn valueAt(place: u32) -> f32 {
  return table[place];
}

fn quadAt(place: u32) -> vec4f {
  return tableQuads[place];
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

/// largest[level] = max |vEncoded|, of the finite ones. Workgroups: blocks of `rowsOfBlock` rows.
@compute @workgroup_size(THREADS)
fn largestGradients(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let begin = linearId(workgroup, grid) * settings.rowsOfBlock;
  let rows = rowsInUse();
  if (begin >= rows) {
    return;
  }
  let end = min(rows, begin + settings.rowsOfBlock);
  let width = settings.levelCount * settings.features;
  let rowsAtOnce = THREADS / width;
  let column = thread % width;
  if (thread < rowsAtOnce * width) {
    var most = 0u;
    for (var row = begin + thread / width; row < end; row += rowsAtOnce) {
      let magnitude = vEncoded[row * width + column] & 0x7fffffffu;
      if (bitsAreFinite(magnitude)) {
        most = max(most, magnitude);
      }
    }
    atomicMax(&largestOfBlock[column / settings.features], most);
  }
  workgroupBarrier();
  if (thread < settings.levelCount) {
    atomicMax(&largest[thread], atomicLoad(&largestOfBlock[thread]));
  }
}

/// A power of two that takes gradients of a level into units, as the bits of its exponent; 254 minus them is its inverse.
fn exponentOfUnit(bits: u32) -> u32 {
  return min(UNIT_BITS - 1u + 254u - (bits >> 23u), 253u);
}

/// What an invocation of the backward passes works on; none behind the last row or where there is nothing to add.
struct Share {
  some: bool,
  point: vec4u,
  level: u32,
  side: u32,
  feature: u32,
  gradient: u32,
}

/// Workgroups: blocks of 128 / F points by the launch's levels.
fn shareOf(id: u32, thread: u32) -> Share {
  let features = settings.features;
  let pointsOfBlock = POINTS / features;
  let blocks = divideUp(settings.capacity, pointsOfBlock);
  let feature = thread % features;
  let side = (thread / features) & 1u;
  let i = id % blocks * pointsOfBlock + thread / features / 2u;
  let level = settings.firstLevel + id / blocks;
  if (i >= rowsInUse() || level >= settings.lastLevel) {
    return Share(false, vec4u(), 0u, 0u, 0u, 0u);
  }
  let gradient = vEncoded[(i * settings.levelCount + level) * features + feature];
  let point = points[i];
  let some = (gradient & 0x7fffffffu) != 0u && isInside(point);
  return Share(some, point, level, side, feature, gradient);
}

/// Adds weighted gradients to `sums`; where they are not finite, vTable becomes NaN.
@compute @workgroup_size(THREADS)
fn encodeBackward(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let share = shareOf(linearId(workgroup, grid), thread);
  if (!share.some) {
    return;
  }
  let level = levelAt(share.level);
  let cell = cellOf(share.point, level, share.side);
  let scale = bitcast<f32>(exponentOfUnit(largestRead[share.level]) << 23u);
  let scaled = bitcast<f32>(share.gradient) * scale;
  let finite = bitsAreFinite(share.gradient);
  for (var c = 0u; c < 8u; c++) {
    let entry = entryOf(cell, level, c);
    if (finite) {
      let place = (entry - settings.firstEntry) * settings.features + share.feature;
      let term = i32(round(weightOf(cell, c) * scaled));
      let before = atomicAdd(&sums[place], term);
      let after = before + term;
      if (((before ^ after) & (term ^ after)) < 0) {
        atomicAdd(&sums[settings.values + place], select(-1, 1, term > 0));
      }
    } else {
      vTable[entry * settings.features + share.feature] = NOT_A_NUMBER;
    }
  }
}

/// vTable += sums of the launch's levels. An invocation has four values.
@compute @workgroup_size(THREADS)
fn addGradients(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let index = linearId(workgroup, grid) * THREADS + thread;
  if (4u * index >= settings.values) {
    return;
  }
  let low = sumQuads[index];
  let high = sumQuads[settings.values / 4u + index];
  if (all(low == vec4i()) && all(high == vec4i())) {
    return;
  }
  let entry = settings.firstEntry + 4u * index / settings.features;
  var level = settings.firstLevel;
  while (level + 1u < settings.lastLevel && entry >= settings.levels[2u * level + 2u].w) {
    level++;
  }
  let unit = bitcast<f32>((254u - exponentOfUnit(largestRead[level])) << 23u);
  let sum = (vec4f(high) * 4294967296.0 + vec4f(low)) * unit;
  vTableQuads[settings.firstEntry * settings.features / 4u + index] += sum;
}

/// The same as `encodeBackward` and `addGradients`, in f32 and in any order.
@compute @workgroup_size(THREADS)
fn encodeBackwardFloat(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let share = shareOf(linearId(workgroup, grid), thread);
  if (!share.some) {
    return;
  }
  let level = levelAt(share.level);
  let cell = cellOf(share.point, level, share.side);
  let gradient = bitcast<f32>(share.gradient);
  for (var c = 0u; c < 8u; c++) {
    let place = entryOf(cell, level, c) * settings.features + share.feature;
    let term = weightOf(cell, c) * gradient;
    var known = atomicLoad(&vTableAtomic[place]);
    loop {
      let result = atomicCompareExchangeWeak(&vTableAtomic[place], known, bitcast<u32>(bitcast<f32>(known) + term));
      if (result.exchanged) {
        break;
      }
      known = result.old_value;
    }
  }
}

/// Replaces pairs of a scale and a coordinate by the cell along this axis and the fraction behind it.
@compute @workgroup_size(64)
fn locateAll(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let index = linearId(workgroup, grid) * 64u + thread;
  if (index < settings.capacity) {
    let place = locate(positions[index].y, bitcast<f32>(positions[index].x));
    positions[index] = vec2u(place.below, bitcast<u32>(place.fraction));
  }
}
