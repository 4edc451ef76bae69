// L1 and SSIM of an image against bytes, and their gradient; the formula is in src/contract.ts.
//
// Images are rows of interleaved floats, 3 W columns; taps of one channel lie 3 columns apart. A workgroup of 128 is a
// strip of 128 columns by `band` rows and goes down it row by row: a row with 15 columns on either side lies in workgroup
// memory (double buffered, the next one is under way in registers), each invocation filters its column along x from there,
// and adds the result to the eleven output rows that it belongs to, whose sums it keeps in registers and shifts by one at
// every row. So nothing filtered is stored, and the next output row is finished with every row that is read.
// Forward keeps three maps of derivatives: of SSIM with respect to the windowed means of x, of x^2 and of x y; backward
// filters these (the window is symmetric, so it is its own transpose).
// Determinism: sums are single precision, per column of a band, then per workgroup as a tree, then over workgroups, whose
// number depends on the image alone: equal bytes every time. No value decides by a comparison that NaN could slip through:
// every term of a NaN is NaN by arithmetic.
// Floor: as the CUDA kernel, 17 bytes a value forward and 21 backward. Workgroup memory: 6.6 KiB.
// Limits: 2^29 pixels.
//#include "../../tensor/kernels/common.wgsl"
//#include "./sums.wgsl"

const COLUMNS = 128u;
const RADIUS = 5;
const HALO = 15;
/// Columns in workgroup memory.
const ROW = 158u;

const C1 = 0.0001;
const C2 = 0.0009;

// The window, standard deviation 1.5, by distance from its centre; the weights of all eleven taps have sum 1.
const W0 = 0.26601172486179436;
const W1 = 0.2130055377112537;
const W2 = 0.10936068950970002;
const W3 = 0.03600077212843083;
const W4 = 0.007598758135239185;
const W5 = 0.00102838008447911;

struct MeasureSettings { height: u32, width: u32, band: u32 }
struct FinishSettings { count: u32, values: f32 }
struct MeasureBackwardSettings { height: u32, width: u32, band: u32, perDifference: f32, perSimilarity: f32 }

@group(0) @binding(0) var<uniform> measureSettings: MeasureSettings;
@group(0) @binding(0) var<uniform> finishSettings: FinishSettings;
@group(0) @binding(0) var<uniform> measureBackwardSettings: MeasureBackwardSettings;

@group(0) @binding(1) var<storage, read> image: array<f32>; // [height, 3 width]
@group(0) @binding(2) var<storage, read> bytes: array<u32>; // [height, 3 width] four a word
@group(0) @binding(3) var<storage, read_write> saved: array<f32>; // [3, height, 3 width]
@group(0) @binding(4) var<storage, read_write> partials: array<vec2f>; // [workgroups] sums of |x - y| and of SSIM
@group(0) @binding(1) var<storage, read> sums: array<vec2f>; // the same
@group(0) @binding(2) var<storage, read_write> terms: array<f32>; // [2]
@group(0) @binding(3) var<storage, read> maps: array<f32>; // [3, height, 3 width] what `measure` saved
@group(0) @binding(4) var<storage, read_write> vImage: array<f32>; // [height, 3 width]

/// Two rows: x and y, or two of the maps; and the third map.
var<workgroup> pairs: array<vec2f, 2u * ROW>;
var<workgroup> thirds: array<f32, 2u * ROW>;

/// The filter along y: what rows before added to the ten output rows that are not complete.
struct ColumnSums {
  s0: vec4f, s1: vec4f, s2: vec4f, s3: vec4f, s4: vec4f,
  s5: vec4f, s6: vec4f, s7: vec4f, s8: vec4f, s9: vec4f,
}

/// Adds the next row, and returns the output RADIUS rows before it.
fn addRow(rows: ptr<function, ColumnSums>, x: vec4f) -> vec4f {
  let complete = (*rows).s0 + W5 * x;
  (*rows).s0 = (*rows).s1 + W4 * x;
  (*rows).s1 = (*rows).s2 + W3 * x;
  (*rows).s2 = (*rows).s3 + W2 * x;
  (*rows).s3 = (*rows).s4 + W1 * x;
  (*rows).s4 = (*rows).s5 + W0 * x;
  (*rows).s5 = (*rows).s6 + W1 * x;
  (*rows).s6 = (*rows).s7 + W2 * x;
  (*rows).s7 = (*rows).s8 + W3 * x;
  (*rows).s8 = (*rows).s9 + W4 * x;
  (*rows).s9 = W5 * x;
  return complete;
}

/// Byte i of `bytes` over 255, correctly rounded: in base 256 it is the byte repeated for ever. Four of them, moved to the
/// top of a word, are rounded once by the conversion; the last bit stands for all that follow. Compilers rearrange sums of
/// float products, but not this.
fn unitAt(i: u32) -> f32 {
  let repeated = byteOf(bytes[i >> 2u], i) * 0x01010101u;
  if (repeated == 0u) { return 0.0; }
  let zeros = countLeadingZeros(repeated);
  return f32((repeated << zeros) | 1u) * bitcast<f32>((127u - 32u - zeros) << 23u);
}

/// What a workgroup works on.
struct Tile { columns: i32, height: i32, left: i32, top: i32, bottom: i32 }

fn tileOf(workgroup: vec3u, height: u32, width: u32, band: u32) -> Tile {
  let top = workgroup.y * band;
  let bottom = min(height, top + band);
  return Tile(i32(3u * width), i32(height), i32(workgroup.x * COLUMNS), i32(top), i32(bottom));
}

fn isImage(tile: Tile, row: i32, column: i32) -> bool {
  return row >= 0 && row < tile.height && column >= 0 && column < tile.columns;
}

/// x and y; zeros outside of the image.
fn fetch(tile: Tile, row: i32, column: i32) -> vec2f {
  if (!isImage(tile, row, column)) { return vec2f(0); }
  let i = u32(row * tile.columns + column);
  return vec2f(image[i], unitAt(i));
}

/// x, y, x^2 + y^2 and x y
fn statistics(place: u32) -> vec4f {
  let at = pairs[place];
  return vec4f(at, dot(at, at), at.x * at.y);
}

/// Along x, the first tap at `place`.
fn filteredStatistics(place: u32) -> vec4f {
  var sum = W0 * statistics(place + 15u);
  sum += W1 * (statistics(place + 12u) + statistics(place + 18u));
  sum += W2 * (statistics(place + 9u) + statistics(place + 21u));
  sum += W3 * (statistics(place + 6u) + statistics(place + 24u));
  sum += W4 * (statistics(place + 3u) + statistics(place + 27u));
  return sum + W5 * (statistics(place) + statistics(place + 30u));
}

fn mapsAt(place: u32) -> vec4f { return vec4f(pairs[place], thirds[place], 0); }

fn filteredMaps(place: u32) -> vec4f {
  var sum = W0 * mapsAt(place + 15u);
  sum += W1 * (mapsAt(place + 12u) + mapsAt(place + 18u));
  sum += W2 * (mapsAt(place + 9u) + mapsAt(place + 21u));
  sum += W3 * (mapsAt(place + 6u) + mapsAt(place + 24u));
  sum += W4 * (mapsAt(place + 3u) + mapsAt(place + 27u));
  return sum + W5 * (mapsAt(place) + mapsAt(place + 30u));
}

/// Workgroups: strips by bands.
@compute @workgroup_size(128)
fn measure(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let tile = tileOf(workgroup, measureSettings.height, measureSettings.width, measureSettings.band);
  let column = tile.left + i32(local);
  let isColumn = column < tile.columns;
  // Columns that this invocation reads: one, and those at the end of the row.
  let first = column - HALO;
  let second = first + i32(COLUMNS);
  let readsSecond = local < ROW - COLUMNS;
  let plane = u32(tile.height * tile.columns);
  var columnSums: ColumnSums;
  var absolute = 0.0;
  var similarity = 0.0;

  var row = tile.top - RADIUS;
  var nextFirst = fetch(tile, row, first);
  var nextSecond = vec2f(0);
  if (readsSecond) { nextSecond = fetch(tile, row, second); }
  let end = tile.bottom + RADIUS;
  var buffer = 0u;
  for (; row < end; row++) {
    pairs[buffer + local] = nextFirst;
    if (readsSecond) { pairs[buffer + COLUMNS + local] = nextSecond; }
    workgroupBarrier();
    if (row + 1 < end) {
      nextFirst = fetch(tile, row + 1, first);
      if (readsSecond) { nextSecond = fetch(tile, row + 1, second); }
    }

    var filteredRow = vec4f(0);
    if (row >= 0 && row < tile.height) {
      filteredRow = filteredStatistics(buffer + local);
      if (row >= tile.top && row < tile.bottom && isColumn) {
        let here = pairs[buffer + local + u32(HALO)];
        absolute += abs(here.x - here.y);
      }
    }
    let means = addRow(&columnSums, filteredRow);
    if (row >= tile.top + RADIUS && isColumn) {
      let mx = means.x;
      let my = means.y;
      let mxmy = mx * my;
      let squares = mx * mx + my * my;
      // Rounding must not make a variance negative.
      let variances = max(means.z - squares, 0.0);
      let perMeans = 1.0 / (squares + C1);
      let perVariances = 1.0 / (variances + C2);
      let luminance = (2.0 * mxmy + C1) * perMeans;
      let contrast = (2.0 * (means.w - mxmy) + C2) * perVariances;
      let ssim = luminance * contrast;
      similarity += ssim;

      let vSquares = -ssim * perVariances;
      let vProduct = 2.0 * luminance * perVariances;
      // d ssim / d mx = 2 my contrast / means - 2 mx ssim / means - my vProduct - 2 mx vSquares
      let ofMy = 2.0 * contrast * perMeans - vProduct;
      let ofMx = 2.0 * (ssim * perMeans + vSquares);
      let to = u32((row - RADIUS) * tile.columns + column);
      saved[to] = my * ofMy - mx * ofMx;
      saved[to + plane] = vSquares;
      saved[to + 2u * plane] = vProduct;
    }
    buffer = ROW - buffer;
  }

  let total = sumOfWorkgroup(vec4f(absolute, similarity, 0, 0), local, COLUMNS);
  if (local == 0u) { partials[workgroup.y * grid.x + workgroup.x] = total.xy; }
}

/// terms = means of the sums. One workgroup.
@compute @workgroup_size(256)
fn finish(@builtin(local_invocation_index) local: u32) {
  var sum = vec2f(0);
  for (var i = local; i < finishSettings.count; i += 256u) { sum += sums[i]; }
  let total = sumOfWorkgroup(vec4f(sum, 0, 0), local, 256u) / finishSettings.values;
  if (local < 2u) { terms[local] = total[local]; }
}

/// What this invocation reads of the maps; zeros outside of the image.
fn fetchMaps(tile: Tile, row: i32, column: i32) -> vec3f {
  if (!isImage(tile, row, column)) { return vec3f(0); }
  let i = u32(row * tile.columns + column);
  let plane = u32(tile.height * tile.columns);
  return vec3f(maps[i], maps[i + plane], maps[i + 2u * plane]);
}

/// vImage = perDifference sign(x - y) + perSimilarity d(sum of SSIM)/dx. Workgroups: strips by bands.
@compute @workgroup_size(128)
fn measureBackward(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
  let tile = tileOf(
      workgroup, measureBackwardSettings.height, measureBackwardSettings.width, measureBackwardSettings.band);
  let perDifference = measureBackwardSettings.perDifference;
  let column = tile.left + i32(local);
  let isColumn = column < tile.columns;
  let first = column - HALO;
  let second = first + i32(COLUMNS);
  let readsSecond = local < ROW - COLUMNS;
  var columnSums: ColumnSums;

  var row = tile.top - RADIUS;
  var nextFirst = fetchMaps(tile, row, first);
  var nextSecond = vec3f(0);
  if (readsSecond) { nextSecond = fetchMaps(tile, row, second); }
  let end = tile.bottom + RADIUS;
  var buffer = 0u;
  for (; row < end; row++) {
    pairs[buffer + local] = nextFirst.xy;
    thirds[buffer + local] = nextFirst.z;
    if (readsSecond) {
      pairs[buffer + COLUMNS + local] = nextSecond.xy;
      thirds[buffer + COLUMNS + local] = nextSecond.z;
    }
    workgroupBarrier();
    if (row + 1 < end) {
      nextFirst = fetchMaps(tile, row + 1, first);
      if (readsSecond) { nextSecond = fetchMaps(tile, row + 1, second); }
    }
    let isOutput = row >= tile.top + RADIUS && isColumn;
    // Under way while the window is applied.
    let here = u32((row - RADIUS) * tile.columns + column);
    var xy = vec2f(0);
    if (isOutput) { xy = vec2f(image[here], unitAt(here)); }

    var filteredRow = vec4f(0);
    if (row >= 0 && row < tile.height) { filteredRow = filteredMaps(buffer + local); }
    let v = addRow(&columnSums, filteredRow);
    if (isOutput) {
      let vSsim = v.x + (2.0 * xy.x * v.y + xy.y * v.z);
      let difference = select(select(0.0, -perDifference, xy.x < xy.y), perDifference, xy.x > xy.y);
      vImage[here] = measureBackwardSettings.perSimilarity * vSsim + difference;
    }
    buffer = ROW - buffer;
  }
}
