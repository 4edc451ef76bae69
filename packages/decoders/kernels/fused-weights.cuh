// Gradients of weights: blocks own hidden units, 16 a warp, and a share of the rows.
#pragma once

#include "fused.cuh"

namespace clipgstream {

/** Rows that a slot sums; a multiple of 32 but for the last. */
struct SlotRows {
  int begin, end;
  __device__ SlotRows(int rows, int slots, int slot) {
    const int share = tiles(tiles(rows, slots), step) * step;
    begin = static_cast<int>(min(static_cast<int64_t>(rows), static_cast<int64_t>(slot) * share));
    end = min(rows - begin, share) + begin;
  }
};

/** Units of a block that makes gradients of weights. */
constexpr int unitsOfBlock = 128;
constexpr int wordsOfBlock = unitsOfBlock / 32;

/** Tiles of 32 rows in shared memory with what belongs to them, `stages` of each. */
template <int products, int W>
struct RowTiles {
  using Wide = Tile<products, W>;
  using Narrow = Tile<products, maxOutputs>;
  static constexpr int maskSize = wordsOfBlock * step;

  const Operands<products, W> operands;
  const Head& head;
  const SlotRows span;
  const Pairs from;
  const float* scales;
  const uint32_t* maskOfUnits;
  int words, wordEnd;
  uint32_t* x;  // [3, parts, 32, W + 8]
  uint32_t* vRaw;  // [3, parts, 32, 88]
  uint32_t* mask;  // [3, 4, 32]
  float* ofX;  // [3, 32] scales
  float* ofV;  // [3, 32] scales
  int coming, filled = 0;

  __device__ RowTiles(
      uint32_t* memory, const Heads& heads, const Head& head, int unit0, const uint32_t* count, int last,
      const uint32_t* maskOfAll, int words, float* shared)
      : operands(memory, heads, last, words),
        head(head),
        span(lastRow(count, last), gridDim.y, blockIdx.y),
        from(operands.vRawOf(heads, head)),
        scales(operands.scalesOf(heads, head)),
        maskOfUnits(maskOfAll + head.column + unit0 / 32),
        words(words),
        wordEnd(tiles(head.hidden - unit0, 32)),
        x(reinterpret_cast<uint32_t*>(shared)),
        vRaw(x + stages * Wide::size),
        mask(vRaw + stages * Narrow::size),
        ofX(reinterpret_cast<float*>(mask + stages * maskSize)),
        ofV(ofX + stages * step),
        coming(span.begin) {}

  __device__ void fetchNext() {
    if (coming < span.end) {
      const int rows = span.end - coming;
      const size_t row = coming;
      Wide::fetch(x + filled * Wide::size, operands.x.from(row * (W / 2)), W, W / 2, rows);
      const size_t ld = operands.pairsOfRow;
      Narrow::fetch(vRaw + filled * Narrow::size, from.from(row * ld), paddedOutputs(head), ld, rows);
      if (threadIdx.x < step * wordsOfBlock) {
        const int i = threadIdx.x / wordsOfBlock, word = threadIdx.x % wordsOfBlock;
        uint32_t* const to = mask + filled * maskSize + word * step + i;
        if (i < rows && word < wordEnd) __pipeline_memcpy_async(to, maskOfUnits + (row + i) * words + word, 4);
        else *to = 0;
      } else if (threadIdx.x < step * (wordsOfBlock + 2)) {
        const int i = threadIdx.x % step;
        const bool second = threadIdx.x >= step * (wordsOfBlock + 1);
        float* const to = (second ? ofV : ofX) + filled * step + i;
        if (i < rows) __pipeline_memcpy_async(to, (second ? scales : operands.scales) + row + i, 4);
        else *to = 0;
      }
      filled = filled + 1 < stages ? filled + 1 : 0;
      coming += step;
    }
    __pipeline_commit();
  }

  /** Sets hidden // (unit i / 2 of the lane's two, row 8 n + 2 member + i % 2) to 0 where the unit was not above it. */
  __device__ void select(int buffer, float (&hidden)[4][4]) const {
    const int unit = threadIdx.x / 32 * 16 + group();
    const uint32_t* const rows = mask + buffer * maskSize + unit / 32 * step;
    const uint32_t bit = 1u << unit % 32;
#pragma unroll
    for (int n = 0; n < 4; n++) {
      const uint2 pair = *reinterpret_cast<const uint2*>(rows + 8 * n + 2 * member());
#pragma unroll
      for (int i = 0; i < 4; i++)
        if (!((i % 2 ? pair.y : pair.x) & (i / 2 ? bit << 8 : bit))) hidden[n][i] = 0;
    }
  }
};

/** partials[slot] = vHidden^T x and column sums of vHidden. Grid: tiles of 128 units of heads, slots. */
template <int products, int W>
__device__ void firstWeights(
    const Heads& heads, uint32_t* memory, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,
    float* partials, int partialSize) {
  int tile = blockIdx.x;
  const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.hidden, unitsOfBlock); });
  const int unit0 = tile * unitsOfBlock;
  extern __shared__ __align__(16) float shared[];
  RowTiles<products, W> rows(memory, heads, head, unit0, count, last, mask, words, shared);
  using Wide = Tile<products, W>;
  using Narrow = Tile<products, maxOutputs>;
  const int g = group(), t = member(), lane = threadIdx.x % 32;
  const int stripUnit = unit0 + threadIdx.x / 32 * 16;
  const bool used = stripUnit < head.hidden;

  Factor w2[maxOutputs / 16];
#pragma unroll
  for (int j = 0; j < maxOutputs / 16; j++)
    w2[j] = leftFrom<products>(
        rows.operands.secondOf(head, stripUnit + g).from(8 * j), 0, 8 * (maxOutputs / 2), used, used);
  const int ofWeights = used ? rows.operands.exponentsOf(head, stripUnit)[1] : 0;

  for (int i = 1; i < stages; i++) rows.fetchNext();
  float sums[W / 8][4] = {};
  float biases[2] = {0, 0};
  int top = lowest;
  int buffer = 0;
  for (int row = rows.span.begin; row < rows.span.end; row += step) {
    __pipeline_wait_prior(stages - 2);
    __syncthreads();
    rows.fetchNext();

    const uint32_t* const x = rows.x + buffer * Wide::size;
    const uint32_t* const vRaw = rows.vRaw + buffer * Narrow::size;
    const float ofV = rows.ofV[buffer * step + lane];
    const int exponent = exponentOf(ofV) + exponentOf(rows.ofX[buffer * step + lane]);
    const int higher = max(top, maxOfWarp(exponent));
    if (higher > top) {
      const float factor = power(top - higher);
      top = higher;
#pragma unroll
      for (int n = 0; n < W / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) sums[n][i] *= factor;
      }
    }
    const float ofRow = power(exponent - top + 6);

    float vHidden[4][4] = {}, rests[4][4] = {};
#pragma unroll
    for (int j = 0; j < maxOutputs / 16; j++) {
      if (16 * j >= head.outputs) continue;
#pragma unroll
      for (int n = 0; n < 4; n += 2) {
        Factor b;
        Narrow::rightOfRows(b, vRaw, 8 * n, 16 * j);
        multiplyAdd<products>(vHidden + n, rests + n, w2[j], b);
      }
    }
    if (products == 3) {
#pragma unroll
      for (int i = 0; i < 16; i++) vHidden[i / 4][i % 4] += rests[i / 4][i % 4] * ofRest;
    }
    rows.select(buffer, vHidden);
#pragma unroll
    for (int n = 0; n < 4; n++) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const int source = 8 * n + 2 * t + i;
        const float scale = __shfl_sync(0xffffffffu, ofV, source), factor = __shfl_sync(0xffffffffu, ofRow, source);
        biases[0] += vHidden[n][i] * scale;
        biases[1] += vHidden[n][i + 2] * scale;
        vHidden[n][i] *= factor;
        vHidden[n][i + 2] *= factor;
      }
    }
    const Factor a[2] = {leftOf<products>(vHidden), leftOf<products>(vHidden + 2)};
    multiplyAddTile<products, W / 16>(sums, a, W, [&](Factor& b, int n, int k) { Wide::rightOfColumns(b, x, n, k); });
    buffer = buffer + 1 < stages ? buffer + 1 : 0;
  }

  const Offsets at(startOf(heads, head, inputs), head, inputs);
  float* const partial = partials + static_cast<size_t>(blockIdx.y) * partialSize;
  const Scaling scaled(top + ofWeights - 6), ofBias(ofWeights);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    biases[i] += __shfl_xor_sync(0xffffffffu, biases[i], 1);
    biases[i] += __shfl_xor_sync(0xffffffffu, biases[i], 2);
    const int unit = stripUnit + g + 8 * i;
    if (unit >= head.hidden) continue;
    if (t == 0) partial[at.vb1 + unit] = ofBias(biases[i]);
    float* const to = partial + at.vw1 + static_cast<size_t>(unit) * inputs;
#pragma unroll
    for (int n = 0; n < W / 8; n++) {
      const int column = 8 * n + 2 * t;
      if (column < inputs)
        storePair(to + column, scaled(sums[n][2 * i]), scaled(sums[n][2 * i + 1]), column + 1 < inputs);
    }
  }
}

/** partials[slot] = vRaw^T hidden and column sums of vRaw. Grid: tiles of 128 units of heads, slots. */
template <int products, int W>
__device__ void secondWeights(
    const Heads& heads, uint32_t* memory, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,
    float* partials, int partialSize) {
  int tile = blockIdx.x;
  const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.hidden, unitsOfBlock); });
  const int unit0 = tile * unitsOfBlock;
  extern __shared__ __align__(16) float shared[];
  RowTiles<products, W> rows(memory, heads, head, unit0, count, last, mask, words, shared);
  using Wide = Tile<products, W>;
  using Narrow = Tile<products, maxOutputs>;
  const int g = group(), t = member(), lane = threadIdx.x % 32;
  const int stripUnit = unit0 + threadIdx.x / 32 * 16;
  const bool used = stripUnit < head.hidden;

  Factor w1[W / 16];
#pragma unroll
  for (int j = 0; j < W / 16; j++)
    w1[j] = leftFrom<products>(rows.operands.firstOf(head, stripUnit + g).from(8 * j), 0, 8 * (W / 2), used, used);
  const int ofWeights = used ? rows.operands.exponentsOf(head, stripUnit)[0] : 0;
  float b1[2];
  const int ofBias = used ? rows.operands.exponentsOf(head, stripUnit)[2] : lowest;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const int unit = stripUnit + g + 8 * i;
    b1[i] = head.b1 && unit < head.hidden ? head.b1[unit] : 0;
  }

  for (int i = 1; i < stages; i++) rows.fetchNext();
  float sums[outputTiles][4] = {};
  // Threads that sum gradients of outputs: a pair of them each, of every sixth row.
  constexpr int pairs = maxOutputs / 2, parts = threads / pairs;
  const int pair = threadIdx.x % pairs, part = threadIdx.x / pairs;
  const bool summing = unit0 == 0 && part < parts && 2 * pair < head.outputs;
  float2 bias = make_float2(0, 0);
  int top = 2 * lowest;
  int buffer = 0;
  for (int row = rows.span.begin; row < rows.span.end; row += step) {
    __pipeline_wait_prior(stages - 2);
    __syncthreads();
    rows.fetchNext();

    const uint32_t* const x = rows.x + buffer * Wide::size;
    const uint32_t* const vRaw = rows.vRaw + buffer * Narrow::size;
    const int ofV = exponentOf(rows.ofV[buffer * step + lane]);
    const int product = exponentOf(rows.ofX[buffer * step + lane]) + ofWeights;
    // Hidden units are below 2^(product + 9) + 2^(ofBias + 1).
    const int higher = max(top, maxOfWarp(ofV + max(product + 9, ofBias + 1)));
    if (higher > top) {
      const float factor = power(top - higher);
      top = higher;
#pragma unroll
      for (int m = 0; m < outputTiles; m++) {
#pragma unroll
        for (int i = 0; i < 4; i++) sums[m][i] *= factor;
      }
    }
    const float ofProduct = power(product + ofV - top + 14), ofOne = power(ofV - top + 14);

    float hidden[4][4] = {}, rests[4][4] = {};
#pragma unroll
    for (int j = 0; j < W / 16; j++) {
#pragma unroll
      for (int n = 0; n < 4; n += 2) {
        Factor b;
        Wide::rightOfRows(b, x, 8 * n, 16 * j);
        multiplyAdd<products>(hidden + n, rests + n, w1[j], b);
      }
    }
#pragma unroll
    for (int n = 0; n < 4; n++) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const int source = 8 * n + 2 * t + i;
        const float factor = __shfl_sync(0xffffffffu, ofProduct, source), one = __shfl_sync(0xffffffffu, ofOne, source);
#pragma unroll
        for (int k = 0; k < 2; k++) {
          float& v = hidden[n][i + 2 * k];
          if (products == 3) v += rests[n][i + 2 * k] * ofRest;
          v = v * factor + b1[k] * one;
        }
      }
    }
    rows.select(buffer, hidden);
    const Factor a[2] = {leftOf<products>(hidden), leftOf<products>(hidden + 2)};
    multiplyAddTile<products, maxOutputs / 16>(
        sums, a, head.outputs, [&](Factor& b, int n, int k) { Narrow::rightOfColumns(b, vRaw, n, k); });
    if (summing) {
#pragma unroll 3
      for (int i = part; i < step; i += parts) {
        float2 v = unpack(vRaw[i * Narrow::pitch + pair]);
        if (products == 3) {
          const float2 rest = unpack(vRaw[i * Narrow::pitch + pair + Narrow::rest]);
          v.x += rest.x * ofRest;
          v.y += rest.y * ofRest;
        }
        const float scale = rows.ofV[buffer * step + i];
        bias.x += v.x * scale;
        bias.y += v.y * scale;
      }
    }
    buffer = buffer + 1 < stages ? buffer + 1 : 0;
  }

  const Offsets at(startOf(heads, head, inputs), head, inputs);
  float* const partial = partials + static_cast<size_t>(blockIdx.y) * partialSize;
  const Scaling scaled(top - 14);
#pragma unroll
  for (int m = 0; m < outputTiles; m++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int unit = stripUnit + g + i / 2 * 8, o = 8 * m + 2 * t + i % 2;
      if (unit < head.hidden && o < head.outputs)
        partial[at.vw2 + static_cast<size_t>(o) * head.hidden + unit] = scaled(sums[m][i]);
    }
  }
  if (unit0 != 0) return;
  // The tiles are read no more.
  __pipeline_wait_prior(0);
  __syncthreads();
  float2* const all = reinterpret_cast<float2*>(shared);
  if (part < parts) all[part * pairs + pair] = bias;
  __syncthreads();
  const int output = static_cast<int>(threadIdx.x);
  if (output >= head.outputs) return;
  float sum = 0;
  for (int i = 0; i < parts; i++) sum += output % 2 ? all[i * pairs + output / 2].y : all[i * pairs + output / 2].x;
  partial[at.vb2 + output] = sum;
}

}  // namespace clipgstream
