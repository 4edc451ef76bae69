// Sums of ten values over a subgroup of any size, by shuffles that halve the values that a lane has: 12 shuffles for 32
// lanes, where ten sums one by one take 50. For backward.wgsl.

var<workgroup> partials: array<f32, 2560>; // [units, splats of a round, 10]
/// Of a unit, a bit a splat that a pixel of it is in. Lanes are 4 or more.
var<workgroup> touched: array<u32, 32u * WORDS>;

fn isTouched(batch: u32, unit: u32, j: u32) -> bool {
  return ((touched[WORDS * unit + (j >> 5u)] >> (j & 31u)) & 1u) != 0u;
}

struct Folding {
  lanes: u32,
  /// In which half, quarter, eighth and sixteenth of the subgroup a lane is: the later ones keep the later values.
  upper: vec4<bool>,
  /// First of the sums that the lane is left with, and how many.
  first: u32,
  some: u32,
}

fn foldingOf(lane: u32, lanes: u32) -> Folding {
  let upper = (vec4u(lane) & (vec4u(lanes) >> vec4u(1u, 2u, 3u, 4u))) != vec4u(0u);
  let fives = select(0u, 5u, upper.x);
  let threes = select(0u, 3u, upper.y);
  let most = select(3u, 2u, upper.y);
  if (lanes == 4u) { return Folding(lanes, upper, fives + threes, most); }
  let twos = select(0u, 2u, upper.z);
  // Of three, the upper lanes have the last; of two, none.
  let left = select(2u, most - 2u, upper.z);
  if (lanes == 8u) { return Folding(lanes, upper, fives + threes + twos, left); }
  let one = select(0u, 1u, upper.w);
  let copy = (lane & ((lanes >> 4u) - 1u)) != 0u;
  return Folding(lanes, upper, fives + threes + twos + one, select(0u, 1u, one < left && !copy));
}

/// Lanes with `upper` keep b and give a away, the others keep a and give b.
fn halve(upper: bool, a: f32, b: f32, step: u32) -> f32 {
  return select(a, b, upper) + subgroupShuffleXor(select(b, a, upper), step);
}

/// Writes the sums over the subgroup to `partials` from `at` on.
fn fold(folding: Folding, at: u32, pixels: ptr<function, Pixels>, falloff: Falloff, share: Share) {
  let t = falloff.t;
  let s = falloff.s;
  let w = share.w;
  let wt = w * t;
  let ws = w * s;
  let weight = share.weight;
  let upper = folding.upper;
  var step = folding.lanes >> 1u;
  let a0 = halve(upper.x, w.x + w.y, dot(ws, s), step);
  let a1 = halve(upper.x, wt.x + wt.y, dot(weight, (*pixels).vRed), step);
  let a2 = halve(upper.x, ws.x + ws.y, dot(weight, (*pixels).vGreen), step);
  let a3 = halve(upper.x, dot(wt, t), dot(weight, (*pixels).vBlue), step);
  let a4 = halve(upper.x, dot(wt, s), dot(weight, (*pixels).vDepths), step);
  step >>= 1u;
  let b0 = halve(upper.y, a0, a3, step);
  let b1 = halve(upper.y, a1, a4, step);
  let b2 = halve(upper.y, a2, 0.0f, step);
  let to = at + folding.first;
  if (step == 1u) {
    partials[to] = b0;
    partials[to + 1u] = b1;
    if (folding.some > 2u) { partials[to + 2u] = b2; }
    return;
  }
  step >>= 1u;
  let c0 = halve(upper.z, b0, b2, step);
  let c1 = halve(upper.z, b1, 0.0f, step);
  if (step == 1u) {
    if (folding.some > 0u) { partials[to] = c0; }
    if (folding.some > 1u) { partials[to + 1u] = c1; }
    return;
  }
  step >>= 1u;
  var d = halve(upper.w, c0, c1, step);
  for (step >>= 1u; step > 0u; step >>= 1u) { d += subgroupShuffleXor(d, step); }
  if (folding.some > 0u) { partials[to] = d; }
}
