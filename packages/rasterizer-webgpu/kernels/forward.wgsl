// Blends the splats of each tile front to back.
//
// A workgroup of 128 invocations is a tile of 16x16 pixels. 32 of them have a quarter of 8x8, each two pixels, four rows
// apart; what is blended stays in registers. Splats come in batches of 128, one fetched by each invocation into workgroup
// memory while the batch before is drawn. Who fetched a splat finds the quarters that its ellipse meets and sets a bit a
// quarter, so that a quarter only walks over its own splats. It stops when its pixels are finished, the tile when all
// quarters are. Nothing is asked of subgroups; hardware that runs 32 or fewer invocations in step profits from the
// quarters. Deterministic.
// Workgroup memory: 6.2 KiB.
//#include "extent.wgsl"

const BATCH = 128u;

@group(0) @binding(1) var<storage, read> records: array<vec4f>; // [G, 12]
@group(0) @binding(2) var<storage, read> values: array<u32>; // [max(capacity, G)]
@group(0) @binding(3) var<storage, read_write> image: array<f32>; // [H, W, 3]
@group(0) @binding(4) var<storage, read_write> alphas: array<f32>; // [H, W]
@group(0) @binding(5) var<storage, read_write> depths: array<f32>; // [H, W]
/// Ranges of the tiles; then final transmittance, and one above the list index of the last splat that was added.
@group(0) @binding(6) var<storage, read_write> finals: array<vec2u>; // [tiles + H W, 2]

var<workgroup> first: array<vec4f, BATCH>;
var<workgroup> second: array<vec4f, BATCH>;
var<workgroup> third: array<vec4f, BATCH>;
/// Of two batches, a word for 32 splats and a quarter.
var<workgroup> meets: array<atomic<u32>, 32>;
/// Invocations of a quarter whose pixels are finished.
var<workgroup> finished: array<atomic<u32>, 4>;
var<workgroup> allFinished: u32;
var<workgroup> tileRange: vec2u;

@compute @workgroup_size(128)
fn forward(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let tile = linearId(workgroup, grid);
  if (tile >= settings.tiles) { return; }
  let tileColumn = tile % settings.tilesX;
  let tileRow = tile / settings.tilesX;
  let corner = vec2f(f32(TILE * tileColumn), f32(TILE * tileRow));
  let quarter = thread >> 5u;
  let column = TILE * tileColumn + 8u * (quarter & 1u) + (thread & 7u);
  let row = TILE * tileRow + 8u * (quarter >> 1u) + ((thread & 31u) >> 3u);
  let x = f32(column);
  let y = f32(row);
  let alphaMax = settings.alphaMax;
  let transmittanceMin = settings.transmittanceMin;

  // Two pixels: the upper, the lower.
  let exists = vec2<bool>(column < settings.width && row < settings.height,
      column < settings.width && row + 4u < settings.height);
  var levelMin = select(vec2f(NEVER), vec2f(settings.levelMin), exists);
  var T = vec2f(1.0f);
  var red = vec2f(0.0f);
  var green = vec2f(0.0f);
  var blue = vec2f(0.0f);
  var depth = vec2f(0.0f);
  var last = vec2u(0u);
  var counted = false;

  if (thread == 0u) { tileRange = finals[tile]; }
  let range = workgroupUniformLoad(&tileRange);
  let all = range.y >= ALL;
  let count = (range.y & ~ALL) - range.x;
  var valid = thread < count;
  var next0 = vec4f(0.0f);
  var next1 = vec4f(0.0f);
  var next2 = vec4f(0.0f);
  if (valid) {
    let at = RECORD_VECTORS * values[range.x + thread];
    next0 = records[at];
    next1 = records[at + 1u];
    next2 = records[at + 2u];
  }
  var buffer = 0u;
  for (var start = 0u; start < count; start += BATCH) {
    // Nobody draws the batch before any longer.
    workgroupBarrier();
    if (valid) {
      first[thread] = next0;
      second[thread] = next1;
      third[thread] = next2;
      let splatAllowed = !all || settings.threeSigma == 0u ||
          squareHoldsTile(next0.xy, next1.w, i32(tileColumn), i32(tileRow));
      if (splatAllowed) {
        let ellipse = ellipseOf(next0.z, next0.w, next1.x, next1.y);
        let quarters = quartersOf(ellipse, next0.xy, corner, 0u) | (quartersOf(ellipse, next0.xy, corner, 1u) << 2u);
        let bit = 1u << (thread & 31u);
        let word = buffer + 4u * (thread >> 5u);
        for (var q = 0u; q < 4u; q++) {
          if ((quarters & (1u << q)) != 0u) { atomicOr(&meets[word + q], bit); }
        }
      }
    }
    if (thread == 0u) {
      var done = 0u;
      for (var q = 0u; q < 4u; q++) { done += atomicLoad(&finished[q]); }
      allFinished = done;
    }
    if (workgroupUniformLoad(&allFinished) == 128u) { break; }

    let ahead = start + BATCH + thread;
    valid = ahead < count;
    if (valid) {
      let at = RECORD_VECTORS * values[range.x + ahead];
      next0 = records[at];
      next1 = records[at + 1u];
      next2 = records[at + 2u];
    }
    if (thread < 16u) { atomicStore(&meets[(buffer ^ 16u) + thread], 0u); }

    for (var word = 0u; word < 4u; word++) {
      if (!counted && all2(levelMin)) {
        counted = true;
        atomicAdd(&finished[quarter], 1u);
      }
      if (atomicLoad(&finished[quarter]) == 32u) { break; }
      var meeting = atomicLoad(&meets[buffer + 4u * word + quarter]);
      while (meeting != 0u) {
        let j = 32u * word + countTrailingZeros(meeting);
        meeting &= meeting - 1u;
        let one = first[j];
        let two = second[j];
        let ex = x - one.x;
        let ey = vec2f(y, y + 4.0f) - one.y;
        let t = fma(vec2f(one.w), ey, vec2f(one.z * ex));
        let s = two.x * ey;
        let level = fma(-s, s, fma(-t, t, vec2f(two.y)));
        let inside = level >= levelMin;
        if (any(inside)) {
          let color = third[j];
          let alpha = select(vec2f(0.0f), min(vec2f(alphaMax), exp2(level)), inside);
          let weight = alpha * T;
          let rest = T - weight;
          let ends = inside & (rest < vec2f(transmittanceMin));
          let adds = inside & !ends;
          let added = select(vec2f(0.0f), weight, adds);
          T = select(T, rest, adds);
          red = fma(added, vec2f(color.x), red);
          green = fma(added, vec2f(color.y), green);
          blue = fma(added, vec2f(color.z), blue);
          depth = fma(added, vec2f(two.z), depth);
          last = select(last, vec2u(start + j + 1u), adds);
          levelMin = select(levelMin, vec2f(NEVER), ends);
        }
      }
    }
    buffer ^= 16u;
  }

  // Not in a loop: a dynamic component would move all of these to memory.
  if (exists.x) {
    store(row * settings.width + column, T.x, vec3f(red.x, green.x, blue.x), depth.x, last.x);
  }
  if (exists.y) {
    store((row + 4u) * settings.width + column, T.y, vec3f(red.y, green.y, blue.y), depth.y, last.y);
  }
}

fn store(at: u32, T: f32, color: vec3f, depth: f32, last: u32) {
  image[3u * at] = fma(T, settings.background.x, color.x);
  image[3u * at + 1u] = fma(T, settings.background.y, color.y);
  image[3u * at + 2u] = fma(T, settings.background.z, color.z);
  alphas[at] = 1.0f - T;
  depths[at] = depth;
  finals[settings.tiles + at] = vec2u(bitcast<u32>(T), last);
}

fn all2(levelMin: vec2f) -> bool { return levelMin.x == NEVER && levelMin.y == NEVER; }
