// Fused kernels whose blocks own hidden units, 16 a warp, and a share of the rows: gradients of weights.
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

/** Tiles of 32 rows: vRaw // [32, 80], what it is made from, and words of the mask. */
template <class Layout, int size>
struct RowTiles {
  const Head& head;
  float* vRaw;  // [2, size]
  float* output;  // [2, size]
  uint32_t* mask;  // [2, 32, 4]

  __device__ RowTiles(const Head& head, float* memory)
      : head(head), vRaw(memory), output(vRaw + 2 * size), mask(reinterpret_cast<uint32_t*>(output + 2 * size)) {}

  __device__ void fetchRows(int buffer, int row, int rows, const uint32_t* maskOfUnits, int words, int wordEnd) {
    const int outputs = head.outputs;
    const size_t at = static_cast<size_t>(row) * outputs;
    const int columns = tiles(outputs, 16) * 16;
    fetch<Layout, 8>(vRaw + buffer * size, step, columns, head.vOutput + at, outputs, rows, outputs);
    if (head.activation) fetch<Layout, 8>(output + buffer * size, step, columns, head.output + at, outputs, rows, outputs);
    if (threadIdx.x >= step * wordsOfBlock) return;
    const int i = threadIdx.x / wordsOfBlock, word = threadIdx.x % wordsOfBlock;
    uint32_t* to = mask + buffer * step * wordsOfBlock + threadIdx.x;
    if (i < rows && word < wordEnd) __pipeline_memcpy_async(to, maskOfUnits + static_cast<size_t>(row + i) * words + word, 4);
    else *to = 0;
  }

  /** vRaw from the gradients of outputs that this thread has fetched. */
  template <int products>
  __device__ void activated(int buffer) {
    if (products == 3 && !head.activation) return;
    const BeforeActivation source{nullptr, nullptr, head.activation};
    const float* y = output + buffer * size;
    change<Layout, 8>(vRaw + buffer * size, step, tiles(head.outputs, 16) * 16, [&](float4 v, int at) {
      if (head.activation) {
        const float4 z = *reinterpret_cast<const float4*>(y + at);
        v = make_float4(source.of(v.x, z.x), source.of(v.y, z.y), source.of(v.z, z.z), source.of(v.w, z.w));
      }
      return narrowed<products>(v);
    });
  }

  /** Sets hidden // (unit of the warp's 16, row from `row0` on) to 0 where the unit was not above it. */
  template <int N>
  __device__ void apply(int buffer, int row0, float (&hidden)[N][4]) const {
    const int unit = threadIdx.x / 32 * 16 + group();
    const uint32_t* words = mask + (buffer * step + row0) * wordsOfBlock + unit / 32;
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int row = 8 * n + 2 * member() + i % 2;
        if (!(words[row * wordsOfBlock] >> (unit % 32 + i / 2 * 8) & 1)) hidden[n][i] = 0;
      }
    }
  }
};

/** partials[slot] = vHidden^T x and column sums of vHidden. Grid: tiles of 128 units of heads, slots. */
template <int products, int W>
__device__ void firstWeights(
    const Heads& heads, const float* x, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,
    float* partials, int partialSize) {
  const SlotRows span(lastRow(count, last), gridDim.y, blockIdx.y);
  int tile = blockIdx.x;
  const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.hidden, unitsOfBlock); });
  const int unit0 = tile * unitsOfBlock;
  extern __shared__ __align__(16) float shared[];
  using Layout = Padded<maxOutputs>;
  using Wide = Padded<W + 4>;
  constexpr int wideSize = step * (W + 4);
  float* const xs = shared;  // [2, 32, W + 4]
  RowTiles<Layout, step * maxOutputs> tilesOfRows(head, xs + 2 * wideSize);
  const int g = group(), t = member();
  const int stripUnit = unit0 + threadIdx.x / 32 * 16;
  const uint32_t* maskOfUnits = mask + head.column + unit0 / 32;
  const int wordEnd = tiles(head.hidden - unit0, 32);

  // k = member and member + 4 of product i: outputs 16 (i / 2) + 4 member + 2 (i % 2) and the next.
  float w2[outputTiles][4];
#pragma unroll
  for (int i = 0; i < outputTiles; i++) {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const int unit = stripUnit + g + k % 2 * 8, output = i / 2 * 16 + 4 * t + i % 2 * 2 + k / 2;
      const bool inside = unit < head.hidden && output < head.outputs;
      w2[i][k] = inside ? narrowed<products>(head.w2[static_cast<size_t>(output) * head.hidden + unit]) : 0;
    }
  }

  const auto fetchTile = [&](int row, int buffer) {
    const float* from = x + static_cast<size_t>(row) * inputs;
    fetch<Wide, W / 4>(xs + buffer * wideSize, step, W, from, inputs, span.end - row, inputs);
    tilesOfRows.fetchRows(buffer, row, span.end - row, maskOfUnits, words, wordEnd);
  };
  Strip<products, W> strip;
  float biases[2] = {0, 0};
  if (span.begin < span.end) fetchTile(span.begin, 0);
  __pipeline_commit();
  int buffer = 0;
  for (int row = span.begin; row < span.end; row += step, buffer ^= 1) {
    __pipeline_wait_prior(0);
    narrow<Wide, W / 4, products>(xs + buffer * wideSize, step, W);
    tilesOfRows.template activated<products>(buffer);
    __syncthreads();
    if (row + step < span.end) fetchTile(row + step, buffer ^ 1);
    __pipeline_commit();

    const float* vRaw = tilesOfRows.vRaw + buffer * step * maxOutputs;
    constexpr int N = together;
#pragma unroll 1
    for (int part = 0; part < 4; part += N) {
      float vHidden[N][4] = {};
#pragma unroll
      for (int j = 0; j < maxOutputs / 16; j++) {
        if (16 * j >= head.outputs) continue;
        Right<products> b[N], c[N];
#pragma unroll
        for (int n = 0; n < N; n++) {
          const float4 v = *reinterpret_cast<const float4*>(vRaw + Layout::at(8 * (part + n) + g, 16 * j + 4 * t));
          b[n] = right<products>(v.x, v.y);
          c[n] = right<products>(v.z, v.w);
        }
        const float (&u)[4] = w2[2 * j], (&w)[4] = w2[2 * j + 1];
        multiplyAdd<products>(vHidden, left<products>(u[0], u[1], u[2], u[3]), b);
        multiplyAdd<products>(vHidden, left<products>(w[0], w[1], w[2], w[3]), c);
      }
      tilesOfRows.apply(buffer, 8 * part, vHidden);
      Left<products> a[N];
#pragma unroll
      for (int n = 0; n < N; n++) {
        biases[0] += vHidden[n][0] + vHidden[n][1];
        biases[1] += vHidden[n][2] + vHidden[n][3];
        a[n] = leftOf<products>(vHidden[n]);
      }
      strip.multiply(a, xs + buffer * wideSize + Wide::at(8 * part, 0));
    }
  }

  const Offsets at(startOf(heads, head, inputs), head, inputs);
  float* partial = partials + static_cast<size_t>(blockIdx.y) * partialSize;
  strip.store(partial + at.vw1 + static_cast<size_t>(stripUnit) * inputs, head.hidden - stripUnit, inputs, false);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    biases[i] += __shfl_xor_sync(0xffffffffu, biases[i], 1);
    biases[i] += __shfl_xor_sync(0xffffffffu, biases[i], 2);
    const int unit = stripUnit + g + 8 * i;
    if (t == 0 && unit < head.hidden) partial[at.vb1 + unit] = biases[i];
  }
}

/** partials[slot] = vRaw^T hidden and column sums of vRaw. Grid: tiles of 128 units of heads, slots. */
template <int products, int W>
__device__ void secondWeights(
    const Heads& heads, const float* x, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,
    float* partials, int partialSize) {
  const SlotRows span(lastRow(count, last), gridDim.y, blockIdx.y);
  int tile = blockIdx.x;
  const Head& head = headOf(heads, tile, [](const Head& h) { return tiles(h.hidden, unitsOfBlock); });
  const int unit0 = tile * unitsOfBlock;
  extern __shared__ __align__(16) float shared[];
  using Layout = Padded<maxOutputs + 4>;
  using Wide = Crossed<W>;
  constexpr int wideSize = step * W;
  float* const xs = shared;  // [2, 32, W]
  RowTiles<Layout, step * (maxOutputs + 4)> tilesOfRows(head, xs + 2 * wideSize);
  const int g = group(), t = member();
  const int stripUnit = unit0 + threadIdx.x / 32 * 16;
  const uint32_t* maskOfUnits = mask + head.column + unit0 / 32;
  const int wordEnd = tiles(head.hidden - unit0, 32);

  // k = member and member + 4 of product i: inputs 16 (i / 2) + 4 member + 2 (i % 2) and the next.
  float w1[W / 8][4], b1[2];
#pragma unroll
  for (int i = 0; i < W / 8; i++) {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const int unit = stripUnit + g + k % 2 * 8, input = i / 2 * 16 + 4 * t + i % 2 * 2 + k / 2;
      const bool inside = unit < head.hidden && input < inputs;
      w1[i][k] = inside ? narrowed<products>(head.w1[static_cast<size_t>(unit) * inputs + input]) : 0;
    }
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const int unit = stripUnit + g + 8 * i;
    b1[i] = head.b1 && unit < head.hidden ? head.b1[unit] : 0;
  }

  const auto fetchTile = [&](int row, int buffer) {
    const float* from = x + static_cast<size_t>(row) * inputs;
    fetch<Wide, W / 4>(xs + buffer * wideSize, step, W, from, inputs, span.end - row, inputs);
    tilesOfRows.fetchRows(buffer, row, span.end - row, maskOfUnits, words, wordEnd);
  };
  float sums[outputTiles][4] = {};
  const int output = static_cast<int>(threadIdx.x);
  const bool summing = unit0 == 0 && output < head.outputs;
  float bias = 0;
  if (span.begin < span.end) fetchTile(span.begin, 0);
  __pipeline_commit();
  int buffer = 0;
  for (int row = span.begin; row < span.end; row += step, buffer ^= 1) {
    float* const rows = xs + buffer * wideSize;
    __pipeline_wait_prior(0);
    narrow<Wide, W / 4, products>(rows, step, W);
    tilesOfRows.template activated<products>(buffer);
    __syncthreads();
    if (row + step < span.end) fetchTile(row + step, buffer ^ 1);
    __pipeline_commit();

    const float* vRaw = tilesOfRows.vRaw + buffer * step * (maxOutputs + 4);
    constexpr int N = together;
#pragma unroll 1
    for (int part = 0; part < 4; part += N) {
      float hidden[N][4];
#pragma unroll
      for (int n = 0; n < N; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) hidden[n][i] = b1[i / 2];
      }
#pragma unroll
      for (int j = 0; j < W / 16; j++) {
        Right<products> b[N], c[N];
#pragma unroll
        for (int n = 0; n < N; n++) {
          const float4 v = *reinterpret_cast<const float4*>(rows + Wide::at(8 * (part + n) + g, 16 * j + 4 * t));
          b[n] = right<products>(v.x, v.y);
          c[n] = right<products>(v.z, v.w);
        }
        const float (&u)[4] = w1[2 * j], (&w)[4] = w1[2 * j + 1];
        multiplyAdd<products>(hidden, left<products>(u[0], u[1], u[2], u[3]), b);
        multiplyAdd<products>(hidden, left<products>(w[0], w[1], w[2], w[3]), c);
      }
      tilesOfRows.apply(buffer, 8 * part, hidden);
      Left<products> a[N];
#pragma unroll
      for (int n = 0; n < N; n++) a[n] = leftOf<products>(hidden[n]);
#pragma unroll
      for (int m = 0; m < outputTiles; m += 2) {
        if (8 * m >= head.outputs) continue;
        float partial[2][4];
#pragma unroll
        for (int i = 0; i < 8; i++) partial[i / 4][i % 4] = products == 1 ? sums[m + i / 4][i % 4] : 0;
#pragma unroll
        for (int n = 0; n < N; n++) {
          const int row = 8 * (part + n) + 2 * t;
          const int at = Layout::at(row, 8 * m + g), below = Layout::at(row + 1, 8 * m + g);
          const Right<products> b[2] = {
              right<products>(vRaw[at], vRaw[below]), right<products>(vRaw[at + 8], vRaw[below + 8])};
          multiplyAdd<products>(partial, a[n], b);
        }
#pragma unroll
        for (int i = 0; i < 8; i++) {
          float& sum = sums[m + i / 4][i % 4];
          sum = products == 1 ? partial[i / 4][i % 4] : sum + partial[i / 4][i % 4];
        }
      }
    }
    if (summing) {
#pragma unroll 8
      for (int i = 0; i < step; i++) bias += vRaw[Layout::at(i, output)];
    }
  }

  const Offsets at(startOf(heads, head, inputs), head, inputs);
  float* partial = partials + static_cast<size_t>(blockIdx.y) * partialSize;
#pragma unroll
  for (int m = 0; m < outputTiles; m++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int unit = stripUnit + g + i / 2 * 8, o = 8 * m + 2 * t + i % 2;
      if (unit < head.hidden && o < head.outputs) partial[at.vw2 + static_cast<size_t>(o) * head.hidden + unit] = sums[m][i];
    }
  }
  if (summing) partial[at.vb2 + output] = bias;
}

}  // namespace clipgstream
