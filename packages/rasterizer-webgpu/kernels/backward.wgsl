// Gradient sums of each Gaussian, splats back to front.
//
// A workgroup of 128 invocations is a tile, 32 of them a quarter of 8x8, as in forward.wgsl; batches of 64 splats from the
// last that any pixel added down to the first. A batch is drawn in rounds, of the next ROUND splats of every quarter each:
//  1. An invocation has two pixels. T is restored by division and `behind` is the sum over what lies behind of
//     weight (color . vImage + z vDepth), plus T_final (background . vImage - vAlpha), so that for a splat
//     dL/dalpha = T (color . vImage + z vDepth) - behind / (1 - alpha). It stages w = dL/dalpha alpha and the weight.
//  2. An invocation has a splat of a quarter and 2 ROUND pixels of it, over which it sums what layout.wgsl lists.
//  3. An invocation has a sum of a splat of a quarter. It adds the parts of step 2 up and adds them to the Gaussian:
//     an atomic a quarter and sum, not a pixel. WGSL has no float atomics: bits are compared and swapped.
// No shuffles are needed, so nothing is asked of subgroups. Pixels are read in a rotated order, without bank conflicts.
// The order of the atomic additions is not fixed: gradients repeat to rounding.
// Workgroup memory: 29.1 KiB with ROUND 8, 20.9 KiB with ROUND 4.
//#include "extent.wgsl"

const BATCH = 64u;
/// Splats of a quarter that are staged at once: 4 or 8.
override ROUND: u32 = 8u;
/// Words of an invocation's part of the sums; odd, for the memory's banks.
const PART_WORDS = 11u;
const NONE = 0xffffffffu;

@group(0) @binding(1) var<storage, read> records: array<vec4f>; // [G, 12]
@group(0) @binding(2) var<storage, read> values: array<u32>; // [max(capacity, G)]
@group(0) @binding(3) var<storage, read> ranges: array<vec2u>; // [tiles, 2]
@group(0) @binding(4) var<storage, read> finals: array<vec2u>; // [H, W, 2]
@group(0) @binding(5) var<storage, read> vImage: array<f32>; // [H, W, 3]
@group(0) @binding(6) var<storage, read> vAlpha: array<f32>; // [H, W], if given
@group(0) @binding(7) var<storage, read> vDepth: array<f32>; // [H, W], if given
@group(0) @binding(8) var<storage, read_write> sums: array<atomic<u32>>; // [G, 12] zeros, f32 bits

var<workgroup> first: array<vec4f, BATCH>;
var<workgroup> second: array<vec4f, BATCH>;
var<workgroup> third: array<vec4f, BATCH>;
var<workgroup> indices: array<u32, BATCH>;
/// A word for 32 splats and a quarter.
var<workgroup> meets: array<atomic<u32>, 8>;
/// One above the list index of the last splat that a pixel of a quarter added.
var<workgroup> lasts: array<atomic<u32>, 4>;
var<workgroup> tileLast: u32;
var<workgroup> rounds: u32;
/// dL/d(red, green, blue, depth) of the tile's pixels, quarter by quarter.
var<workgroup> vPixels: array<vec4f, 256>;
/// w and weight by quarter, splat of the round and pixel of the quarter.
var<workgroup> staged: array<vec2f, 256u * ROUND>;
/// Batch index of the splat of a slot (quarter and splat of the round), of two rounds.
var<workgroup> slots: array<u32, 8u * ROUND>;
var<workgroup> parts: array<f32, 128u * PART_WORDS>;

struct Pixel {
  T: f32,
  behind: f32,
  last: u32,
  /// dL/d(red, green, blue, depth).
  gradient: vec4f,
}

fn load(column: u32, row: u32) -> Pixel {
  if (column >= settings.width || row >= settings.height) { return Pixel(1.0f, 0.0f, 0u, vec4f(0.0f)); }
  let at = row * settings.width + column;
  let stored = finals[at];
  let T = bitcast<f32>(stored.x);
  let color = vec3f(vImage[3u * at], vImage[3u * at + 1u], vImage[3u * at + 2u]);
  var vZ = 0.0f;
  if (settings.hasDepth != 0u) { vZ = vDepth[at]; }
  var vA = 0.0f;
  if (settings.hasAlpha != 0u) { vA = vAlpha[at]; }
  return Pixel(T, T * (dot(color, settings.background) - vA), stored.y, vec4f(color, vZ));
}

/// What is still to be added to a sum, which was `old`; NONE for nothing.
struct Addition {
  at: u32,
  value: f32,
  old: u32,
}

/// Sum `item` of the round: of a slot, over its parts.
fn begin(item: u32, slotsOfRound: u32) -> Addition {
  let nothing = Addition(NONE, 0.0f, 0u);
  if (item >= 4u * ROUND * GRADIENT_SUMS) { return nothing; }
  let slot = item / GRADIENT_SUMS;
  let sum = item % GRADIENT_SUMS;
  let splat = slots[slotsOfRound + slot];
  if (splat == NONE) { return nothing; }
  var value = 0.0f;
  for (var part = 0u; part < 32u / ROUND; part++) { value += parts[PART_WORDS * (32u / ROUND * slot + part) + sum]; }
  if (bitcast<u32>(value) << 1u == 0u) { return nothing; }
  let at = GRADIENT_WORDS * indices[splat] + sum;
  return Addition(at, value, atomicLoad(&sums[at]));
}

/// What remains to be done.
fn attempt(a: Addition) -> Addition {
  if (a.at == NONE) { return a; }
  let result = atomicCompareExchangeWeak(&sums[a.at], a.old, bitcast<u32>(bitcast<f32>(a.old) + a.value));
  return Addition(select(a.at, NONE, result.exchanged), a.value, result.old_value);
}

@compute @workgroup_size(128)
fn backward(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let tile = linearId(workgroup, grid);
  if (tile >= settings.tiles) { return; }
  let tileColumn = tile % settings.tilesX;
  let tileRow = tile / settings.tilesX;
  let corner = vec2f(f32(TILE * tileColumn), f32(TILE * tileRow));
  let quarter = thread >> 5u;
  let lane = thread & 31u;
  let column = TILE * tileColumn + 8u * (quarter & 1u) + (thread & 7u);
  let row = TILE * tileRow + 8u * (quarter >> 1u) + (lane >> 3u);
  let x = f32(column);
  let y = f32(row);
  let alphaMax = settings.alphaMax;

  // Two pixels: the upper, the lower.
  let upper = load(column, row);
  let lower = load(column, row + 4u);
  vPixels[64u * quarter + lane] = upper.gradient;
  vPixels[64u * quarter + 32u + lane] = lower.gradient;
  var T = vec2f(upper.T, lower.T);
  var behind = vec2f(upper.behind, lower.behind);
  let vRed = vec2f(upper.gradient.x, lower.gradient.x);
  let vGreen = vec2f(upper.gradient.y, lower.gradient.y);
  let vBlue = vec2f(upper.gradient.z, lower.gradient.z);
  let vZ = vec2f(upper.gradient.w, lower.gradient.w);
  let last = vec2u(upper.last, lower.last);
  atomicMax(&lasts[quarter], max(last.x, last.y));
  workgroupBarrier();
  if (thread == 0u) {
    tileLast = max(
        max(atomicLoad(&lasts[0]), atomicLoad(&lasts[1])), max(atomicLoad(&lasts[2]), atomicLoad(&lasts[3])));
  }
  let count = workgroupUniformLoad(&tileLast);

  let range = ranges[tile];
  let all = range.y >= ALL;
  // Who fetches: an invocation a splat and upper or lower half of the tile.
  let fetched = thread & (BATCH - 1u);
  let half = thread / BATCH;
  let partsOfSlot = 32u / ROUND;
  let pixelsOfPart = 2u * ROUND;
  let slot = thread / partsOfSlot;
  let part = thread % partsOfSlot;
  let slotQuarter = slot / ROUND;
  let slotX = corner.x + f32(8u * (slotQuarter & 1u));
  let slotY = corner.y + f32(8u * (slotQuarter >> 1u));
  var parity = 0u;

  // The batch's splat j has the list index count - 1 - done - j.
  for (var done = 0u; done < count; done += BATCH) {
    // Nobody reads the batch before any longer.
    workgroupBarrier();
    if (thread < 8u) { atomicStore(&meets[thread], 0u); }
    workgroupBarrier();
    if (done + fetched < count) {
      let position = count - done - fetched;
      let index = values[range.x + position - 1u];
      let one = records[RECORD_VECTORS * index];
      let two = records[RECORD_VECTORS * index + 1u];
      if (half == 0u) {
        first[fetched] = one;
        second[fetched] = two;
        third[fetched] = records[RECORD_VECTORS * index + 2u];
        indices[fetched] = index;
      }
      let allowed = !all || settings.threeSigma == 0u ||
          squareHoldsTile(one.xy, two.w, i32(tileColumn), i32(tileRow));
      if (allowed) {
        let quarters = quartersOf(ellipseOf(one.z, one.w, two.x, two.y), one.xy, corner, half);
        for (var side = 0u; side < 2u; side++) {
          let q = 2u * half + side;
          if ((quarters & (1u << side)) != 0u && position <= atomicLoad(&lasts[q])) {
            atomicOr(&meets[4u * (fetched >> 5u) + q], 1u << (fetched & 31u));
          }
        }
      }
    }
    workgroupBarrier();
    if (thread == 0u) {
      var most = 0u;
      for (var q = 0u; q < 4u; q++) {
        most = max(most, countOneBits(atomicLoad(&meets[q])) + countOneBits(atomicLoad(&meets[4u + q])));
      }
      rounds = (most + ROUND - 1u) / ROUND;
    }
    let roundCount = workgroupUniformLoad(&rounds);
    var meeting = vec2u(atomicLoad(&meets[quarter]), atomicLoad(&meets[4u + quarter]));

    for (var round = 0u; round < roundCount; round++) {
      let slotsOfRound = 4u * ROUND * parity;
      for (var k = 0u; k < ROUND; k++) {
        let mine = ROUND * quarter + k;
        if (all0(meeting)) {
          if (lane == 0u) { slots[slotsOfRound + mine] = NONE; }
          continue;
        }
        var j = 0u;
        if (meeting.x != 0u) {
          j = countTrailingZeros(meeting.x);
          meeting.x &= meeting.x - 1u;
        } else {
          j = 32u + countTrailingZeros(meeting.y);
          meeting.y &= meeting.y - 1u;
        }
        if (lane == 0u) { slots[slotsOfRound + mine] = j; }
        let one = first[j];
        let two = second[j];
        let ex = x - one.x;
        let ey = vec2f(y, y + 4.0f) - one.y;
        let t = fma(vec2f(one.w), ey, vec2f(one.z * ex));
        let s = two.x * ey;
        let level = fma(-s, s, fma(-t, t, vec2f(two.y)));
        let inside = (level >= vec2f(settings.levelMin)) & (vec2u(count - done - j) <= last);
        var w = vec2f(0.0f);
        var weight = vec2f(0.0f);
        if (any(inside)) {
          let color = third[j];
          let full = select(vec2f(0.0f), exp2(level), inside);
          let alpha = min(vec2f(alphaMax), full);
          let inverse = 1.0f / (1.0f - alpha);
          T *= inverse;
          weight = alpha * T;
          let value = fma(vec2f(color.x), vRed, fma(vec2f(color.y), vGreen, fma(vec2f(color.z), vBlue, two.z * vZ)));
          let vAlphas = fma(T, value, -behind * inverse);
          behind = fma(weight, value, behind);
          w = select(vec2f(0.0f), vAlphas * alpha, full <= vec2f(alphaMax));
        }
        staged[64u * mine + lane] = vec2f(w.x, weight.x);
        staged[64u * mine + 32u + lane] = vec2f(w.y, weight.y);
      }
      workgroupBarrier();

      let j = slots[slotsOfRound + slot];
      if (j != NONE) {
        let one = first[j];
        let two = second[j];
        var moments0 = vec3f(0.0f);
        var moments1 = vec3f(0.0f);
        var colors = vec4f(0.0f);
        for (var i = 0u; i < pixelsOfPart; i++) {
          let pixel = pixelsOfPart * part + ((i + thread) & (pixelsOfPart - 1u));
          let both = staged[64u * slot + pixel];
          let ex = slotX + f32(pixel & 7u) - one.x;
          let ey = slotY + f32(pixel >> 3u) - one.y;
          let t = fma(one.w, ey, one.z * ex);
          let s = two.x * ey;
          let wt = both.x * t;
          let ws = both.x * s;
          moments0 += vec3f(both.x, wt, ws);
          moments1 = fma(vec3f(wt, wt, ws), vec3f(t, s, s), moments1);
          colors = fma(vec4f(both.y), vPixels[64u * slotQuarter + pixel], colors);
        }
        let at = PART_WORDS * thread;
        parts[at] = moments0.x;
        parts[at + 1u] = moments0.y;
        parts[at + 2u] = moments0.z;
        parts[at + 3u] = moments1.x;
        parts[at + 4u] = moments1.y;
        parts[at + 5u] = moments1.z;
        parts[at + 6u] = colors.x;
        parts[at + 7u] = colors.y;
        parts[at + 8u] = colors.z;
        parts[at + 9u] = colors.w;
      }
      workgroupBarrier();

      // Three at a time, so that the waits for memory overlap; there are 40 ROUND, at most 384.
      var a = begin(thread, slotsOfRound);
      var b = begin(thread + 128u, slotsOfRound);
      var c = begin(thread + 256u, slotsOfRound);
      while ((a.at & b.at & c.at) != NONE) {
        a = attempt(a);
        b = attempt(b);
        c = attempt(c);
      }
      parity ^= 1u;
    }
  }
}

fn all0(words: vec2u) -> bool { return (words.x | words.y) == 0u; }
