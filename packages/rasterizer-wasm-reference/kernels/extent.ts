// The tiles of a splat, row by row: those that the ellipse of alphaMin meets, and the square where there is one. A
// superset is harmless (pixels are tested one by one), so everything is rounded outwards. Ranges are packed as
// first | end << 16, end exclusive; 0 is the empty range.
import { HALF_X, HALF_Y, L11, L21, L22, REACH, SKEW, SQUARE, X, Y } from './layout'

@inline
function pack(first: i32, end: i32): u32 {
  return first < end ? (first as u32) | ((end as u32) << 16) : 0
}

// Tiles of the pixels in [low, high], cut to those that the square [middle - half, middle + half] meets.
@inline
function tiles(low: f32, high: f32, middle: f32, half: f32, size: i32): u32 {
  const last = (size - 1) as f32
  const first = max<f32>(ceil<f32>(low), 0)
  const end = min<f32>(floor<f32>(high), last)
  if (!(first <= end)) return 0
  const squareFirst = max<f32>(0, min<f32>(last + 16, floor<f32>((middle - half) * 0.0625) * 16)) as i32
  const squareEnd = max<f32>(0, min<f32>(last + 16, floor<f32>((middle + half + 15) * 0.0625) * 16)) as i32
  return pack(max((first as i32) >> 4, squareFirst >> 4), min(((end as i32) >> 4) + 1, squareEnd >> 4))
}

/** Tile rows of a splat. */
@inline
export function tileRows(splat: usize, height: i32): u32 {
  const y = load<f32>(splat, Y)
  const half = load<f32>(splat, HALF_Y)
  return tiles(y - half, y + half, y, load<f32>(splat, SQUARE), height)
}

/** Tile columns of a splat in tile row `row`. */
@inline
export function tileColumns(splat: usize, row: i32, width: i32): u32 {
  const x = load<f32>(splat, X)
  const halfX = load<f32>(splat, HALF_X)
  const square = load<f32>(splat, SQUARE)
  const box = tiles(x - halfX, x + halfX, x, square, width)
  if ((box >> 16) - (box & 0xffff) < 2) return box
  // Extremes of the ellipse inside of the slab of this row, at the extreme points of the whole where it has them.
  const y = load<f32>(splat, Y)
  const halfY = load<f32>(splat, HALF_Y)
  const low = max<f32>((row << 4) as f32 - y, -halfY)
  const high = min<f32>(((row << 4) + 15) as f32 - y, halfY)
  const skew = load<f32>(splat, SKEW)
  const right = max<f32>(low, min<f32>(high, skew))
  const left = max<f32>(low, min<f32>(high, -skew))
  const l22 = load<f32>(splat, L22)
  const reach = load<f32>(splat, REACH)
  const inverse = <f32>1 / load<f32>(splat, L11)
  const slope = load<f32>(splat, L21) * inverse
  const pad = halfX * 1e-4 + 0.01
  const toRight = sqrt<f32>(max<f32>(0, reach - l22 * right * (l22 * right))) * inverse + pad
  const toLeft = sqrt<f32>(max<f32>(0, reach - l22 * left * (l22 * left))) * inverse + pad
  return tiles(x - slope * left - toLeft, x - slope * right + toRight, x, square, width)
}

/** Number of tiles of a splat. */
export function countTiles(splat: usize, width: i32, height: i32): u32 {
  let count: u32 = 0
  const rows = tileRows(splat, height)
  for (let row = rows & 0xffff; row < rows >> 16; row++) {
    const columns = tileColumns(splat, row, width)
    count += (columns >> 16) - (columns & 0xffff)
  }
  return count
}
