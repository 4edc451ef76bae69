// Products of tiles: c // [128, n] += a // [128, k] b // [k, n], by a workgroup of 128, n = 64 or 32 columns.
//
// Operands lie in rows of whole quads (vec4f), so that all memory moves by 16 bytes. They pass through workgroup memory in
// slices of 16 k, stored [k][i], twice, so that one is filled through registers while the other is used (24 KiB). A left
// operand that is contiguous along k is transposed in registers, 4 x 4 elements an invocation; `swizzled` spreads these
// stores, and keeps reads together. An invocation sums 8 rows x 8 (or 4) columns by fused multiply-adds in ascending k.
// All invocations call `multiply` together. Elements outside of the limits count as 0.

const PRODUCT_THREADS = 128u;
const ROWS_OF_TILE = 128u;
const SLICE = 16u;
/// Quads of a tile's columns.
const WIDE = 16u;
const NARROW = 8u;
/// Quads of a slice.
const LEFT_QUADS = 512u;
const RIGHT_QUADS = 256u;

// Which sums over k `multiply` makes besides.
const NO_SUMS = 0u;
const LEFT_SUMS = 1u;
const RIGHT_SUMS = 2u;

@group(0) @binding(1) var<storage, read> left: array<vec4f>;
@group(0) @binding(2) var<storage, read> right: array<vec4f>;

var<workgroup> leftSlices: array<vec4f, 1024>;
var<workgroup> rightSlices: array<vec4f, 512>;

/// Quad 2 i + j is row i of eight and column quad j of two; of a narrow tile, j is 0.
alias Tile = array<vec4f, 16>;

/// Place of a tile's first element, distance of its rows in memory, both in quads, and how much there is: rows if they are
/// contiguous along k, else quads.
struct Operand {
  start: u32,
  stride: u32,
  extent: u32,
}

/// What multiplies what: k from `begin` to before `end`, the left operand contiguous along k or along rows of the tile.
struct Product {
  a: Operand,
  b: Operand,
  begin: u32,
  end: u32,
  alongK: bool,
  wide: bool,
  sumsOf: u32,
}

struct Held {
  a0: vec4f,
  a1: vec4f,
  a2: vec4f,
  a3: vec4f,
  b0: vec4f,
  b1: vec4f,
}

/// Rows of a tile that an invocation has: i of eight.
fn rowOf(thread: u32, i: u32) -> u32 {
  return thread / 8u * 4u + (i & 3u) + 64u * (i >> 2u);
}

/// Its first column quad; that of a wide tile's other four columns is 8 behind.
fn quadOf(thread: u32) -> u32 {
  return thread % 8u;
}

fn swizzled(quad: u32, k: u32) -> u32 {
  return quad ^ (2u * (k >> 2u));
}

fn fetchLeft(index: u32, inside: bool) -> vec4f {
  if (inside) {
    return left[index];
  }
  return vec4f();
}

fn fetchRight(index: u32, inside: bool) -> vec4f {
  if (inside) {
    return right[index];
  }
  return vec4f();
}

/// A slice's elements, from memory to registers.
fn fetch(p: Product, k: u32, thread: u32) -> Held {
  var held: Held;
  if (p.alongK) {
    let row = thread / 4u * 4u;
    let inside = k + thread % 4u * 4u < p.end;
    let index = p.a.start + row * p.a.stride + k / 4u + thread % 4u;
    held.a0 = fetchLeft(index, inside && row < p.a.extent);
    held.a1 = fetchLeft(index + p.a.stride, inside && row + 1u < p.a.extent);
    held.a2 = fetchLeft(index + 2u * p.a.stride, inside && row + 2u < p.a.extent);
    held.a3 = fetchLeft(index + 3u * p.a.stride, inside && row + 3u < p.a.extent);
  } else {
    let row = k + thread / 32u;
    let inside = thread % 32u < p.a.extent;
    let index = p.a.start + row * p.a.stride + thread % 32u;
    held.a0 = fetchLeft(index, inside && row < p.end);
    held.a1 = fetchLeft(index + 4u * p.a.stride, inside && row + 4u < p.end);
    held.a2 = fetchLeft(index + 8u * p.a.stride, inside && row + 8u < p.end);
    held.a3 = fetchLeft(index + 12u * p.a.stride, inside && row + 12u < p.end);
  }
  let width = select(NARROW, WIDE, p.wide);
  let row = k + thread / width;
  let inside = thread % width < p.b.extent;
  let index = p.b.start + row * p.b.stride + thread % width;
  held.b0 = fetchRight(index, inside && row < p.end);
  if (p.wide) {
    held.b1 = fetchRight(index + 8u * p.b.stride, inside && row + 8u < p.end);
  }
  return held;
}

/// From registers to one of the two slices in workgroup memory.
fn store(p: Product, held: Held, buffer: u32, thread: u32) {
  let start = buffer * LEFT_QUADS;
  if (p.alongK) {
    let k = thread % 4u * 4u;
    let place = start + k * 32u + swizzled(thread / 4u, k);
    leftSlices[place] = vec4f(held.a0.x, held.a1.x, held.a2.x, held.a3.x);
    leftSlices[place + 32u] = vec4f(held.a0.y, held.a1.y, held.a2.y, held.a3.y);
    leftSlices[place + 64u] = vec4f(held.a0.z, held.a1.z, held.a2.z, held.a3.z);
    leftSlices[place + 96u] = vec4f(held.a0.w, held.a1.w, held.a2.w, held.a3.w);
  } else {
    let row = start + thread / 32u * 32u;
    let quad = thread % 32u;
    leftSlices[row + swizzled(quad, 0u)] = held.a0;
    leftSlices[row + 128u + swizzled(quad, 4u)] = held.a1;
    leftSlices[row + 256u + swizzled(quad, 8u)] = held.a2;
    leftSlices[row + 384u + swizzled(quad, 12u)] = held.a3;
  }
  rightSlices[buffer * RIGHT_QUADS + thread] = held.b0;
  if (p.wide) {
    rightSlices[buffer * RIGHT_QUADS + PRODUCT_THREADS + thread] = held.b1;
  }
}

/// Adds the products of a slice.
fn accumulate(tile: ptr<function, Tile>, wide: bool, buffer: u32, thread: u32) {
  let width = select(NARROW, WIDE, wide);
  let column = buffer * RIGHT_QUADS + quadOf(thread);
  for (var k = 0u; k < SLICE; k++) {
    let place = buffer * LEFT_QUADS + k * 32u + swizzled(thread / 8u, k);
    let a = leftSlices[place];
    let c = leftSlices[place + 16u];
    let b = rightSlices[column + k * width];
    (*tile)[0] = fma(vec4f(a.x), b, (*tile)[0]);
    (*tile)[2] = fma(vec4f(a.y), b, (*tile)[2]);
    (*tile)[4] = fma(vec4f(a.z), b, (*tile)[4]);
    (*tile)[6] = fma(vec4f(a.w), b, (*tile)[6]);
    (*tile)[8] = fma(vec4f(c.x), b, (*tile)[8]);
    (*tile)[10] = fma(vec4f(c.y), b, (*tile)[10]);
    (*tile)[12] = fma(vec4f(c.z), b, (*tile)[12]);
    (*tile)[14] = fma(vec4f(c.w), b, (*tile)[14]);
    if (wide) {
      let d = rightSlices[column + k * width + NARROW];
      (*tile)[1] = fma(vec4f(a.x), d, (*tile)[1]);
      (*tile)[3] = fma(vec4f(a.y), d, (*tile)[3]);
      (*tile)[5] = fma(vec4f(a.z), d, (*tile)[5]);
      (*tile)[7] = fma(vec4f(a.w), d, (*tile)[7]);
      (*tile)[9] = fma(vec4f(c.x), d, (*tile)[9]);
      (*tile)[11] = fma(vec4f(c.y), d, (*tile)[11]);
      (*tile)[13] = fma(vec4f(c.z), d, (*tile)[13]);
      (*tile)[15] = fma(vec4f(c.w), d, (*tile)[15]);
    }
  }
}

/// An invocation's part of the sums over a slice: of four k and a quad of the left operand, or of one k and a quad of a
/// narrow right one.
fn sumOfSlice(sumsOf: u32, buffer: u32, thread: u32) -> vec4f {
  if (sumsOf == RIGHT_SUMS) {
    return rightSlices[buffer * RIGHT_QUADS + thread];
  }
  let k = thread / 32u * 4u;
  let place = buffer * LEFT_QUADS + k * 32u + swizzled(thread % 32u, k);
  return leftSlices[place] + leftSlices[place + 32u] + leftSlices[place + 64u] + leftSlices[place + 96u];
}

/// tile += a b. Returns, to the first invocations, the sums over k of a quad of the left or right operand's tile.
fn multiply(tile: ptr<function, Tile>, p: Product, thread: u32) -> vec4f {
  var sums = vec4f();
  if (p.begin < p.end) {
    store(p, fetch(p, p.begin, thread), 0u, thread);
    workgroupBarrier();
    var buffer = 0u;
    for (var k = p.begin; k < p.end; k += SLICE) {
      let more = k + SLICE < p.end;
      var held: Held;
      if (more) {
        held = fetch(p, k + SLICE, thread);
      }
      accumulate(tile, p.wide, buffer, thread);
      if (p.sumsOf != NO_SUMS) {
        sums += sumOfSlice(p.sumsOf, buffer, thread);
      }
      buffer ^= 1u;
      if (more) {
        store(p, held, buffer, thread);
      }
      workgroupBarrier();
    }
  }
  if (p.sumsOf == NO_SUMS) {
    return sums;
  }
  // The slices are free now.
  leftSlices[thread] = sums;
  workgroupBarrier();
  let quads = select(NARROW, 32u, p.sumsOf == LEFT_SUMS);
  var total = vec4f();
  for (var i = thread % quads; i < PRODUCT_THREADS; i += quads) {
    total += leftSlices[i];
  }
  return total;
}
