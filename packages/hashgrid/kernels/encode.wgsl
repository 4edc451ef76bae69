// The forward pass, whatever the table is stored in, and what the backward passes share with it. A file that includes
// this one says what `valueAt(place)` and `quadAt(place)` of the table are, one value and four, and has the entry points.
//#include "../../tensor/kernels/common.wgsl"
//#include "cell.wgsl"

const THREADS = 256u;
/// Points of a workgroup in `encodeQuads`.
const POINTS = THREADS / 2u;
const NOT_A_NUMBER = 0x7fc00000u;

struct GridSettings {
  /// Rows of `points`.
  capacity: u32,
  /// Whether `count` says how many are in use.
  counted: u32,
  /// Of all levels.
  levelCount: u32,
  /// Levels of this launch.
  firstLevel: u32,
  lastLevel: u32,
  /// F, and F / 4.
  features: u32,
  quads: u32,
  /// First entry of these levels, and how many values theirs are.
  firstEntry: u32,
  values: u32,
  /// Rows that a workgroup of `largestGradients` looks at.
  rowsOfBlock: u32,
  levels: array<vec4u, 64>,
}

@group(0) @binding(0) var<uniform> settings: GridSettings;
@group(0) @binding(1) var<storage, read> points: array<vec4u>;  // [N, 4] bits
@group(0) @binding(2) var<storage, read> count: array<u32>;  // [1]
@group(0) @binding(4) var<storage, read_write> encoded: array<f32>;  // [N, L F]
@group(0) @binding(4) var<storage, read_write> encodedQuads: array<vec4f>;

var<workgroup> given: array<vec4f, THREADS>;

fn rowsInUse() -> u32 {
  return select(settings.capacity, min(count[0], settings.capacity), settings.counted != 0u);
}

fn levelAt(level: u32) -> Level {
  let a = settings.levels[2u * level];
  let b = settings.levels[2u * level + 1u];
  return Level(bitcast<f32>(a.x), bitcast<f32>(a.y), a.z, a.w, b.xyz, b.w != 0u);
}

/// Of a block of 128 points, a pair of levels and a quad of features: workgroup `id`. F = 4 or 8.
fn encodeQuadsOf(id: u32, thread: u32) {
  let blocks = divideUp(settings.capacity, POINTS);
  let pairs = divideUp(settings.levelCount, 2u);
  let block = id % blocks;
  let first = 2u * (id / blocks % pairs);
  let quad = id / blocks / pairs;
  let rows = rowsInUse();
  if (quad >= settings.quads || block * POINTS >= rows) {
    return;
  }
  let i = block * POINTS + thread / 2u;
  let side = thread & 1u;
  var point = vec4u(NOT_A_NUMBER);
  if (i < rows) {
    point = points[i];
  }
  var kept = vec4f();
  if (isInside(point)) {
    for (var k = 0u; k < 2u; k++) {
      if (first + k < settings.levelCount) {
        let sum = sumOfCorners(point, levelAt(first + k), side, quad);
        if (k == side) {
          kept = sum;
        } else {
          given[thread] = sum;
        }
      }
    }
  } else {
    given[thread] = vec4f();
  }
  workgroupBarrier();
  let level = first + side;
  if (i < rows && level < settings.levelCount) {
    encodedQuads[(i * settings.levelCount + level) * settings.quads + quad] = kept + given[thread ^ 1u];
  }
}

/// Of the eight corners on `side`, the weighted sum of four features.
fn sumOfCorners(point: vec4u, level: Level, side: u32, quad: u32) -> vec4f {
  let cell = cellOf(point, level, side);
  var sum = vec4f();
  for (var c = 0u; c < 8u; c++) {
    sum += weightOf(cell, c) * quadAt(entryOf(cell, level, c) * settings.quads + quad);
  }
  return sum;
}

/// Of a block of 256 points and a level: workgroup `id`. F = 1 or 2.
fn encodeValuesOf(id: u32, thread: u32) {
  let blocks = divideUp(settings.capacity, THREADS);
  let i = id % blocks * THREADS + thread;
  let index = id / blocks;
  if (i >= rowsInUse() || index >= settings.levelCount) {
    return;
  }
  let features = settings.features;
  let point = points[i];
  let inside = isInside(point);
  let level = levelAt(index);
  var sum = vec2f();
  if (inside) {
    for (var side = 0u; side < 2u; side++) {
      let cell = cellOf(point, level, side);
      for (var c = 0u; c < 8u; c++) {
        let place = entryOf(cell, level, c) * features;
        let weight = weightOf(cell, c);
        sum.x += weight * valueAt(place);
        if (features > 1u) {
          sum.y += weight * valueAt(place + 1u);
        }
      }
    }
  }
  let to = (i * settings.levelCount + index) * features;
  encoded[to] = sum.x;
  if (features > 1u) {
    encoded[to + 1u] = sum.y;
  }
}
