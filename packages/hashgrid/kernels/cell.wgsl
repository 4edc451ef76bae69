// Where a point lies in a level, and the entries and weights of the corners around it.

/// Whether fma rounds once. WGSL leaves that to the implementation; the binding asks it, see `locateAll`.
override FUSED: bool = false;

struct Level {
  scale: f32,
  timeScale: f32,
  entries: u32,
  offset: u32,
  /// Of y, z and t; that of x is 1.
  factors: vec3u,
  /// Combine by xor, not by sum.
  hashed: bool,
}

/// The lower corner along an axis, and how far behind it.
struct Place {
  below: u32,
  fraction: f32,
}

/// All within [0, 1], by their bits; neither NaN nor a negative number, but for -0.
fn isInside(point: vec4u) -> bool {
  return all((point <= vec4u(0x3f800000u)) | (point == vec4u(0x80000000u)));
}

/// The place of scale x + 0.5, rounded once; `x` as bits, in [0, 1].
fn locate(x: u32, scale: f32) -> Place {
  if (FUSED) {
    let p = fma(scale, bitcast<f32>(x), 0.5);
    let below = floor(p);
    return Place(u32(below), p - below);
  }
  return locateExactly(x & 0x7fffffffu, bitcast<u32>(scale));
}

/// In integers: the product of the mantissas, as 32 bits before and 32 behind the point.
fn locateExactly(x: u32, scale: u32) -> Place {
  let a = mantissaOf(scale);
  let b = mantissaOf(x);
  // By halves of 12 bits.
  let low = (a & 0xfffu) * (b & 0xfffu);
  let middle = (a >> 12u) * (b & 0xfffu) + (a & 0xfffu) * (b >> 12u);
  let high = (a >> 12u) * (b >> 12u);
  let lower = low + (middle << 12u);
  var behind = lower + (high << 24u);
  var before = (high >> 8u) + (middle >> 20u) + u32(lower < low) + u32(behind < lower);

  // Below 2^24, so by at most 9 to the left. What falls off on the right only matters for ties.
  let shift = exponentOf(scale) + exponentOf(x) + 32;
  var rest = false;
  if (shift > 0) {
    before = (before << u32(shift)) | (behind >> u32(32 - shift));
    behind = behind << u32(shift);
  } else if (shift < 0) {
    let by = u32(-shift);
    if (by < 32u) {
      rest = (behind << (32u - by)) != 0u;
      behind = (behind >> by) | (before << (32u - by));
      before = before >> by;
    } else if (by < 64u) {
      rest = behind != 0u || (by > 32u && (before << (64u - by)) != 0u);
      behind = before >> (by - 32u);
      before = 0u;
    } else {
      rest = (before | behind) != 0u;
      behind = 0u;
      before = 0u;
    }
  }
  let product = behind;
  behind += 0x80000000u;
  before += u32(behind < product);

  // To 24 bits, ties to even. At least a half, so with nothing before the point the first bit behind it is set.
  let drop = select(40u - countLeadingZeros(before), 8u, before == 0u);
  if (drop < 32u) {
    let step = 1u << drop;
    let dropped = behind & (step - 1u);
    behind -= dropped;
    let odd = (behind & step) != 0u;
    if (dropped > step / 2u || (dropped == step / 2u && (rest || odd))) {
      behind += step;
      before += u32(behind == 0u);
    }
  } else {
    let odd = (before & 1u) != 0u;
    before += u32(behind > 0x80000000u || (behind == 0x80000000u && (rest || odd)));
    behind = 0u;
  }
  return Place(before, f32(behind) * 0x1p-32);
}

fn mantissaOf(bits: u32) -> u32 {
  return (bits & 0x7fffffu) | (u32(bits >= 0x800000u) << 23u);
}

/// Of the mantissa's last bit.
fn exponentOf(bits: u32) -> i32 {
  return max(i32(bits >> 23u), 1) - 150;
}

/// The eight corners on one side of a cell along x.
struct Cell {
  x: u32,
  weight: f32,
  /// Products of the lower corner's y, z and t with the level's factors.
  lower: vec3u,
  fractions: vec3f,
}

fn cellOf(point: vec4u, level: Level, side: u32) -> Cell {
  let x = locate(point.x, level.scale);
  let y = locate(point.y, level.scale);
  let z = locate(point.z, level.scale);
  let t = locate(point.w, level.timeScale);
  return Cell(
    x.below + side, select(1.0 - x.fraction, x.fraction, side != 0u), vec3u(y.below, z.below, t.below) * level.factors,
    vec3f(y.fraction, z.fraction, t.fraction));
}

/// Which axes of y, z and t corner c of eight lies on the upper side of.
fn upper(c: u32) -> vec3<bool> {
  return (vec3u(c) & vec3u(1u, 2u, 4u)) != vec3u(0u);
}

fn weightOf(cell: Cell, c: u32) -> f32 {
  let weights = select(1.0 - cell.fractions, cell.fractions, upper(c));
  return cell.weight * weights.x * weights.y * weights.z;
}

/// The entry of corner c, in the whole table.
fn entryOf(cell: Cell, level: Level, c: u32) -> u32 {
  let at = cell.lower + select(vec3u(), level.factors, upper(c));
  let mask = level.entries - 1u;
  if (level.hashed) {
    return level.offset + ((cell.x ^ at.x ^ at.y ^ at.z) & mask);
  }
  var entry = cell.x + at.x + at.y + at.z;
  if ((level.entries & mask) == 0u) {
    return level.offset + (entry & mask);
  }
  // The largest corner may lie past the last vertex, at most three times around.
  while (entry >= level.entries) {
    entry -= level.entries;
  }
  return level.offset + entry;
}
