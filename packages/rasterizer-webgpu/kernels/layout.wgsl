// Where things lie: the settings of a launch, the counters of a pass, the record of a projected Gaussian, the gradient
// sums of a Gaussian. The build checks the settings against what the binding gives.
//
// Record: three vec4f, (x, y, l11, l21), (l22, level, depth, square), (red, green, blue, first pair). Pixel (0, 0) has its
// centre at (0, 0) here. For e = pixel - (x, y), t = l11 ex + l21 ey and s = l22 ey, alpha before its bound is
// 2^(level - t^2 - s^2): [[l11, l21], [0, l22]] is the Cholesky factor of the inverse covariance times log2(e) / 2, level
// the log2 of the opacity. Nothing is lost for long thin splats, and the threshold on alpha is one for all. `square` is the
// half side of the square that bounds the tiles, large where nothing does. `first pair` is the number of the splat's first
// (Gaussian, tile) pair, in the bits that `pairAsFloat` makes; pairs are numbered in depth order.
//
// Gradient sums: over the pixels, of w = dL/dalpha alpha times 1, t, s, t^2, t s, s^2, then of dL/d(red, green, blue,
// depth), then two words of padding. In t and s they stay well conditioned where ex and ey would cancel.
// One tensor has, from its first word: the sums of all Gaussians, the number of rows in use and three words of padding, the
// row of each pair plus one (0 for none), and the rows: the sums of a pair, without padding.
//#include "../../tensor/kernels/common.wgsl"

/// Pixels a side of a tile.
const TILE = 16u;
const RECORD_VECTORS = 3u;
const GRADIENT_WORDS = 12u;
const GRADIENT_SUMS = 10u;
const ROW_WORDS = GRADIENT_SUMS;
/// Sorts behind every depth below 1e20.
const CULLED_KEY = 0x7fffffffu;
/// In the end of a tile's range: it is not a list, but all splats.
const ALL = 0x80000000u;
/// Beyond every level; finished pixels have it for a threshold.
const NEVER = 1e30f;
const LARGEST = 3.4028234e38f;

// Counters of a pass: (Gaussian, tile) pairs, 64 bits, also those beyond the capacity of the lists; visible Gaussians.
const PAIRS_LOW = 0u;
const PAIRS_HIGH = 1u;
const VISIBLE = 2u;

struct Settings {
  /// Rows of the camera's rotation and shift, and what f32 rounds off of them.
  row0: vec4f,
  row1: vec4f,
  row2: vec4f,
  low0: vec4f,
  low1: vec4f,
  low2: vec4f,
  /// Focal length and principal point less a half, each followed by what f32 rounds off.
  pixelX: vec4f,
  pixelY: vec4f,
  background: vec3f,
  dilation: f32,
  near: vec2f,
  /// Bounds of |x/z| and |y/z| in the Jacobian.
  limit: vec2f,
  /// The smallest f32 that is not below alphaMin, and log2 of alphaMin.
  alphaMin: f32,
  levelMin: f32,
  alphaMax: f32,
  transmittanceMin: f32,
  width: u32,
  height: u32,
  /// Tiles a row, and all.
  tilesX: u32,
  tiles: u32,
  threeSigma: u32,
  gaussians: u32,
  /// Pairs that the lists hold, and rows of sums.
  capacity: u32,
  rows: u32,
  /// Bits of a tile's number; the rest of a pair's key says which of its splat's pairs it is.
  tileBits: u32,
  /// 0, which no compiler knows.
  zero: u32,
  /// Whether the optional tensors are given.
  hasCount: u32,
  hasAlpha: u32,
  hasDepth: u32,
  /// Whether tiles are listed; they are counted before.
  listing: u32,
}

@group(0) @binding(0) var<uniform> settings: Settings;

/// x. No compiler can prove it, so none rearranges what is computed from x, or assumes that it is finite.
fn hide(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ settings.zero); }

fn finite(x: f32) -> bool { return ((bitcast<u32>(x) ^ settings.zero) & 0x7f800000u) != 0x7f800000u; }

fn finite3(v: vec3f) -> bool { return finite(v.x) && finite(v.y) && finite(v.z); }

/// Pairs are fewer than 2^29: with this bit set, their number is an ordinary float, which no hardware touches.
fn pairAsFloat(pair: u32) -> f32 { return bitcast<f32>(pair | 0x40000000u); }

fn pairOfFloat(x: f32) -> u32 { return bitcast<u32>(x) & 0x3fffffffu; }

/// Words of the tensor of sums: the number of rows in use, the row of the first pair, the first row.
fn usedRowsAt() -> u32 { return GRADIENT_WORDS * settings.gaussians; }

fn rowsOfPairsAt() -> u32 { return usedRowsAt() + 4u; }

fn rowsAt() -> u32 { return rowsOfPairsAt() + 4u * divideUp(settings.capacity, 4u); }
