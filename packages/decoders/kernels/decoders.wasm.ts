// Two-layer perceptrons with a common input: output = activation(W2 relu(W1 x + b1) + b2) for each head.
//
// forward: a chunk is a block of rows, which passes through all heads while its hidden activations are in cache.
// backward: a chunk is a slot of consecutive rows, taken in such blocks; it adds its weight gradients to a partial sum of
// its own, and `reduce` adds the partial sums in slot order. Results do not depend on the number of threads.
// Scratch: one block, see `blockRows` of the binding. Addresses of a head's tensors come in a table of Head.
// Limits: a block of four rows must fit in the scratch, that is widths up to some ten thousand.
import { at, sigmoid4 } from '../../tensor/kernels/simd'
import { ADDED, addColumnSums, BIAS, BIAS_RELU, MASKED, multiply, multiplyTransposed, pack } from './gemm'

const RELU: i32 = 1
const SIGMOID: i32 = 2

/** One row of the table that the binding writes; field for field the same order there. */
@unmanaged
class Head {
  hidden: i32
  outputs: i32
  activation: i32
  w1: usize // [hidden, inputs]
  b1: usize // [hidden] or null
  w2: usize // [outputs, hidden]
  b2: usize // [outputs] or null
  panels1: usize // W1 transposed, packed with b1
  panels2: usize // W2 transposed, packed with b2
  panels1Back: usize // W1 packed
  panels2Back: usize // W2 packed
  kept: usize // [rows, hidden8] hidden activations, or null
  output: usize // [rows, outputs]
  vOutput: usize // [rows, outputs]
  vw1: usize // gradients, shaped as the parameters
  vb1: usize
  vw2: usize
  vb2: usize
  partial: usize // offset of this head in a partial sum, in elements
}

@inline
function headAt(heads: usize, index: i32): Head {
  return changetype<Head>(heads + (index as usize) * offsetof<Head>())
}

@inline
function up4(n: i32): i32 {
  return (n + 3) & ~3
}

@inline
function up8(n: i32): i32 {
  return (n + 7) & ~7
}

/** chunk = 2 head + layer: packs a layer's weights as forward needs them. */
export function packForward(chunk: i32, scratch: usize, heads: usize, inputs: i32): void {
  const head = headAt(heads, chunk >> 1)
  if (chunk & 1) pack(head.w2, 1, head.hidden, head.hidden, head.outputs, true, head.b2, head.panels2)
  else pack(head.w1, 1, inputs, inputs, head.hidden, true, head.b1, head.panels1)
}

/** chunk = 2 head + layer: packs a layer's weights as backward needs them. */
export function packBackward(chunk: i32, scratch: usize, heads: usize, inputs: i32): void {
  const head = headAt(heads, chunk >> 1)
  if (chunk & 1) pack(head.w2, head.hidden, 1, head.outputs, head.hidden, false, 0, head.panels2Back)
  else pack(head.w1, inputs, 1, head.hidden, inputs, false, 0, head.panels1Back)
}

/** hidden // [rows rounded up to 4, hidden8] = relu(W1 x + b1) */
function hiddenLayer(head: Head, x: usize, inputs: i32, rows: i32, hidden: usize): void {
  const stride = (up8(head.hidden) as usize) << 2
  multiply(x, (inputs as usize) << 2, rows, head.panels1, head.hidden, inputs, hidden, stride, 0, BIAS_RELU)
}

/** output // [rows, outputs] = activation(raw // [rows, outputs8]) */
function activate(raw: usize, rows: i32, outputs: i32, activation: i32, output: usize): void {
  const stride = up8(outputs)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < outputs; column += 4) {
      let value = v128.load(at(raw, column))
      if (activation == SIGMOID) value = sigmoid4(value)
      else if (activation == RELU) value = f32x4.max(value, f32x4.splat(0))
      storeLanes(at(output, column), value, outputs - column)
    }
    raw = at(raw, stride)
    output = at(output, outputs)
  }
}

/** Stores the first `lanes` floats, at most four. */
@inline
function storeLanes(to: usize, value: v128, lanes: i32): void {
  if (lanes >= 4) v128.store(to, value)
  else {
    v128.store32_lane(to, value, 0)
    if (lanes > 1) v128.store32_lane(to, value, 1, 4)
    if (lanes > 2) v128.store32_lane(to, value, 2, 8)
  }
}

/** Chunk: `blockRows` rows of x // [rows, inputs]. */
export function forward(
  chunk: i32,
  scratch: usize,
  heads: usize,
  count: i32,
  x: usize,
  inputs: i32,
  rows: i32,
  blockRows: i32,
): void {
  const first = chunk * blockRows
  const height = min(blockRows, rows - first)
  const input = at(x, first * inputs)
  for (let index = 0; index < count; index++) {
    const head = headAt(heads, index)
    const hidden8 = up8(head.hidden)
    const outputs8 = up8(head.outputs)
    const raw = scratch
    const hidden = head.kept ? head.kept + (first as usize) * ((hidden8 as usize) << 2) : at(raw, blockRows * outputs8)
    hiddenLayer(head, input, inputs, height, hidden)
    multiply(
      hidden,
      (hidden8 as usize) << 2,
      height,
      head.panels2,
      head.outputs,
      head.hidden,
      raw,
      (outputs8 as usize) << 2,
      0,
      BIAS,
    )
    activate(raw, height, head.outputs, head.activation, at(head.output, first * head.outputs))
  }
}

/** vRaw // [rows, outputs4] = gradient before the activation; padding columns are 0. */
function activateBackward(head: Head, first: i32, rows: i32, vRaw: usize): void {
  const outputs = head.outputs
  let output = at(head.output, first * outputs)
  let vOutput = at(head.vOutput, first * outputs)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < outputs; column += 4) {
      const lanes = outputs - column
      const v = loadLanes(vOutput, lanes)
      const y = loadLanes(output, lanes)
      v128.store(vRaw, beforeActivation(v, y, head.activation))
      const bytes = (min(lanes, 4) as usize) << 2
      output += bytes
      vOutput += bytes
      vRaw += 16
    }
  }
}

/** Gradient before the activation from that behind it and the activated value. A NaN passes on. */
@inline
function beforeActivation(v: v128, y: v128, activation: i32): v128 {
  if (activation == SIGMOID) return f32x4.mul(v, f32x4.mul(y, f32x4.sub(f32x4.splat(1), y)))
  if (activation == RELU) return v128.andnot(v, f32x4.le(y, f32x4.splat(0)))
  return v
}

/** Loads the first `lanes` floats, at most four; the others are 0. */
@inline
function loadLanes(from: usize, lanes: i32): v128 {
  if (lanes >= 4) return v128.load(from)
  let value = v128.load32_zero(from)
  if (lanes > 1) value = v128.load32_lane(from, value, 1, 4)
  if (lanes > 2) value = v128.load32_lane(from, value, 2, 8)
  return value
}

/** to // [rows, columns8] = from // [rows, columns], padded with 0. */
function copyPadded(from: usize, rows: i32, columns: i32, to: usize): void {
  const padded = up8(columns)
  memory.fill(to, 0, ((rows * padded) as usize) << 2)
  for (let row = 0; row < rows; row++)
    memory.copy(at(to, row * padded), at(from, row * columns), (columns as usize) << 2)
}

/**
 * Chunk: rows [chunk slotRows, (chunk + 1) slotRows) of x // [rows, inputs], in blocks of `blockRows`. Writes vX
 * // [rows, inputs] and, unless `partials` is null, the chunk's row of partials // [chunks, partialSize]: for each head
 * vW1 // [hidden8, inputs8], vB1 // [hidden8], vW2 // [outputs4, hidden8], vB2 // [outputs4].
 */
export function backward(
  chunk: i32,
  scratch: usize,
  heads: usize,
  count: i32,
  x: usize,
  inputs: i32,
  rows: i32,
  blockRows: i32,
  slotRows: i32,
  vX: usize,
  partials: usize,
  partialSize: i32,
): void {
  const partial = partials + (chunk as usize) * ((partialSize as usize) << 2)
  if (partials) memory.fill(partial, 0, (partialSize as usize) << 2)
  const inputs8 = up8(inputs)
  const inputBytes = (inputs8 as usize) << 2
  const vInput = scratch // [blockRows, inputs8]
  const padded = at(vInput, blockRows * inputs8) // [blockRows, inputs8]
  const free = at(padded, blockRows * inputs8)
  const end = min(rows, (chunk + 1) * slotRows)
  for (let first = chunk * slotRows; first < end; first += blockRows) {
    const height = min(blockRows, end - first)
    const input = at(x, first * inputs)
    let aligned = input
    if (partials && inputs != inputs8) {
      copyPadded(input, height, inputs, padded)
      aligned = padded
    }
    memory.fill(vInput, 0, (blockRows as usize) * inputBytes)
    for (let index = 0; index < count; index++) {
      const head = headAt(heads, index)
      const hidden8 = up8(head.hidden)
      const outputs4 = up4(head.outputs)
      const hiddenBytes = (hidden8 as usize) << 2
      const outputBytes = (outputs4 as usize) << 2
      const vRaw = free // [blockRows, outputs4]
      const vHidden = at(vRaw, blockRows * outputs4) // [blockRows, hidden8]
      let hidden = at(vHidden, blockRows * hidden8) // [blockRows, hidden8]
      if (head.kept) hidden = head.kept + (first as usize) * hiddenBytes
      else hiddenLayer(head, input, inputs, height, hidden)
      activateBackward(head, first, height, vRaw)
      multiply(
        vRaw,
        outputBytes,
        height,
        head.panels2Back,
        head.hidden,
        head.outputs,
        vHidden,
        hiddenBytes,
        hidden,
        MASKED,
      )
      multiply(vHidden, hiddenBytes, height, head.panels1Back, inputs, head.hidden, vInput, inputBytes, 0, ADDED)
      if (partials) {
        const vw1 = at(partial, head.partial as i32)
        const vb1 = at(vw1, hidden8 * inputs8)
        const vw2 = at(vb1, hidden8)
        const vb2 = at(vw2, outputs4 * hidden8)
        multiplyTransposed(vHidden, hiddenBytes, head.hidden, aligned, inputBytes, inputs, height, vw1, inputBytes)
        multiplyTransposed(vRaw, outputBytes, head.outputs, hidden, hiddenBytes, head.hidden, height, vw2, hiddenBytes)
        if (head.vb1) addColumnSums(vHidden, hiddenBytes, height, head.hidden, vb1)
        if (head.vb2) addColumnSums(vRaw, outputBytes, height, head.outputs, vb2)
      }
    }
    for (let row = 0; row < height; row++) {
      memory.copy(at(vX, (first + row) * inputs), at(vInput, row * inputs8), (inputs as usize) << 2)
    }
  }
}

/** target // [rows, columns] += sum over slots of partials[slot, offset ..] // [rows, stride]; rows [from, to) only. */
function reduceRows(
  partials: usize,
  partialBytes: usize,
  slots: i32,
  stride: i32,
  target: usize,
  columns: i32,
  from: i32,
  to: i32,
): void {
  for (let row = from; row < to; row++) {
    for (let column = 0; column < columns; column += 4) {
      let source = at(partials, row * stride + column)
      let sum = v128.load(source)
      for (let slot = 1; slot < slots; slot++) {
        source += partialBytes
        sum = f32x4.add(sum, v128.load(source))
      }
      const to = at(target, row * columns + column)
      const lanes = columns - column
      store<f32>(to, load<f32>(to) + f32x4.extract_lane(sum, 0))
      if (lanes > 1) store<f32>(to, load<f32>(to, 4) + f32x4.extract_lane(sum, 1), 4)
      if (lanes > 2) store<f32>(to, load<f32>(to, 8) + f32x4.extract_lane(sum, 2), 8)
      if (lanes > 3) store<f32>(to, load<f32>(to, 12) + f32x4.extract_lane(sum, 3), 12)
    }
  }
}

/** chunk = parts head + part: adds the sum of the partial gradients of a share of the head's rows to the gradients. */
export function reduce(
  chunk: i32,
  scratch: usize,
  heads: usize,
  inputs: i32,
  partials: usize,
  partialSize: i32,
  slots: i32,
  parts: i32,
): void {
  const head = headAt(heads, chunk / parts)
  const part = chunk % parts
  const inputs8 = up8(inputs)
  const hidden8 = up8(head.hidden)
  const outputs4 = up4(head.outputs)
  const bytes = (partialSize as usize) << 2
  const vw1 = at(partials, head.partial as i32)
  const vb1 = at(vw1, hidden8 * inputs8)
  const vw2 = at(vb1, hidden8)
  const vb2 = at(vw2, outputs4 * hidden8)
  reduceRows(
    vw1,
    bytes,
    slots,
    inputs8,
    head.vw1,
    inputs,
    (head.hidden * part) / parts,
    (head.hidden * (part + 1)) / parts,
  )
  reduceRows(
    vw2,
    bytes,
    slots,
    hidden8,
    head.vw2,
    head.hidden,
    (head.outputs * part) / parts,
    (head.outputs * (part + 1)) / parts,
  )
  if (part > 0) return
  if (head.vb1) reduceRows(vb1, bytes, slots, hidden8, head.vb1, head.hidden, 0, 1)
  if (head.vb2) reduceRows(vb2, bytes, slots, outputs4, head.vb2, head.outputs, 0, 1)
}
