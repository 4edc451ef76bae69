// Lists of splats per tile, nearest first: splats in depth order write (tile, index) pairs, which a stable sort by tile then
// groups. Two sorts with small keys, 31 bits of depth a Gaussian and 13 bits of tile a pair (at 1920x1080), read and write
// a third of what one sort of 64-bit keys a pair does.
//
// `listTiles` runs twice, to count and to list: so both find the same tiles, however a compiler rounds. An invocation is a
// splat; those with many tiles are listed by 32 invocations of the workgroup of 256, an invocation a row of tiles. 4 KiB of
// workgroup memory. The bits of a key above the tile say which pair of its splat it is: the sort takes them along, and with
// the number of the splat's first pair, in its record, they number the pairs. `rangeTiles`: an invocation is a pair.
//
// The lists have a capacity that the host chose before it knew the number of pairs. Where the pairs do not fit, listing
// does nothing, and `rangeTiles` gives every tile all visible splats in depth order: slower to draw, the same result.
//#include "extent.wgsl"

/// More pairs than this are written by 32 invocations.
const FEW = 24u;

@group(0) @binding(1) var<storage, read_write> records: array<vec4f>; // [G, 12]
@group(0) @binding(2) var<storage, read> order: array<u32>; // [G]
@group(0) @binding(3) var<storage, read_write> counters: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read> offsets: array<u32>; // [G + 1] first pairs, where listing
@group(0) @binding(5) var<storage, read_write> counts: array<u32>; // [G] tiles in depth order, where counting
@group(0) @binding(6) var<storage, read_write> keys: array<u32>; // [capacity], where listing
@group(0) @binding(7) var<storage, read_write> splats: array<u32>; // [capacity], where listing
@group(0) @binding(8) var<storage, read_write> listed: array<u32>; // [1] pairs to be sorted, where listing

@group(0) @binding(1) var<storage, read> sortedKeys: array<u32>; // [capacity]
@group(0) @binding(3) var<storage, read> totals: array<u32>; // the counters
@group(0) @binding(4) var<storage, read_write> values: array<u32>; // [max(capacity, G)]
@group(0) @binding(5) var<storage, read_write> finals: array<vec2u>; // [tiles + H W, 2] zeros, of which the ranges

/// Splats with many tiles: index, first pair, one above the last pair.
var<workgroup> queue: array<vec4u, 256>;
var<workgroup> queued: atomic<u32>;
var<workgroup> queueLength: u32;
var<workgroup> pairs: atomic<u32>;

fn footprintAt(index: u32) -> Footprint {
  return footprintOf(records[RECORD_VECTORS * index], records[RECORD_VECTORS * index + 1u]);
}

/// Key of the pair `number` of a splat.
fn keyOf(row: i32, column: i32, number: u32) -> u32 {
  return (u32(row) * settings.tilesX + u32(column)) | (number << settings.tileBits);
}

fn tileOf(key: u32) -> u32 { return key & ((1u << settings.tileBits) - 1u); }

@compute @workgroup_size(256)
fn listTiles(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let rank = 256u * linearId(workgroup, grid) + thread;
  let listing = settings.listing != 0u;
  let fits = atomicLoad(&counters[PAIRS_HIGH]) == 0u && atomicLoad(&counters[PAIRS_LOW]) <= settings.capacity;
  let some = rank < min(settings.gaussians, atomicLoad(&counters[VISIBLE])) && (fits || !listing);
  var place = 0u;
  var end = 0u;
  if (listing && rank == 0u) { listed[0] = select(0u, offsets[settings.gaussians], fits); }
  if (listing && some) {
    place = offsets[rank];
    end = offsets[rank + 1u];
  }
  var found = 0u;
  if (some) {
    let index = order[rank];
    if (listing) { records[RECORD_VECTORS * index + 2u].w = pairAsFloat(place); }
    if (end - place > FEW) {
      queue[atomicAdd(&queued, 1u)] = vec4u(index, place, end, 0u);
    } else {
      let footprint = footprintAt(index);
      let rows = tileRows(footprint);
      let before = place;
      for (var row = rows.first; row < rows.end; row++) {
        let columns = tileColumns(footprint, row);
        found += u32(columns.end - columns.first);
        if (listing) {
          for (var column = columns.first; column < columns.end && place < end; column++) {
            keys[place] = keyOf(row, column, place - before);
            splats[place] = index;
            place++;
          }
        }
      }
    }
  }
  if (!listing) {
    if (rank < settings.gaussians) { counts[rank] = found; }
    atomicAdd(&pairs, found);
  }
  workgroupBarrier();

  if (thread == 0u) {
    queueLength = atomicLoad(&queued);
    let all = atomicLoad(&pairs);
    if (all > 0u) {
      // Who makes the low word wrap carries one.
      let before = atomicAdd(&counters[PAIRS_LOW], all);
      if (before + all < before) { atomicAdd(&counters[PAIRS_HIGH], 1u); }
    }
  }
  let length = workgroupUniformLoad(&queueLength);
  for (var n = thread >> 5u; n < length; n += 8u) {
    let entry = queue[n];
    let footprint = footprintAt(entry.x);
    let rows = tileRows(footprint);
    for (var row = rows.first + i32(thread & 31u); row < rows.end; row += 32) {
      var at = entry.y;
      for (var above = rows.first; above < row; above++) {
        let columns = tileColumns(footprint, above);
        at += u32(columns.end - columns.first);
      }
      let columns = tileColumns(footprint, row);
      for (var column = columns.first; column < columns.end && at < entry.z; column++) {
        keys[at] = keyOf(row, column, at - entry.y);
        splats[at] = entry.x;
        at++;
      }
    }
  }
}

@compute @workgroup_size(256)
fn rangeTiles(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let p = 256u * linearId(workgroup, grid) + thread;
  let last = totals[PAIRS_LOW];
  if (totals[PAIRS_HIGH] != 0u || last > settings.capacity) {
    let all = totals[VISIBLE];
    if (p < all) { values[p] = order[p]; }
    if (p < settings.tiles) { finals[p] = vec2u(0u, all | ALL); }
    return;
  }
  if (p >= last) { return; }
  let tile = tileOf(sortedKeys[p]);
  if (p == 0u || tileOf(sortedKeys[p - 1u]) != tile) { finals[tile].x = p; }
  if (p + 1u == last || tileOf(sortedKeys[p + 1u]) != tile) { finals[tile].y = p + 1u; }
}
