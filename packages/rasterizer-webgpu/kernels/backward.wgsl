// Gradient sums of each Gaussian, splats back to front.
//
// A workgroup of 128 invocations is a tile, 32 of them a quarter of 8x8, as in forward.wgsl; batches of splats from the last
// that any pixel added down to the first. Sums over the pixels meet in two steps. First in `partials`, of each unit of
// pixels and splat of the batch:
//  - SUBGROUPS: a unit is a subgroup, of any size from 4 to 128 lanes. An invocation has two pixels and adds them up; then
//    shuffles leave each of the ten sums over the subgroup in a lane of its own (fold.wgsl). Splats that no pixel of a
//    subgroup is in cost a vote. A batch is 64 splats; small subgroups have more partials, so they draw it in rounds.
//  - else: a unit is a quarter, which draws ROUND splats of its own at a time, through workgroup memory (staged.wgsl).
// Then an invocation has one sum of one splat, adds the units up in their order, and stores it in the row of the pair: no
// atomics, and the same bytes every time. A tile takes its rows at its start, as many as it reaches splats; collect.wgsl
// adds the rows of a Gaussian up. Where no rows are left, or tiles have no lists, sums are added to the Gaussian at once:
// an atomic a tile and sum; WGSL has none for floats, so bits are compared and swapped, in any order.
// Workgroup memory: 13.8 KiB with SUBGROUPS, else 24.4 KiB with ROUND 4, 20.4 KiB with ROUND 2.
//#if SUBGROUPS
// Whether a splat concerns a subgroup is the same for all of its lanes, but the compiler cannot know.
diagnostic(off, subgroup_uniformity);
//#endif
//#include "pixels.wgsl"
//#include "../../tensor/kernels/workgroup.wgsl"

@group(0) @binding(1) var<storage, read> records: array<vec4f>; // [G, 12]
@group(0) @binding(2) var<storage, read> values: array<u32>; // [max(capacity, G)]
@group(0) @binding(3) var<storage, read> keys: array<u32>; // [max(capacity, G)]
@group(0) @binding(8) var<storage, read_write> sums: array<atomic<u32>>; // layout.wgsl; f32 bits

const THREADS = 128u;
const NONE = 0xffffffffu;
//#if SUBGROUPS
/// Lanes of all subgroups where the host knows it, else 0: shuffles by constants cost less.
override LANES: u32 = 0u;
const BATCH = 64u;
//#else
const BATCH = 32u;
//#endif
const WORDS = BATCH / 32u;

var<workgroup> first: array<vec4f, BATCH>;
var<workgroup> second: array<vec4f, BATCH>;
var<workgroup> third: array<vec4f, BATCH>;
/// Of two batches, where sums go: the number of the pair if the tile has rows, else the index of the Gaussian.
var<workgroup> targets: array<u32, 2u * BATCH>;
/// Of two batches, a word for 32 splats and a quarter.
var<workgroup> meets: array<atomic<u32>, 8u * WORDS>;
/// One above the list index of the last splat that a pixel of a quarter added.
var<workgroup> lasts: array<atomic<u32>, 4>;
/// Splats that the tile reaches, its first row or NONE, lanes of a subgroup.
var<workgroup> tileState: vec3u;

//#if SUBGROUPS
//#include "fold.wgsl"
//#else
//#include "staged.wgsl"
//#endif

/// What a list says of a splat.
struct Entry {
  index: u32,
  key: u32,
  some: bool,
}

struct Record {
  one: vec4f,
  two: vec4f,
  three: vec4f,
}

/// `behind`: splats of the tile that are drawn before.
fn entryAt(list: u32, count: u32, behind: u32) -> Entry {
  if (behind >= count) { return Entry(0u, 0u, false); }
  let p = list + count - 1u - behind;
  return Entry(values[p], keys[p], true);
}

fn recordOf(entry: Entry) -> Record {
  if (!entry.some) { return Record(vec4f(0.0f), vec4f(0.0f), vec4f(0.0f)); }
  let at = RECORD_VECTORS * entry.index;
  return Record(records[at], records[at + 1u], records[at + 2u]);
}

fn addTo(at: u32, value: f32) {
  if (bitcast<u32>(value) << 1u == 0u) { return; }
  var old = 0u;
  loop {
    let result = atomicCompareExchangeWeak(&sums[at], old, bitcast<u32>(bitcast<f32>(old) + value));
    if (result.exchanged) { break; }
    old = result.old_value;
  }
}

/// Adds up the partials of `units` units for `splats` splats of a batch, those from `low` on. `row` is the batch's first.
fn merge(thread: u32, batch: u32, low: u32, splats: u32, units: u32, row: u32) {
  for (var item = thread; item < GRADIENT_SUMS * splats; item += THREADS) {
    let inRound = item / GRADIENT_SUMS;
    let sum = item % GRADIENT_SUMS;
    let j = low + inRound;
    var value = 0.0f;
    var some = false;
    for (var unit = 0u; unit < units; unit++) {
      if (isTouched(batch, unit, j)) {
        value += partials[GRADIENT_SUMS * (splats * unit + inRound) + sum];
        some = true;
      }
    }
    if (!some) { continue; }
    let goesTo = targets[BATCH * batch + j];
    if (row == NONE) {
      addTo(GRADIENT_WORDS * goesTo + sum, value);
    } else {
      atomicStore(&sums[rowsAt() + ROW_WORDS * (row + j) + sum], bitcast<u32>(value));
      if (sum == 0u) { atomicStore(&sums[rowsOfPairsAt() + goesTo], row + j + 1u); }
    }
  }
}

@compute @workgroup_size(128)
fn backward(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
//#if SUBGROUPS
    @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) subgroupSize: u32,
//#endif
    @builtin(local_invocation_index) thread: u32) {
  let tile = linearId(workgroup, grid);
  if (tile >= settings.tiles) { return; }
//#if SUBGROUPS
  let lanes = select(subgroupSize, LANES, LANES != 0u);
  // Pixels go by the place, so that a subgroup has pixels that lie together.
  let place = openWorkgroup(thread, lane, lanes);
  let folding = foldingOf(lane, lanes);
//#else
  let place = openWorkgroup(thread);
  let lanes = 32u;
//#endif
  let tileColumn = tile % settings.tilesX;
  let tileRow = tile / settings.tilesX;
  let corner = vec2f(f32(TILE * tileColumn), f32(TILE * tileRow));
  let quarter = place.thread >> 5u;
  let inQuarter = place.thread & 31u;
  var pixels = loadPixels(
      TILE * tileColumn + 8u * (quarter & 1u) + (inQuarter & 7u), TILE * tileRow + 8u * (quarter >> 1u) + (inQuarter >> 3u));
  atomicMax(&lasts[quarter], max(pixels.last.x, pixels.last.y));
  let range = finals[tile];
  let all = range.y >= ALL;
  workgroupBarrier();
  if (thread == 0u) {
    let reached = max(
        max(atomicLoad(&lasts[0]), atomicLoad(&lasts[1])), max(atomicLoad(&lasts[2]), atomicLoad(&lasts[3])));
    var row = NONE;
    if (reached > 0u && settings.rows > 0u && !all) {
      row = atomicAdd(&sums[usedRowsAt()], reached);
      if (row + reached > settings.rows) { row = NONE; }
    }
    tileState = vec3u(reached, row, lanes);
  }
  let state = workgroupUniformLoad(&tileState);
  let count = state.x;
  let hasRows = state.y != NONE;
//#if !SUBGROUPS
  keepGradients(quarter, inQuarter, &pixels);
//#endif

  // Who fetches: an invocation a splat and upper or lower half of the tile.
  let fetched = thread & (BATCH - 1u);
  let half = thread / BATCH;
  var entry = entryAt(range.x, count, select(NONE, fetched, half < 2u));
  var record = recordOf(entry);
  var batch = 0u;
  // The batch's splat j has the list index count - 1 - done - j.
  for (var done = 0u; done < count; done += BATCH) {
    if (entry.some) {
      if (half == 0u) {
        first[fetched] = record.one;
        second[fetched] = record.two;
        third[fetched] = record.three;
        let pair = pairOfFloat(record.three.w) + (entry.key >> settings.tileBits);
        targets[BATCH * batch + fetched] = select(entry.index, pair, hasRows);
      }
      let allowed = !all || settings.threeSigma == 0u ||
          squareHoldsTile(record.one.xy, record.two.w, i32(tileColumn), i32(tileRow));
      if (allowed) {
        let ellipse = ellipseOf(record.one.z, record.one.w, record.two.x, record.two.y);
        let quarters = quartersOf(ellipse, record.one.xy, corner, half);
        for (var side = 0u; side < 2u; side++) {
          let q = 2u * half + side;
          if ((quarters & (1u << side)) != 0u && count - done - fetched <= atomicLoad(&lasts[q])) {
            atomicOr(&meets[4u * (WORDS * batch + (fetched >> 5u)) + q], 1u << (fetched & 31u));
          }
        }
      }
    }
    workgroupBarrier();
    // Asked for here, needed after the drawing. Nobody looks at the batch before any longer.
    entry = entryAt(range.x, count, select(NONE, done + BATCH + fetched, half < 2u));
    if (thread < 4u * WORDS) { atomicStore(&meets[4u * WORDS * (batch ^ 1u) + thread], 0u); }
    let row = select(NONE, state.y + done, hasRows);

//#if SUBGROUPS
    let round = min(BATCH, 2u * select(state.z, LANES, LANES != 0u));
    for (var low = 0u; low < min(BATCH, count - done); low += round) {
      if (low > 0u) { workgroupBarrier(); }
      for (var word = low >> 5u; word < ((low + round + 31u) >> 5u); word++) {
        var mask = 0u;
        for (var q = place.thread >> 5u; q <= ((place.thread - lane + lanes - 1u) >> 5u); q++) {
          mask |= atomicLoad(&meets[4u * (WORDS * batch + word) + q]);
        }
        if (round < 32u) { mask &= ((1u << round) - 1u) << (low & 31u); }
        var meeting = subgroupBroadcastFirst(mask);
        var met = 0u;
        while (meeting != 0u) {
          let bit = countTrailingZeros(meeting);
          meeting &= meeting - 1u;
          let j = 32u * word + bit;
          let two = second[j];
          let falloff = falloffAt(&pixels, first[j], two, count - done - j);
          if (!subgroupAny(any(falloff.inside))) { continue; }
          met |= 1u << bit;
          let share = takeOff(&pixels, falloff, two.z, third[j]);
          fold(folding, GRADIENT_SUMS * (round * place.subgroup + j - low), &pixels, falloff, share);
        }
        if (lane == 0u) { touched[WORDS * place.subgroup + word] = met; }
      }
      workgroupBarrier();
      if (low + round >= min(BATCH, count - done)) { record = recordOf(entry); }
      merge(thread, batch, low, round, THREADS / lanes, row);
    }
//#else
    drawStaged(thread, &pixels, corner, batch, count - done);
    record = recordOf(entry);
    merge(thread, batch, 0u, BATCH, 4u, row);
//#endif
    batch ^= 1u;
  }
}
