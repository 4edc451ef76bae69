// The tiles of a splat, row by row, and the quarters of a tile that it meets: those that the ellipse of alphaMin reaches,
// and the square of three sigma where there is one. A superset is harmless (pixels are tested one by one), so all is
// rounded outwards.
//#include "layout.wgsl"

/// The ellipse t^2 + s^2 <= reach and its bounding box, which is a little enlarged.
struct Ellipse {
  reach: f32,
  half: vec2f,
  /// ey of the rightmost point.
  skew: f32,
  l22: f32,
  slope: f32,
  inverse: f32,
  pad: f32,
}

struct Range {
  first: i32,
  /// Exclusive.
  end: i32,
}

fn ellipseOf(l11: f32, l21: f32, l22: f32, level: f32) -> Ellipse {
  var e: Ellipse;
  e.reach = max(0.0f, level - settings.levelMin);
  let root = sqrt(e.reach);
  e.inverse = 1.0f / l11;
  let inverse22 = 1.0f / l22;
  let ratio = l21 * inverse22;
  let length = sqrt(fma(ratio, ratio, 1.0f));
  e.half = fma(vec2f(root * length * e.inverse, root * inverse22), vec2f(1.0001f), vec2f(0.01f));
  e.skew = -(root * (ratio / length)) * inverse22;
  e.l22 = l22;
  e.slope = l21 * e.inverse;
  e.pad = fma(e.half.x, 1e-4f, 0.01f);
  return e;
}

/// Extremes in x, from the centre, of the ellipse inside of low <= ey <= high: at the extreme points of the whole where
/// the slab has them, else at its edges. The first is above the second where the slab misses the ellipse.
fn slabOf(e: Ellipse, above: f32, below: f32) -> vec2f {
  let low = max(above, -e.half.y);
  let high = min(below, e.half.y);
  if (!(low <= high)) { return vec2f(1.0f, -1.0f) * LARGEST; }
  let atRight = clamp(e.skew, low, high);
  let atLeft = clamp(-e.skew, low, high);
  let sRight = e.l22 * atRight;
  let sLeft = e.l22 * atLeft;
  let toRight = sqrt(max(0.0f, fma(-sRight, sRight, e.reach)));
  let toLeft = sqrt(max(0.0f, fma(-sLeft, sLeft, e.reach)));
  return vec2f(
      fma(-e.slope, atLeft, -fma(toLeft, e.inverse, e.pad)), fma(-e.slope, atRight, fma(toRight, e.inverse, e.pad)));
}

/// Tiles of the pixels in [low, high], cut to those that the square [middle - half, middle + half] meets.
fn tilesOf(low: f32, high: f32, middle: f32, half: f32, size: u32) -> Range {
  let first = max(ceil(low), 0.0f);
  let last = min(floor(high), f32(size) - 1.0f);
  if (!(first <= last)) { return Range(0, 0); }
  let squareFirst = clamp(floor((middle - half) * 0.0625f), 0.0f, 4096.0f);
  let squareEnd = clamp(floor((middle + half + 15.0f) * 0.0625f), 0.0f, 4096.0f);
  let range = Range(max(i32(first) / 16, i32(squareFirst)), min(i32(last) / 16 + 1, i32(squareEnd)));
  if (range.first < range.end) { return range; }
  return Range(0, 0);
}

/// What listing needs of a splat.
struct Footprint {
  centre: vec2f,
  square: f32,
  ellipse: Ellipse,
}

fn footprintOf(first: vec4f, second: vec4f) -> Footprint {
  return Footprint(first.xy, second.w, ellipseOf(first.z, first.w, second.x, second.y));
}

/// Tile rows of a splat.
fn tileRows(f: Footprint) -> Range {
  let half = f.ellipse.half.y;
  return tilesOf(f.centre.y - half, f.centre.y + half, f.centre.y, f.square, settings.height);
}

/// Tile columns of a splat in a tile row.
fn tileColumns(f: Footprint, row: i32) -> Range {
  let half = f.ellipse.half.x;
  let box = tilesOf(f.centre.x - half, f.centre.x + half, f.centre.x, f.square, settings.width);
  if (box.end - box.first < 2) { return box; }
  let top = f32(row * 16) - f.centre.y;
  let slab = slabOf(f.ellipse, top, top + 15.0f);
  if (slab.x > slab.y) { return Range(0, 0); }
  return tilesOf(f.centre.x + slab.x, f.centre.x + slab.y, f.centre.x, f.square, settings.width);
}

/// The two quarters of 8x8 pixels, left and right, that the ellipse meets in the upper (0) or lower (1) half of the tile
/// whose first pixel is `corner`: bits 0 and 1.
fn quartersOf(e: Ellipse, centre: vec2f, corner: vec2f, half: u32) -> u32 {
  let low = (corner.y - centre.y) + f32(8u * half);
  let offset = corner.x - centre.x;
  let slab = slabOf(e, low, low + 7.0f);
  let left = slab.x <= offset + 7.0f && slab.y >= offset;
  let right = slab.x <= offset + 15.0f && slab.y >= offset + 8.0f;
  return select(0u, 1u, left) | select(0u, 2u, right);
}

/// Whether a splat that is in no list has the tile in its square.
fn squareHoldsTile(centre: vec2f, square: f32, column: i32, row: i32) -> bool {
  let columns = tilesOf(0.0f, f32(settings.width), centre.x, square, settings.width);
  let rows = tilesOf(0.0f, f32(settings.height), centre.y, square, settings.height);
  return column >= columns.first && column < columns.end && row >= rows.first && row < rows.end;
}
