// Two-layer perceptrons with a common input: output = activation(W2 relu(W1 x + b1) + b2) for each head.
//
// The hidden activations of all heads lie side by side, hidden // [rows, stride], each head's from its `column` on, so
// that one launch makes the first layers of all and one the gradient of the common input. A block makes a tile of 128
// rows (of the batch, or of hidden units where weights are concerned) and 64 or 32 columns that belong to one head; see
// gemm.cuh. Gradients of weights are sums over rows: `slots` blocks share them and write a partial sum each, which
// `reduceWeights` adds in slot order. No atomics: bytes depend on the GPU model at most.
// A launch works on rows [first, last) of the batch, and of those on as many as count[0] says; temporary hidden
// activations begin with row `first`. Kernels come per engine: _fp32, _tf32x3, _tf32.
// Limits: 8 heads a launch, widths below 2^31, last - first below 2^31.
#include "common.cuh"
#include "gemm.cuh"

namespace clipgstream {

constexpr int wide = 64;
constexpr int narrow = 32;

struct Nothing {
  template <class A, class B>
  __device__ void operator()(A, B) const {}
};

/** hidden = relu(W1 x + b1). Grid: tiles of 64 hidden units, tiles of 128 rows. */
template <class Engine>
__device__ void hiddenLayer(
    const Heads& heads, const float* x, int inputs, const uint32_t* count, int first, int last, float* hidden, int stride) {
  const int end = lastRow(count, last);
  const int row0 = first + blockIdx.y * rowsOfTile;
  if (row0 >= end) return;
  int tile = blockIdx.x;
  const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.hidden, wide); });
  const int unit0 = tile * wide;

  __shared__ Slices<rowsOfTile> sharedA;
  __shared__ Slices<wide> sharedB;
  Operand<rowsOfTile, Along::K, Values> a({x}, inputs, row0, end, inputs);
  Operand<wide, Along::K, Values> b({head.w1}, inputs, unit0, head.hidden, inputs);
  typename Engine::template Tile<wide> result;
  multiply<wide>(result, a, b, 0, inputs, sharedA, sharedB, Nothing());

  const int units = head.hidden;
  const float* bias = head.b1;
  float* to = hidden + head.column;
  result.forEachPair([&](int i, int j, float v, float w) {
    const int row = row0 + i, unit = unit0 + j;
    if (row >= end || unit >= units) return;
    const bool both = unit + 1 < units;
    if (bias) {
      v += bias[unit];
      if (both) w += bias[unit + 1];
    }
    // Not fmaxf, which would turn NaN into 0.
    storePair(to + static_cast<size_t>(row - first) * stride + unit, v <= 0 ? 0 : v, w <= 0 ? 0 : w, both);
  });
}

/** output = activation(W2 hidden + b2). Grid: tiles of 32 outputs, tiles of 128 rows. */
template <class Engine>
__device__ void outputLayer(
    const Heads& heads, const uint32_t* count, int first, int last, const float* hidden, int stride) {
  const int end = lastRow(count, last);
  const int row0 = first + blockIdx.y * rowsOfTile;
  if (row0 >= end) return;
  int tile = blockIdx.x;
  const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.outputs, narrow); });
  const int output0 = tile * narrow;

  __shared__ Slices<rowsOfTile> sharedA;
  __shared__ Slices<narrow> sharedB;
  Operand<rowsOfTile, Along::K, Values> a({hidden + head.column}, stride, row0 - first, end - first, head.hidden);
  Operand<narrow, Along::K, Values> b({head.w2}, head.hidden, output0, head.outputs, head.hidden);
  typename Engine::template Tile<narrow> result;
  multiply<narrow>(result, a, b, 0, head.hidden, sharedA, sharedB, Nothing());

  const int outputs = head.outputs, activation = head.activation;
  const float* bias = head.b2;
  float* to = head.output;
  result.forEachPair([&](int i, int j, float v, float w) {
    const int row = row0 + i, output = output0 + j;
    if (row >= end || output >= outputs) return;
    const bool both = output + 1 < outputs;
    if (bias) {
      v += bias[output];
      if (both) w += bias[output + 1];
    }
    float* place = to + static_cast<size_t>(row) * outputs + output;
    storePair(place, activate(v, activation), activate(w, activation), both);
  });
}

/** vHidden = W2^T vRaw where the hidden unit is above 0. Grid: tiles of 64 hidden units, tiles of 128 rows. */
template <class Engine>
__device__ void hiddenGradient(
    const Heads& heads, const uint32_t* count, int first, int last, const float* hidden, int hiddenFirst, float* vHidden,
    int stride) {
  const int end = lastRow(count, last);
  const int row0 = first + blockIdx.y * rowsOfTile;
  if (row0 >= end) return;
  int tile = blockIdx.x;
  const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.hidden, wide); });
  const int unit0 = tile * wide;

  __shared__ Slices<rowsOfTile> sharedA;
  __shared__ Slices<wide> sharedB;
  const BeforeActivation vRaw{head.vOutput, head.output, head.activation};
  Operand<rowsOfTile, Along::K, BeforeActivation> a(vRaw, head.outputs, row0, end, head.outputs);
  Operand<wide, Along::I, Values> b({head.w2}, head.hidden, unit0, head.hidden, head.outputs);
  typename Engine::template Tile<wide> result;
  multiply<wide>(result, a, b, 0, head.outputs, sharedA, sharedB, Nothing());

  const int units = head.hidden;
  const float* kept = hidden + head.column;
  float* to = vHidden + head.column;
  result.forEachPair([&](int i, int j, float v, float w) {
    const int row = row0 + i, unit = unit0 + j;
    if (row >= end || unit >= units) return;
    const bool both = unit + 1 < units;
    const float* mask = kept + static_cast<size_t>(row - hiddenFirst) * stride + unit;
    // A NaN passes, as it is not <= 0.
    v = mask[0] <= 0 ? 0 : v;
    if (both) w = mask[1] <= 0 ? 0 : w;
    storePair(to + static_cast<size_t>(row - first) * stride + unit, v, w, both);
  });
}

/** vX (+)= sum over heads of W1^T vHidden. Grid: tiles of 64 inputs, tiles of 128 rows. */
template <class Engine>
__device__ void inputGradient(
    const Heads& heads, int headCount, const uint32_t* count, int first, int last, const float* vHidden, int stride,
    float* vX, int inputs, int add) {
  const int end = lastRow(count, last);
  const int row0 = first + blockIdx.y * rowsOfTile;
  if (row0 >= end) return;
  const int input0 = blockIdx.x * wide;

  __shared__ Slices<rowsOfTile> sharedA;
  __shared__ Slices<wide> sharedB;
  typename Engine::template Tile<wide> result;
  for (int h = 0; h < headCount; h++) {
    const Head& head = heads.list[h];
    Operand<rowsOfTile, Along::K, Values> a({vHidden + head.column}, stride, row0 - first, end - first, head.hidden);
    Operand<wide, Along::I, Values> b({head.w1}, inputs, input0, inputs, head.hidden);
    multiply<wide>(result, a, b, 0, head.hidden, sharedA, sharedB, Nothing());
  }

  result.forEachPair([&](int i, int j, float v, float w) {
    const int row = row0 + i, input = input0 + j;
    if (row >= end || input >= inputs) return;
    const bool both = input + 1 < inputs;
    float* place = vX + static_cast<size_t>(row) * inputs + input;
    if (add) {
      v += place[0];
      if (both) w += place[1];
    }
    storePair(place, v, w, both);
  });
}

/** Rows of the launch that a slot sums, relative to `first`; a multiple of 16 but for the last. */
struct SlotRows {
  int begin, end;
  __device__ SlotRows(int rows, int slots, int slot) {
    const int share = tiles(tiles(rows, slots), slice) * slice;
    begin = min(rows, slot * share);
    end = min(rows, begin + share);
  }
};

/** partials[slot] (+)= vHidden^T x and column sums of vHidden. Grid: tiles of 128 units x 64 inputs of heads, slots. */
template <class Engine>
__device__ void firstWeights(
    const Heads& heads, const uint32_t* count, int first, int last, const float* vHidden, int stride, const float* x,
    int inputs, float* partials, int partialSize, int add) {
  const SlotRows rows(max(0, lastRow(count, last) - first), gridDim.y, blockIdx.y);
  if (add && rows.begin >= rows.end) return;
  const int across = tiles(inputs, wide);
  int tile = blockIdx.x;
  const Head& head = headOf(heads, tile, [=](const Head& h) { return tiles(h.hidden, rowsOfTile) * across; });
  const int unit0 = tile / across * rowsOfTile, input0 = tile % across * wide;

  __shared__ Slices<rowsOfTile> sharedA;
  __shared__ Slices<wide> sharedB;
  Operand<rowsOfTile, Along::I, Values> a({vHidden + head.column}, stride, unit0, head.hidden, rows.end);
  Operand<wide, Along::I, Values> b({x + static_cast<size_t>(first) * inputs}, inputs, input0, inputs, rows.end);
  typename Engine::template Tile<wide> result;
  const bool summing = head.b1 && input0 == 0 && threadIdx.x < rowsOfTile;
  float sum = 0;
  multiply<wide>(result, a, b, rows.begin, rows.end, sharedA, sharedB, [&](auto left, auto) {
    if (!summing) return;
#pragma unroll
    for (int k = 0; k < slice; k++) sum += left[k][swizzle(k, threadIdx.x)];
  });

  const Offsets at(startOf(heads, head, inputs), head, inputs);
  float* partial = partials + static_cast<size_t>(blockIdx.y) * partialSize;
  const int units = head.hidden;
  result.forEachPair([&](int i, int j, float v, float w) {
    const int unit = unit0 + i, input = input0 + j;
    if (unit >= units || input >= inputs) return;
    const bool both = input + 1 < inputs;
    float* place = partial + at.vw1 + static_cast<size_t>(unit) * inputs + input;
    if (add) {
      v += place[0];
      if (both) w += place[1];
    }
    storePair(place, v, w, both);
  });
  const int unit = unit0 + static_cast<int>(threadIdx.x);
  if (summing && unit < units) partial[at.vb1 + unit] = (add ? partial[at.vb1 + unit] : 0) + sum;
}

/** partials[slot] (+)= vRaw^T hidden and column sums of vRaw. Grid: tiles of 128 units x 32 outputs of heads, slots. */
template <class Engine>
__device__ void secondWeights(
    const Heads& heads, const uint32_t* count, int first, int last, const float* hidden, int hiddenFirst, int stride,
    int inputs, float* partials, int partialSize, int add) {
  const SlotRows rows(max(0, lastRow(count, last) - first), gridDim.y, blockIdx.y);
  if (add && rows.begin >= rows.end) return;
  int tile = blockIdx.x;
  const Head& head = headOf(
      heads, tile, [](const Head& h) { return tiles(h.hidden, rowsOfTile) * tiles(h.outputs, narrow); });
  const int across = tiles(head.outputs, narrow);
  const int unit0 = tile / across * rowsOfTile, output0 = tile % across * narrow;

  __shared__ Slices<rowsOfTile> sharedA;
  __shared__ Slices<narrow> sharedB;
  const float* kept = hidden + static_cast<size_t>(first - hiddenFirst) * stride + head.column;
  const size_t skipped = static_cast<size_t>(first) * head.outputs;
  const BeforeActivation vRaw{head.vOutput + skipped, head.output + skipped, head.activation};
  Operand<rowsOfTile, Along::I, Values> a({kept}, stride, unit0, head.hidden, rows.end);
  Operand<narrow, Along::I, BeforeActivation> b(vRaw, head.outputs, output0, head.outputs, rows.end);
  typename Engine::template Tile<narrow> result;
  const bool summing = head.b2 && unit0 == 0 && threadIdx.x < narrow;
  float sum = 0;
  multiply<narrow>(result, a, b, rows.begin, rows.end, sharedA, sharedB, [&](auto, auto right) {
    if (!summing) return;
#pragma unroll
    for (int k = 0; k < slice; k++) sum += right[k][swizzle(k, threadIdx.x)];
  });

  const Offsets at(startOf(heads, head, inputs), head, inputs);
  float* partial = partials + static_cast<size_t>(blockIdx.y) * partialSize;
  const int units = head.hidden, outputs = head.outputs;
  result.forEachPair([&](int i, int j, float v, float w) {
    const int unit = unit0 + i, output = output0 + j;
    if (unit >= units || output >= outputs) return;
    float* place = partial + at.vw2 + static_cast<size_t>(output) * units + unit;
    place[0] = (add ? place[0] : 0) + v;
    if (output + 1 < outputs) place[units] = (add ? place[units] : 0) + w;
  });
  const int output = output0 + static_cast<int>(threadIdx.x);
  if (summing && output < outputs) partial[at.vb2 + output] = (add ? partial[at.vb2 + output] : 0) + sum;
}

}  // namespace clipgstream

using namespace clipgstream;

#define HEADS const __grid_constant__ Heads heads
#define KERNEL extern "C" __global__ void __launch_bounds__(256, 2)

#define KERNELS(suffix, Engine)                                                                                        \
  KERNEL hiddenLayer_##suffix(                                                                                         \
      HEADS, const float* x, int inputs, const uint32_t* count, int first, int last, float* hidden, int stride) {      \
    hiddenLayer<Engine>(heads, x, inputs, count, first, last, hidden, stride);                                         \
  }                                                                                                                    \
  KERNEL outputLayer_##suffix(                                                                                         \
      HEADS, const uint32_t* count, int first, int last, const float* hidden, int stride) {                            \
    outputLayer<Engine>(heads, count, first, last, hidden, stride);                                                    \
  }                                                                                                                    \
  KERNEL hiddenGradient_##suffix(                                                                                      \
      HEADS, const uint32_t* count, int first, int last, const float* hidden, int hiddenFirst, float* vHidden,         \
      int stride) {                                                                                                    \
    hiddenGradient<Engine>(heads, count, first, last, hidden, hiddenFirst, vHidden, stride);                           \
  }                                                                                                                    \
  KERNEL inputGradient_##suffix(                                                                                       \
      HEADS, int headCount, const uint32_t* count, int first, int last, const float* vHidden, int stride, float* vX,   \
      int inputs, int add) {                                                                                           \
    inputGradient<Engine>(heads, headCount, count, first, last, vHidden, stride, vX, inputs, add);                     \
  }                                                                                                                    \
  KERNEL firstWeights_##suffix(                                                                                        \
      HEADS, const uint32_t* count, int first, int last, const float* vHidden, int stride, const float* x,             \
      int inputs, float* partials, int partialSize, int add) {                                                         \
    firstWeights<Engine>(heads, count, first, last, vHidden, stride, x, inputs, partials, partialSize, add);           \
  }                                                                                                                    \
  KERNEL secondWeights_##suffix(                                                                                       \
      HEADS, const uint32_t* count, int first, int last, const float* hidden, int hiddenFirst, int stride,             \
      int inputs, float* partials, int partialSize, int add) {                                                         \
    secondWeights<Engine>(                                                                                             \
        heads, count, first, last, hidden, hiddenFirst, stride, inputs, partials, partialSize, add);                   \
  }

KERNELS(fp32, PlainEngine)
KERNELS(tf32x3, TensorEngine<3>)
KERNELS(tf32, TensorEngine<1>)

/** Adds the partial sums, in order, to the gradients. A thread has one parameter. */
extern "C" __global__ void __launch_bounds__(256)
reduceWeights(HEADS, int headCount, int inputs, const float* __restrict__ partials, int partialSize, int slots) {
  const size_t index = threadIndex();
  if (index >= static_cast<size_t>(partialSize)) return;
  size_t start = 0;
  for (int h = 0; h < headCount; h++) {
    const Head& head = heads.list[h];
    const Offsets at(start, head, inputs);
    start = at.end;
    if (index >= at.end) continue;
    float* to = head.vw1 + (index - at.vw1);
    if (index >= at.vb2) to = head.vb2 ? head.vb2 + (index - at.vb2) : nullptr;
    else if (index >= at.vw2) to = head.vw2 + (index - at.vw2);
    else if (index >= at.vb1) to = head.vb1 ? head.vb1 + (index - at.vb1) : nullptr;
    if (!to) return;
    float sum = partials[index];
    for (int slot = 1; slot < slots; slot++) sum += partials[static_cast<size_t>(slot) * partialSize + index];
    *to += sum;
    return;
  }
}
