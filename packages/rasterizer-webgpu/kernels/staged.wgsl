// Sums over the pixels of a quarter without subgroups, for backward.wgsl. A quarter draws its own splats of a batch in
// rounds, of the next ROUND each:
//  1. An invocation has two pixels. It stages w and the weight of the colour for each splat.
//  2. An invocation has a splat of a quarter and 2 ROUND pixels of it, over which it sums what layout.wgsl lists. Pixels
//     are read in a rotated order, without bank conflicts.
//  3. An invocation has a sum of a splat of a quarter, and adds the parts of step 2 up.

/// Splats of a quarter that are staged at once: 2 or 4.
override ROUND: u32 = 4u;
/// Words of an invocation's part of the sums; odd, for the memory's banks.
const PART_WORDS = 11u;

var<workgroup> partials: array<f32, 4u * GRADIENT_SUMS * BATCH>; // [quarters, splats of the batch, 10]
var<workgroup> rounds: u32;
/// dL/d(red, green, blue, depth) of the tile's pixels, quarter by quarter.
var<workgroup> vPixels: array<vec4f, 256>;
/// w and weight by quarter, splat of the round and pixel of the quarter.
var<workgroup> staged: array<vec2f, 256u * ROUND>;
/// Batch index of the splat of a slot (quarter and splat of the round), of two rounds.
var<workgroup> slots: array<u32, 8u * ROUND>;
var<workgroup> parts: array<f32, THREADS * PART_WORDS>;

fn isTouched(batch: u32, unit: u32, j: u32) -> bool {
  return ((atomicLoad(&meets[4u * batch + unit]) >> j) & 1u) != 0u;
}

fn keepGradients(quarter: u32, inQuarter: u32, pixels: ptr<function, Pixels>) {
  let p = *pixels;
  let at = 64u * quarter + inQuarter;
  vPixels[at] = vec4f(p.vRed.x, p.vGreen.x, p.vBlue.x, p.vDepths.x);
  vPixels[at + 32u] = vec4f(p.vRed.y, p.vGreen.y, p.vBlue.y, p.vDepths.y);
}

/// Leaves the sums of the batch in `partials`. The batch's splat j is the one before `left - j` others of its list.
fn drawStaged(thread: u32, pixels: ptr<function, Pixels>, corner: vec2f, batch: u32, left: u32) {
  if (thread == 0u) {
    var most = 0u;
    for (var q = 0u; q < 4u; q++) { most = max(most, countOneBits(atomicLoad(&meets[4u * batch + q]))); }
    rounds = (most + ROUND - 1u) / ROUND;
  }
  let roundCount = workgroupUniformLoad(&rounds);
  let quarter = thread >> 5u;
  let inQuarter = thread & 31u;
  let partsOfSlot = 32u / ROUND;
  let pixelsOfPart = 2u * ROUND;
  let slot = thread / partsOfSlot;
  let part = thread % partsOfSlot;
  let slotQuarter = slot / ROUND;
  let slotX = corner.x + f32(8u * (slotQuarter & 1u));
  let slotY = corner.y + f32(8u * (slotQuarter >> 1u));
  var meeting = atomicLoad(&meets[4u * batch + quarter]);
  var slotsOfRound = 0u;
  for (var round = 0u; round < roundCount; round++) {
    for (var k = 0u; k < ROUND; k++) {
      let mine = ROUND * quarter + k;
      if (meeting == 0u) {
        if (inQuarter == 0u) { slots[slotsOfRound + mine] = NONE; }
        continue;
      }
      let j = countTrailingZeros(meeting);
      meeting &= meeting - 1u;
      if (inQuarter == 0u) { slots[slotsOfRound + mine] = j; }
      let two = second[j];
      let falloff = falloffAt(pixels, first[j], two, left - j);
      var share = Share(vec2f(0.0f), vec2f(0.0f));
      if (any(falloff.inside)) { share = takeOff(pixels, falloff, two.z, third[j]); }
      staged[64u * mine + inQuarter] = vec2f(share.w.x, share.weight.x);
      staged[64u * mine + 32u + inQuarter] = vec2f(share.w.y, share.weight.y);
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

    for (var item = thread; item < 4u * ROUND * GRADIENT_SUMS; item += THREADS) {
      let own = item / GRADIENT_SUMS;
      let sum = item % GRADIENT_SUMS;
      let splat = slots[slotsOfRound + own];
      if (splat == NONE) { continue; }
      var value = 0.0f;
      for (var i = 0u; i < partsOfSlot; i++) { value += parts[PART_WORDS * (partsOfSlot * own + i) + sum]; }
      partials[GRADIENT_SUMS * (BATCH * (own / ROUND) + splat) + sum] = value;
    }
    slotsOfRound ^= 4u * ROUND;
  }
  workgroupBarrier();
}
