// What lies around the products of decoders.wgsl: weights into padded panels, rows into padded rows, gradients before
// activations, and partial gradients back into the caller's. One head a launch, one element an invocation.
//#include "../../tensor/kernels/common.wgsl"

const THREADS = 256u;
const RELU = 1u;
const SIGMOID = 2u;

/// Places and distances in elements.
struct PackingSettings {
  first: u32,
  last: u32,
  counted: u32,
  inputs: u32,
  hidden: u32,
  outputs: u32,
  activation: u32,
  /// Where the head begins in a row of hidden activations and of vRaw, and how far rows are apart.
  column: u32,
  stride: u32,
  outputColumn: u32,
  outputStride: u32,
  /// Whether there are biases.
  biases: u32,
  /// In the panels, or in a partial sum.
  w1At: u32,
  b1At: u32,
  w2At: u32,
  b2At: u32,
  slots: u32,
  partialSize: u32,
  /// Of `copyRows`: elements of a row, distances and first rows on both sides.
  width: u32,
  fromStride: u32,
  toStride: u32,
  fromRow: u32,
  toRow: u32,
}

@group(0) @binding(0) var<uniform> packing: PackingSettings;
@group(0) @binding(1) var<storage, read> w1: array<f32>;  // [hidden, inputs]
@group(0) @binding(2) var<storage, read> b1: array<f32>;  // [hidden]
@group(0) @binding(3) var<storage, read> w2: array<f32>;  // [outputs, hidden]
@group(0) @binding(4) var<storage, read> b2: array<f32>;  // [outputs]
@group(0) @binding(5) var<storage, read_write> panels: array<f32>;
@group(0) @binding(1) var<storage, read> count: array<u32>;  // [1]
@group(0) @binding(2) var<storage, read> vOutput: array<f32>;  // [N, outputs]
@group(0) @binding(3) var<storage, read> output: array<u32>;  // [N, outputs] bits
@group(0) @binding(5) var<storage, read_write> vRaw: array<f32>;  // [rows, outputStride]
@group(0) @binding(2) var<storage, read> source: array<u32>;
@group(0) @binding(5) var<storage, read_write> copied: array<u32>;
@group(0) @binding(1) var<storage, read> partials: array<f32>;  // [slots, partialSize]
@group(0) @binding(2) var<storage, read_write> vw1: array<f32>;  // shaped as the parameters
@group(0) @binding(3) var<storage, read_write> vb1: array<f32>;
@group(0) @binding(4) var<storage, read_write> vw2: array<f32>;
@group(0) @binding(5) var<storage, read_write> vb2: array<f32>;

fn padded(n: u32) -> u32 {
  return (n + 3u) & ~3u;
}

fn rowsInUse() -> u32 {
  let end = select(packing.last, min(count[0], packing.last), packing.counted != 0u);
  return max(end, packing.first) - packing.first;
}

/// Of W1 and W2, 0 outside.
fn firstWeight(unit: u32, input: u32) -> f32 {
  if (unit >= packing.hidden || input >= packing.inputs) {
    return 0.0;
  }
  return w1[unit * packing.inputs + input];
}

fn secondWeight(to: u32, unit: u32) -> f32 {
  if (to >= packing.outputs || unit >= packing.hidden) {
    return 0.0;
  }
  return w2[to * packing.hidden + unit];
}

/// For forward: W1^T // [inputs, stride], b1 // [stride], W2^T // [hidden, outputs], b2 // [outputs], padded.
@compute @workgroup_size(THREADS)
fn pack(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  var index = linearId(workgroup, grid) * THREADS + thread;
  let units = padded(packing.hidden);
  let outputs = padded(packing.outputs);
  if (index < padded(packing.inputs) * units) {
    let unit = index % units;
    let input = index / units;
    panels[packing.w1At + input * packing.stride + packing.column + unit] = firstWeight(unit, input);
    return;
  }
  index -= padded(packing.inputs) * units;
  if (index < units * outputs) {
    panels[packing.w2At + index] = secondWeight(index % outputs, index / outputs);
    return;
  }
  index -= units * outputs;
  if (index < units) {
    var bias = 0.0;
    if (packing.biases != 0u && index < packing.hidden) {
      bias = b1[index];
    }
    panels[packing.b1At + packing.column + index] = bias;
    return;
  }
  index -= units;
  if (index < outputs) {
    var bias = 0.0;
    if (packing.biases != 0u && index < packing.outputs) {
      bias = b2[index];
    }
    panels[packing.b2At + packing.outputColumn + index] = bias;
  }
}

/// For backward: W1 // [stride, inputs], W2 // [outputs, hidden], padded.
@compute @workgroup_size(THREADS)
fn packBackward(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  var index = linearId(workgroup, grid) * THREADS + thread;
  let units = padded(packing.hidden);
  let inputs = padded(packing.inputs);
  if (index < units * inputs) {
    panels[packing.w1At + packing.column * inputs + index] = firstWeight(index / inputs, index % inputs);
    return;
  }
  index -= units * inputs;
  if (index < padded(packing.outputs) * units) {
    panels[packing.w2At + index] = secondWeight(index / units, index % units);
  }
}

/// vRaw = gradient before the activation, from that behind it and the activated value. A NaN passes on.
@compute @workgroup_size(THREADS)
fn beforeActivation(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let index = linearId(workgroup, grid) * THREADS + thread;
  let outputs = padded(packing.outputs);
  let row = index / outputs;
  let column = index % outputs;
  if (row >= rowsInUse()) {
    return;
  }
  var v = 0.0;
  if (column < packing.outputs) {
    let place = (packing.first + row) * packing.outputs + column;
    v = vOutput[place];
    if (packing.activation == SIGMOID) {
      let y = bitcast<f32>(output[place]);
      v *= y * (1.0 - y);
    } else if (packing.activation == RELU) {
      let bits = output[place];
      if (bits == 0u || (bits >= 0x80000000u && !bitsAreNan(bits))) {
        v = 0.0;
      }
    }
  }
  vRaw[row * packing.outputStride + packing.outputColumn + column] = v;
}

/// copied // [rows, toStride] = source // [rows, fromStride], the first `width` elements of a row, and 0 behind those of
/// the source.
@compute @workgroup_size(THREADS)
fn copyRows(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let index = linearId(workgroup, grid) * THREADS + thread;
  let row = index / packing.width;
  let column = index % packing.width;
  if (row >= rowsInUse()) {
    return;
  }
  var bits = 0u;
  if (column < packing.fromStride) {
    bits = source[(packing.fromRow + row) * packing.fromStride + column];
  }
  copied[(packing.toRow + row) * packing.toStride + column] = bits;
}

fn sumOfSlots(place: u32) -> f32 {
  var sum = partials[place];
  for (var slot = 1u; slot < packing.slots; slot++) {
    sum += partials[slot * packing.partialSize + place];
  }
  return sum;
}

/// Adds the partial sums of weight `index` of W1 and W2; whether it was one.
fn reduceWeight(index: u32) -> bool {
  let firsts = packing.hidden * packing.inputs;
  if (index < firsts) {
    let unit = packing.column + index / packing.inputs;
    vw1[index] += sumOfSlots(packing.w1At + unit * padded(packing.inputs) + index % packing.inputs);
    return true;
  }
  let at = index - firsts;
  if (at < packing.outputs * packing.hidden) {
    let unit = at % packing.hidden;
    vw2[at] += sumOfSlots(packing.w2At + unit * padded(packing.outputs) + at / packing.hidden);
    return true;
  }
  return false;
}

/// Adds the partial sums, in order, to the gradients of a head without biases.
@compute @workgroup_size(THREADS)
fn reduceWeights(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  reduceWeight(linearId(workgroup, grid) * THREADS + thread);
}

/// The same with biases.
@compute @workgroup_size(THREADS)
fn reduceAll(
    @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) grid: vec3u,
    @builtin(local_invocation_index) thread: u32) {
  let index = linearId(workgroup, grid) * THREADS + thread;
  if (reduceWeight(index)) {
    return;
  }
  let at = index - packing.hidden * (packing.inputs + packing.outputs);
  if (at < packing.hidden) {
    vb1[at] += sumOfSlots(packing.b1At + packing.column + at);
  } else if (at < packing.hidden + packing.outputs) {
    let to = at - packing.hidden;
    vb2[to] += sumOfSlots(packing.b2At + packing.outputColumn + to);
  }
}
