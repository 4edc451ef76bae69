// Two-layer perceptrons with a common input: output = activation(W2 relu(W1 x + b1) + b2) for each head.
//
// The hidden activations of all heads lie side by side, hidden // [rows, stride], each head's from its `column` on, and so
// do gradients before activations, vRaw // [rows, outputs of all heads]. Every extent is padded to a multiple of four with
// zeros, and weights are copied to `panels` of that shape (packing.wgsl), so that one launch makes the first layers
// of all heads, and one each of their gradients. A workgroup makes a tile of 128 rows (of the batch, or of hidden units where
// weights are concerned) and 64 or 32 columns; see gemm.wgsl. Gradients of weights are sums over rows: `slots` workgroups
// share them and write a partial sum each, which `reduceWeights` adds in slot order. No atomics: bytes depend on the
// problem and the chunks of rows alone.
// A launch works on rows [first, last) of the batch, and of those on as many as count[0] says; temporary tensors begin
// with row `first`. Limits: 8 heads in launches that tell them apart.
//#include "../../tensor/kernels/common.wgsl"
//#include "gemm.wgsl"

const RELU = 1u;
const SIGMOID = 2u;

/// Places and distances in quads; what a kernel does not use is 0.
struct ProductSettings {
  first: u32,
  last: u32,
  /// Whether `count` says how many rows are in use.
  counted: u32,
  /// Tiles side by side, of one row of tiles or of one slot.
  tiles: u32,
  leftAt: u32,
  leftStride: u32,
  rightAt: u32,
  rightStride: u32,
  biasAt: u32,
  resultAt: u32,
  resultStride: u32,
  /// Elements that a product sums over.
  depth: u32,
  /// Quads of the product's columns, or, where heads are told apart, of x.
  columns: u32,
  /// Of the head.
  outputs: u32,
  activation: u32,
  slots: u32,
  /// Quads of a partial sum.
  partialSize: u32,
  /// Whether partial sums go on from what is there.
  add: u32,
  headCount: u32,
  /// Two a head: column, hidden units, column of outputs, outputs; its W2 in the panels, its vW2 in a partial sum.
  heads: array<vec4u, 16>,
}

@group(0) @binding(0) var<uniform> product: ProductSettings;
@group(0) @binding(3) var<storage, read> count: array<u32>;  // [1]
@group(0) @binding(4) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;  // [N, outputs]
@group(0) @binding(5) var<storage, read> hidden: array<vec4u>;  // [rows, stride] bits

/// Rows of the launch in use.
fn rowsInUse() -> u32 {
  let end = select(product.last, min(count[0], product.last), product.counted != 0u);
  return max(end, product.first) - product.first;
}

struct HeadTile {
  column: u32,
  units: u32,
  outputColumn: u32,
  outputs: u32,
  weightsAt: u32,
  partialAt: u32,
  /// Number of the tile among those of its head.
  tile: u32,
}

fn headOf(index: u32, unitsOfTile: u32, outputsOfTile: u32) -> HeadTile {
  var tile = index;
  var h = 0u;
  loop {
    let a = product.heads[2u * h];
    let tiles = divideUp(a.y, unitsOfTile) * divideUp(a.w, outputsOfTile);
    if (tile < tiles || h + 1u >= product.headCount) {
      let b = product.heads[2u * h + 1u];
      return HeadTile(a.x, a.y, a.z, a.w, b.x, b.y, tile);
    }
    tile -= tiles;
    h++;
  }
}

/// v, or 0 where v <= 0; a NaN passes.
fn relu(v: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(v);
  return select(v, vec4f(), (bits >= vec4u(0x80000000u)) & (bits <= vec4u(0xff800000u)));
}

fn activate(v: vec4f) -> vec4f {
  if (product.activation == SIGMOID) {
    // Of what cannot overflow. An exponential of NaN may be anything.
    let e = exp(-abs(v));
    let isNan = (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
    return select(select(vec4f(1.0), e, v < vec4f()) / (1.0 + e), v, isNan);
  }
  if (product.activation == RELU) {
    return relu(v);
  }
  return v;
}

/// hidden = relu(W1 x + b1). Workgroups: tiles of 64 hidden units by tiles of 128 rows.
@compute @workgroup_size(PRODUCT_THREADS)
fn hiddenLayer(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let id = linearId(workgroup, grid);
  let row0 = id / product.tiles * ROWS_OF_TILE;
  let quad0 = id % product.tiles * WIDE;
  let rows = rowsInUse();
  if (row0 >= rows) {
    return;
  }
  let a = Operand(product.leftAt + row0 * product.leftStride, product.leftStride, rows - row0);
  let b = Operand(product.rightAt + quad0, product.rightStride, product.columns - quad0);
  var tile: Tile;
  multiply(&tile, Product(a, b, 0u, product.depth, true, true, NO_SUMS), thread);
  let quad = quad0 + quadOf(thread);
  putHidden(row0 + rowOf(thread, 0u), rows, quad, tile[0], tile[1]);
  putHidden(row0 + rowOf(thread, 1u), rows, quad, tile[2], tile[3]);
  putHidden(row0 + rowOf(thread, 2u), rows, quad, tile[4], tile[5]);
  putHidden(row0 + rowOf(thread, 3u), rows, quad, tile[6], tile[7]);
  putHidden(row0 + rowOf(thread, 4u), rows, quad, tile[8], tile[9]);
  putHidden(row0 + rowOf(thread, 5u), rows, quad, tile[10], tile[11]);
  putHidden(row0 + rowOf(thread, 6u), rows, quad, tile[12], tile[13]);
  putHidden(row0 + rowOf(thread, 7u), rows, quad, tile[14], tile[15]);
}

fn putHidden(row: u32, rows: u32, quad: u32, v: vec4f, w: vec4f) {
  let to = product.resultAt + row * product.resultStride + quad;
  if (row < rows && quad < product.columns) {
    result[to] = relu(v + right[product.biasAt + quad]);
  }
  if (row < rows && quad + 8u < product.columns) {
    result[to + 8u] = relu(w + right[product.biasAt + quad + 8u]);
  }
}

/// output = activation(W2 hidden + b2) of one head. Workgroups: tiles of 32 outputs by tiles of 128 rows.
@compute @workgroup_size(PRODUCT_THREADS)
fn outputLayer(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let id = linearId(workgroup, grid);
  let row0 = id / product.tiles * ROWS_OF_TILE;
  let quad0 = id % product.tiles * NARROW;
  let rows = rowsInUse();
  if (row0 >= rows) {
    return;
  }
  let a = Operand(product.leftAt + row0 * product.leftStride, product.leftStride, rows - row0);
  let b = Operand(product.rightAt + quad0, product.rightStride, product.columns - quad0);
  var tile: Tile;
  multiply(&tile, Product(a, b, 0u, product.depth, true, false, NO_SUMS), thread);
  let quad = quad0 + quadOf(thread);
  putOutput(row0 + rowOf(thread, 0u), rows, quad, tile[0]);
  putOutput(row0 + rowOf(thread, 1u), rows, quad, tile[2]);
  putOutput(row0 + rowOf(thread, 2u), rows, quad, tile[4]);
  putOutput(row0 + rowOf(thread, 3u), rows, quad, tile[6]);
  putOutput(row0 + rowOf(thread, 4u), rows, quad, tile[8]);
  putOutput(row0 + rowOf(thread, 5u), rows, quad, tile[10]);
  putOutput(row0 + rowOf(thread, 6u), rows, quad, tile[12]);
  putOutput(row0 + rowOf(thread, 7u), rows, quad, tile[14]);
}

fn putOutput(row: u32, rows: u32, quad: u32, v: vec4f) {
  if (row >= rows || quad >= product.columns) {
    return;
  }
  let y = activate(v + right[product.biasAt + quad]);
  let to = (product.first + row) * product.outputs + 4u * quad;
  let there = product.outputs - 4u * quad;
  output[to] = y.x;
  if (there > 1u) {
    output[to + 1u] = y.y;
  }
  if (there > 2u) {
    output[to + 2u] = y.z;
  }
  if (there > 3u) {
    output[to + 3u] = y.w;
  }
}

/// vHidden = W2^T vRaw where the hidden unit is above 0. Workgroups: tiles of 64 units of heads by tiles of 128 rows.
@compute @workgroup_size(PRODUCT_THREADS)
fn hiddenGradient(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let id = linearId(workgroup, grid);
  let row0 = id / product.tiles * ROWS_OF_TILE;
  let rows = rowsInUse();
  if (row0 >= rows) {
    return;
  }
  // Outputs are not cut in tiles.
  let head = headOf(id % product.tiles, WIDE, 0xffffffffu / 4u);
  let quad0 = head.tile * WIDE;
  let a = Operand(row0 * product.leftStride + head.outputColumn, product.leftStride, rows - row0);
  let b = Operand(head.weightsAt + quad0, head.units, head.units - quad0);
  var tile: Tile;
  multiply(&tile, Product(a, b, 0u, 4u * head.outputs, true, true, NO_SUMS), thread);
  let quad = quad0 + quadOf(thread);
  putVHidden(row0 + rowOf(thread, 0u), rows, head, quad, tile[0], tile[1]);
  putVHidden(row0 + rowOf(thread, 1u), rows, head, quad, tile[2], tile[3]);
  putVHidden(row0 + rowOf(thread, 2u), rows, head, quad, tile[4], tile[5]);
  putVHidden(row0 + rowOf(thread, 3u), rows, head, quad, tile[6], tile[7]);
  putVHidden(row0 + rowOf(thread, 4u), rows, head, quad, tile[8], tile[9]);
  putVHidden(row0 + rowOf(thread, 5u), rows, head, quad, tile[10], tile[11]);
  putVHidden(row0 + rowOf(thread, 6u), rows, head, quad, tile[12], tile[13]);
  putVHidden(row0 + rowOf(thread, 7u), rows, head, quad, tile[14], tile[15]);
}

fn putVHidden(row: u32, rows: u32, head: HeadTile, quad: u32, v: vec4f, w: vec4f) {
  let to = row * product.resultStride + head.column + quad;
  // Hidden activations are 0, positive or NaN.
  if (row < rows && quad < head.units) {
    result[to] = select(v, vec4f(), hidden[to] == vec4u());
  }
  if (row < rows && quad + 8u < head.units) {
    result[to + 8u] = select(w, vec4f(), hidden[to + 8u] == vec4u());
  }
}

/// vX = sum over heads of W1^T vHidden. Workgroups: tiles of 64 inputs by tiles of 128 rows.
@compute @workgroup_size(PRODUCT_THREADS)
fn inputGradient(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let id = linearId(workgroup, grid);
  let row0 = id / product.tiles * ROWS_OF_TILE;
  let quad0 = id % product.tiles * WIDE;
  let rows = rowsInUse();
  if (row0 >= rows) {
    return;
  }
  let a = Operand(row0 * product.leftStride, product.leftStride, rows - row0);
  let b = Operand(product.rightAt + quad0, product.rightStride, product.columns - quad0);
  var tile: Tile;
  multiply(&tile, Product(a, b, 0u, product.depth, true, true, NO_SUMS), thread);
  let quad = quad0 + quadOf(thread);
  putVX(row0 + rowOf(thread, 0u), rows, quad, tile[0], tile[1]);
  putVX(row0 + rowOf(thread, 1u), rows, quad, tile[2], tile[3]);
  putVX(row0 + rowOf(thread, 2u), rows, quad, tile[4], tile[5]);
  putVX(row0 + rowOf(thread, 3u), rows, quad, tile[6], tile[7]);
  putVX(row0 + rowOf(thread, 4u), rows, quad, tile[8], tile[9]);
  putVX(row0 + rowOf(thread, 5u), rows, quad, tile[10], tile[11]);
  putVX(row0 + rowOf(thread, 6u), rows, quad, tile[12], tile[13]);
  putVX(row0 + rowOf(thread, 7u), rows, quad, tile[14], tile[15]);
}

fn putVX(row: u32, rows: u32, quad: u32, v: vec4f, w: vec4f) {
  let to = product.resultAt + row * product.resultStride + quad;
  if (row < rows && quad < product.columns) {
    result[to] = v;
  }
  if (row < rows && quad + 8u < product.columns) {
    result[to + 8u] = w;
  }
}

/// Rows of the launch that a slot sums: a multiple of a slice but for the last.
fn rowsOfSlot(rows: u32, slot: u32) -> vec2u {
  let share = divideUp(divideUp(rows, product.slots), SLICE) * SLICE;
  return vec2u(min(rows, slot * share), min(rows, (slot + 1u) * share));
}

fn putPartial(to: u32, inside: bool, v: vec4f) {
  if (inside) {
    if (product.add != 0u) {
      result[to] += v;
    } else {
      result[to] = v;
    }
  }
}

fn putPartials(to: u32, unit: u32, units: u32, quad: u32, quads: u32, v: vec4f, w: vec4f) {
  let place = to + unit * quads + quad;
  putPartial(place, unit < units && quad < quads, v);
  putPartial(place + 8u, unit < units && quad + 8u < quads, w);
}

/// result[slot] (+)= vHidden^T x and column sums of vHidden. Workgroups: tiles of 128 units x 64 inputs by slots.
@compute @workgroup_size(PRODUCT_THREADS)
fn firstWeights(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let id = linearId(workgroup, grid);
  let slot = id / product.tiles;
  let range = rowsOfSlot(rowsInUse(), slot);
  if (slot >= product.slots || (product.add != 0u && range.x >= range.y)) {
    return;
  }
  let across = divideUp(product.columns, WIDE);
  let unitQuad0 = id % product.tiles / across * 32u;
  let quad0 = id % product.tiles % across * WIDE;
  let a = Operand(unitQuad0, product.leftStride, product.leftStride - unitQuad0);
  let b = Operand(product.rightAt + quad0, product.rightStride, product.columns - quad0);
  var tile: Tile;
  let sumsOf = select(NO_SUMS, LEFT_SUMS, quad0 == 0u);
  let sums = multiply(&tile, Product(a, b, range.x, range.y, false, true, sumsOf), thread);
  let partial = slot * product.partialSize;
  let unit0 = 4u * unitQuad0;
  let units = 4u * product.leftStride;
  let quad = quad0 + quadOf(thread);
  putPartials(partial, unit0 + rowOf(thread, 0u), units, quad, product.columns, tile[0], tile[1]);
  putPartials(partial, unit0 + rowOf(thread, 1u), units, quad, product.columns, tile[2], tile[3]);
  putPartials(partial, unit0 + rowOf(thread, 2u), units, quad, product.columns, tile[4], tile[5]);
  putPartials(partial, unit0 + rowOf(thread, 3u), units, quad, product.columns, tile[6], tile[7]);
  putPartials(partial, unit0 + rowOf(thread, 4u), units, quad, product.columns, tile[8], tile[9]);
  putPartials(partial, unit0 + rowOf(thread, 5u), units, quad, product.columns, tile[10], tile[11]);
  putPartials(partial, unit0 + rowOf(thread, 6u), units, quad, product.columns, tile[12], tile[13]);
  putPartials(partial, unit0 + rowOf(thread, 7u), units, quad, product.columns, tile[14], tile[15]);
  let place = unitQuad0 + thread;
  putPartial(partial + product.biasAt + place, quad0 == 0u && thread < 32u && place < product.leftStride, sums);
}

/// result[slot] (+)= hidden^T vRaw and column sums of vRaw. Workgroups: tiles of 128 units x 32 outputs of heads by slots.
@compute @workgroup_size(PRODUCT_THREADS)
fn secondWeights(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let id = linearId(workgroup, grid);
  let slot = id / product.tiles;
  let range = rowsOfSlot(rowsInUse(), slot);
  if (slot >= product.slots || (product.add != 0u && range.x >= range.y)) {
    return;
  }
  let head = headOf(id % product.tiles, 32u, NARROW);
  let across = divideUp(head.outputs, NARROW);
  let unitQuad0 = head.tile / across * 32u;
  let quad0 = head.tile % across * NARROW;
  let a = Operand(head.column + unitQuad0, product.leftStride, head.units - unitQuad0);
  let b = Operand(head.outputColumn + quad0, product.rightStride, head.outputs - quad0);
  var tile: Tile;
  let sumsOf = select(NO_SUMS, RIGHT_SUMS, unitQuad0 == 0u);
  let sums = multiply(&tile, Product(a, b, range.x, range.y, false, false, sumsOf), thread);
  let partial = slot * product.partialSize;
  let unit0 = 4u * unitQuad0;
  let quad = quad0 + quadOf(thread);
  let to = partial + head.partialAt;
  putSecond(to, unit0 + rowOf(thread, 0u), head, quad, tile[0]);
  putSecond(to, unit0 + rowOf(thread, 1u), head, quad, tile[2]);
  putSecond(to, unit0 + rowOf(thread, 2u), head, quad, tile[4]);
  putSecond(to, unit0 + rowOf(thread, 3u), head, quad, tile[6]);
  putSecond(to, unit0 + rowOf(thread, 4u), head, quad, tile[8]);
  putSecond(to, unit0 + rowOf(thread, 5u), head, quad, tile[10]);
  putSecond(to, unit0 + rowOf(thread, 6u), head, quad, tile[12]);
  putSecond(to, unit0 + rowOf(thread, 7u), head, quad, tile[14]);
  let place = quad0 + thread;
  let summed = unitQuad0 == 0u && thread < NARROW && place < head.outputs;
  putPartial(partial + product.biasAt + head.outputColumn + place, summed, sums);
}

fn putSecond(to: u32, unit: u32, head: HeadTile, quad: u32, v: vec4f) {
  putPartial(to + unit * head.outputs + quad, unit < 4u * head.units && quad < head.outputs, v);
}
