// The heads with hidden activations that never leave the multiprocessor. What backward needs of them is which are above
// 0: bit i of mask // [rows, words] is unit i of a head, each head's words from its `column` on. Steps of 32 hidden units,
// or of 32 rows where weights are concerned, pass through shared memory, two at a time: one arrives while one is used.
// A block has 8 warps of 16 rows, or of 16 hidden units. Names of kernels end with products (see mma.cuh) and columns:
// inputs are at most that many, 64 or 128, and outputs of a head at most 80; narrower ones are filled up with zeros.
// Gradients of weights are partial sums of `slots` blocks, laid out and added as in decoders.cu: no atomics.
//
// For a row of the usual heads (128 inputs, 1280 hidden units, 140 outputs; 164k and 44k weights), in multiply-adds:
//                   products        bytes of a row                             63k rows on an H100
//   decode          208k            512 x, 560 outputs, 160 mask; 0.8 MB of    0.07 ms with one product, 0.22 with three
//                                   weights a block of 128 rows, from L2
//   inputGradient   208k            1120 vOutput and output, 160, 512 vX; as above    0.07 ms, 0.22 ms
//   firstWeights    208k            512 and 1120 a strip of 128 units, mostly from L2   0.07 ms, 0.22 ms
//   secondWeights   208k            the same                                   0.07 ms, 0.22 ms
// at 350 TFLOP/s, what mma.sync may reach. Shared memory is the next limit: a right factor is 256 bytes a product of
// 1024 multiply-adds, read at 128 bytes a clock, which doubles the times with one product and hides behind three.
#include "fused.cuh"

namespace clipgstream {

constexpr int rowsOfBlock = 128;
constexpr int outputTiles = maxOutputs / 8;

/** A step of hidden units: which head's, and from which unit on. */
struct Place {
  int head, unit;
  __device__ Place next(const Heads& heads) const {
    return unit + step < heads.list[head].hidden ? Place{head, unit + step} : Place{head + 1, 0};
  }
};

/** mask, outputs = activation(W2 relu(W1 x + b1) + b2). Grid: tiles of 128 rows. Without `all`, the mask alone. */
template <int products, int W>
__device__ void decode(
    const Heads& heads, int headCount, const float* x, int inputs, const uint32_t* count, int last, uint32_t* mask,
    int words, bool all) {
  const int end = lastRow(count, last);
  const int row0 = blockIdx.x * rowsOfBlock;
  if (row0 >= end) return;
  extern __shared__ __align__(16) float shared[];
  float* const rows = shared;  // [128, W]
  float* const first = rows + rowsOfBlock * W;  // [2, 32, W] of W1
  float* const second = first + 2 * step * W;  // [80, 32] of W2
  using Wide = Crossed<W>;
  using Narrow = Crossed<step>;
  const int g = group(), t = member();
  const int stripRow = threadIdx.x / 32 * 16;

  fetch<Wide, rowsOfBlock, W>(rows, x + static_cast<size_t>(row0) * inputs, inputs, end - row0, inputs);
  const auto fetchFirst = [&](Place place, int buffer) {
    const Head& head = heads.list[place.head];
    const float* from = head.w1 + static_cast<size_t>(place.unit) * inputs;
    fetch<Wide, step, W>(first + buffer * step * W, from, inputs, head.hidden - place.unit, inputs);
  };
  fetchFirst({0, 0}, 0);
  __pipeline_commit();
  float sums[outputTiles][4] = {};
  int buffer = 0;
  for (Place place{0, 0}; place.head < headCount; buffer ^= 1) {
    const Head& head = heads.list[place.head];
    const Place next = place.next(heads);
    float* const w1 = first + buffer * step * W;
    __pipeline_wait_prior(0);
    if (place.head == 0 && place.unit == 0) narrow<Wide, rowsOfBlock, W, products>(rows);
    narrow<Wide, step, W, products>(w1);
    __syncthreads();
    if (all) fetch<Narrow, maxOutputs, step>(second, head.w2 + place.unit, head.hidden, head.outputs, head.hidden - place.unit);
    __pipeline_commit();
    if (next.head < headCount) fetchFirst(next, buffer ^ 1);
    __pipeline_commit();

    // Columns 2 member and the next of tiles 0 and 1 are units 4 member to 4 member + 3; so 16 behind, of tiles 2 and 3.
    float hidden[4][4] = {};
#pragma unroll
    for (int j = 0; j < W / 16; j++) {
      const int column = 16 * j + 4 * t;
      const float4 u = *reinterpret_cast<const float4*>(rows + Wide::at(stripRow + g, column));
      const float4 v = *reinterpret_cast<const float4*>(rows + Wide::at(stripRow + g + 8, column));
      float4 w[4];
#pragma unroll
      for (int n = 0; n < 4; n++)
        w[n] = *reinterpret_cast<const float4*>(w1 + Wide::at(n / 2 * 16 + g / 2 * 4 + g % 2 + n % 2 * 2, column));
      const Right<products> b[4] = {
          right<products>(w[0].x, w[0].y), right<products>(w[1].x, w[1].y), right<products>(w[2].x, w[2].y),
          right<products>(w[3].x, w[3].y)};
      const Right<products> c[4] = {
          right<products>(w[0].z, w[0].w), right<products>(w[1].z, w[1].w), right<products>(w[2].z, w[2].w),
          right<products>(w[3].z, w[3].w)};
      if (products == 1) {
        multiplyAdd<products>(hidden, left<products>(u.x, v.x, u.y, v.y), b);
        multiplyAdd<products>(hidden, left<products>(u.z, v.z, u.w, v.w), c);
      } else {
        float partial[4][4] = {};
        multiplyAdd<products>(partial, left<products>(u.x, v.x, u.y, v.y), b);
        multiplyAdd<products>(partial, left<products>(u.z, v.z, u.w, v.w), c);
        add(hidden, partial);
      }
    }

    uint32_t bits[2] = {0, 0};
#pragma unroll
    for (int n = 0; n < 4; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int unit = n / 2 * 16 + 4 * t + n % 2 * 2 + i % 2;
        float& v = hidden[n][i];
        if (head.b1 && place.unit + unit < head.hidden) v += head.b1[place.unit + unit];
        // Not fmaxf, which would turn NaN into 0.
        if (v <= 0) v = 0;
        else bits[i / 2] |= 1u << unit;
      }
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      bits[i] |= __shfl_xor_sync(0xffffffffu, bits[i], 1);
      bits[i] |= __shfl_xor_sync(0xffffffffu, bits[i], 2);
      const int row = row0 + stripRow + g + 8 * i;
      if (mask && t == 0 && row < end) mask[static_cast<size_t>(row) * words + head.column + place.unit / step] = bits[i];
    }

    if (all) {
      __pipeline_wait_prior(1);
      narrow<Narrow, maxOutputs, step, products>(second);
      __syncthreads();
      Left<products> a[4];
#pragma unroll
      for (int n = 0; n < 4; n++) a[n] = leftOf<products>(hidden[n]);
#pragma unroll
      for (int n = 0; n < outputTiles; n += 2) {
        if (8 * n >= head.outputs) continue;
        float partial[2][4] = {};
#pragma unroll
        for (int p = 0; p < 2; p++) {
          const int column = 16 * p + 4 * t;
          const float4 u = *reinterpret_cast<const float4*>(second + Narrow::at(8 * n + g, column));
          const float4 v = *reinterpret_cast<const float4*>(second + Narrow::at(8 * n + 8 + g, column));
          const Right<products> b[2] = {right<products>(u.x, u.y), right<products>(v.x, v.y)};
          const Right<products> c[2] = {right<products>(u.z, u.w), right<products>(v.z, v.w)};
          multiplyAdd<products>(partial, a[2 * p], b);
          multiplyAdd<products>(partial, a[2 * p + 1], c);
        }
        add(sums + n, partial);
      }
      if (next.head != place.head) {
#pragma unroll
        for (int n = 0; n < outputTiles; n++) {
          const int output = 8 * n + 2 * t;
          if (output >= head.outputs) continue;
          const bool both = output + 1 < head.outputs;
          const float b = head.b2 ? head.b2[output] : 0, c = head.b2 && both ? head.b2[output + 1] : 0;
#pragma unroll
          for (int i = 0; i < 4; i += 2) {
            const int row = row0 + stripRow + g + 4 * i;
            if (row >= end) continue;
            storePair(
                head.output + static_cast<size_t>(row) * head.outputs + output,
                activate(sums[n][i] + b, head.activation), activate(sums[n][i + 1] + c, head.activation), both);
          }
        }
#pragma unroll
        for (int n = 0; n < outputTiles; n++) {
#pragma unroll
          for (int i = 0; i < 4; i++) sums[n][i] = 0;
        }
      }
    }
    place = next;
  }
}

/** vX (+)= sum over heads of W1^T (W2^T vRaw where the unit is above 0). Grid: tiles of 128 rows. */
template <int products, int W>
__device__ void inputGradient(
    const Heads& heads, int headCount, const uint32_t* count, int last, const uint32_t* mask, int words, float* vX,
    int inputs, bool adding) {
  const int end = lastRow(count, last);
  const int row0 = blockIdx.x * rowsOfBlock;
  if (row0 >= end) return;
  extern __shared__ __align__(16) float shared[];
  using First = Padded<W + 4>;
  using Second = Padded<step + 8>;
  constexpr int firstSize = step * (W + 4), secondSize = maxOutputs * (step + 8);
  float* const first = shared;  // [2, 32, W + 4] of W1
  float* const second = first + 2 * firstSize;  // [2, 80, 40] of W2
  const int g = group(), t = member();
  const int stripRow = row0 + threadIdx.x / 32 * 16;

  const auto fetchWeights = [&](Place place, int buffer) {
    const Head& head = heads.list[place.head];
    const int units = head.hidden - place.unit;
    fetch<First, step, W>(
        first + buffer * firstSize, head.w1 + static_cast<size_t>(place.unit) * inputs, inputs, units, inputs);
    fetch<Second, maxOutputs, step>(
        second + buffer * secondSize, head.w2 + place.unit, head.hidden, head.outputs, units);
  };
  fetchWeights({0, 0}, 0);
  __pipeline_commit();
  Strip<products, W> strip;
  // k = member and member + 4 of product j: outputs 8 j + member and + 4.
  float vRaw[outputTiles][4];
  int buffer = 0;
  for (Place place{0, 0}; place.head < headCount; buffer ^= 1) {
    const Head& head = heads.list[place.head];
    const Place next = place.next(heads);
    uint32_t bits[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int row = stripRow + g + 8 * i;
      bits[i] = row < end ? mask[static_cast<size_t>(row) * words + head.column + place.unit / step] : 0;
    }
    if (place.unit == 0) {
      const BeforeActivation source{head.vOutput, head.output, head.activation};
#pragma unroll
      for (int j = 0; j < outputTiles; j++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const int row = stripRow + g + i % 2 * 8, output = 8 * j + t + i / 2 * 4;
          const bool inside = row < end && output < head.outputs;
          const size_t at = static_cast<size_t>(row) * head.outputs + output;
          vRaw[j][i] = inside ? narrowed<products>(source.of(head.vOutput[at], head.activation ? head.output[at] : 0)) : 0;
        }
      }
    }
    float* const w1 = first + buffer * firstSize;
    float* const w2 = second + buffer * secondSize;
    __pipeline_wait_prior(0);
    narrow<First, step, W, products>(w1);
    narrow<Second, maxOutputs, step, products>(w2);
    __syncthreads();
    if (next.head < headCount) fetchWeights(next, buffer ^ 1);
    __pipeline_commit();

    float vHidden[4][4] = {};
#pragma unroll
    for (int j = 0; j < outputTiles; j++) {
      if (8 * j >= head.outputs) continue;
      Right<products> b[4];
#pragma unroll
      for (int n = 0; n < 4; n++)
        b[n] = right<products>(w2[Second::at(8 * j + t, 8 * n + g)], w2[Second::at(8 * j + t + 4, 8 * n + g)]);
      multiplyAdd<products>(vHidden, left<products>(vRaw[j][0], vRaw[j][1], vRaw[j][2], vRaw[j][3]), b);
    }
    Left<products> a[4];
#pragma unroll
    for (int n = 0; n < 4; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++)
        if (!(bits[i / 2] >> (8 * n + 2 * t + i % 2) & 1)) vHidden[n][i] = 0;
      a[n] = leftOf<products>(vHidden[n]);
    }
    strip.multiply(a, w1);
    place = next;
  }
  strip.store(vX + static_cast<size_t>(stripRow) * inputs, end - stripRow, inputs, adding);
}

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
    fetch<Layout, step, maxOutputs>(vRaw + buffer * size, head.vOutput + at, outputs, rows, outputs);
    if (head.activation) fetch<Layout, step, maxOutputs>(output + buffer * size, head.output + at, outputs, rows, outputs);
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
    change<Layout, step, maxOutputs>(vRaw + buffer * size, [&](float4 v, int at) {
      if (head.activation) {
        const float4 z = *reinterpret_cast<const float4*>(y + at);
        v = make_float4(source.of(v.x, z.x), source.of(v.y, z.y), source.of(v.z, z.z), source.of(v.w, z.w));
      }
      return narrowed<products>(v);
    });
  }

  /** Sets hidden // (unit of the warp's 16, row of 32) to 0 where the unit was not above it. */
  __device__ void apply(int buffer, float (&hidden)[4][4]) const {
    const int unit = threadIdx.x / 32 * 16 + group();
    const uint32_t* words = mask + buffer * step * wordsOfBlock + unit / 32;
#pragma unroll
    for (int n = 0; n < 4; n++) {
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
    fetch<Wide, step, W>(xs + buffer * wideSize, x + static_cast<size_t>(row) * inputs, inputs, span.end - row, inputs);
    tilesOfRows.fetchRows(buffer, row, span.end - row, maskOfUnits, words, wordEnd);
  };
  Strip<products, W> strip;
  float biases[2] = {0, 0};
  if (span.begin < span.end) fetchTile(span.begin, 0);
  __pipeline_commit();
  int buffer = 0;
  for (int row = span.begin; row < span.end; row += step, buffer ^= 1) {
    __pipeline_wait_prior(0);
    narrow<Wide, step, W, products>(xs + buffer * wideSize);
    tilesOfRows.template activated<products>(buffer);
    __syncthreads();
    if (row + step < span.end) fetchTile(row + step, buffer ^ 1);
    __pipeline_commit();

    const float* vRaw = tilesOfRows.vRaw + buffer * step * maxOutputs;
    float vHidden[4][4] = {};
#pragma unroll
    for (int j = 0; j < maxOutputs / 16; j++) {
      if (16 * j >= head.outputs) continue;
      Right<products> b[4], c[4];
#pragma unroll
      for (int n = 0; n < 4; n++) {
        const float4 v = *reinterpret_cast<const float4*>(vRaw + Layout::at(8 * n + g, 16 * j + 4 * t));
        b[n] = right<products>(v.x, v.y);
        c[n] = right<products>(v.z, v.w);
      }
      const float (&u)[4] = w2[2 * j], (&w)[4] = w2[2 * j + 1];
      multiplyAdd<products>(vHidden, left<products>(u[0], u[1], u[2], u[3]), b);
      multiplyAdd<products>(vHidden, left<products>(w[0], w[1], w[2], w[3]), c);
    }
    tilesOfRows.apply(buffer, vHidden);
    Left<products> a[4];
#pragma unroll
    for (int n = 0; n < 4; n++) {
      biases[0] += vHidden[n][0] + vHidden[n][1];
      biases[1] += vHidden[n][2] + vHidden[n][3];
      a[n] = leftOf<products>(vHidden[n]);
    }
    strip.multiply(a, xs + buffer * wideSize);
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
    fetch<Wide, step, W>(xs + buffer * wideSize, x + static_cast<size_t>(row) * inputs, inputs, span.end - row, inputs);
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
    narrow<Wide, step, W, products>(rows);
    tilesOfRows.template activated<products>(buffer);
    __syncthreads();
    if (row + step < span.end) fetchTile(row + step, buffer ^ 1);
    __pipeline_commit();

    float hidden[4][4] = {};
#pragma unroll
    for (int j = 0; j < W / 16; j++) {
      Right<products> b[4], c[4];
#pragma unroll
      for (int n = 0; n < 4; n++) {
        const float4 v = *reinterpret_cast<const float4*>(rows + Wide::at(8 * n + g, 16 * j + 4 * t));
        b[n] = right<products>(v.x, v.y);
        c[n] = right<products>(v.z, v.w);
      }
      const float (&u)[4] = w1[2 * j], (&w)[4] = w1[2 * j + 1];
      multiplyAdd<products>(hidden, left<products>(u[0], u[1], u[2], u[3]), b);
      multiplyAdd<products>(hidden, left<products>(w[0], w[1], w[2], w[3]), c);
    }
#pragma unroll
    for (int n = 0; n < 4; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) hidden[n][i] += b1[i / 2];
    }
    tilesOfRows.apply(buffer, hidden);
    Left<products> a[4];
#pragma unroll
    for (int n = 0; n < 4; n++) a[n] = leftOf<products>(hidden[n]);

    const float* vRaw = tilesOfRows.vRaw + buffer * step * (maxOutputs + 4);
#pragma unroll
    for (int m = 0; m < outputTiles; m += 2) {
      if (8 * m >= head.outputs) continue;
      float partial[2][4] = {};
#pragma unroll
      for (int n = 0; n < 4; n++) {
        const int at = Layout::at(8 * n + 2 * t, 8 * m + g), below = Layout::at(8 * n + 2 * t + 1, 8 * m + g);
        const Right<products> b[2] = {
            right<products>(vRaw[at], vRaw[below]), right<products>(vRaw[at + 8], vRaw[below + 8])};
        multiplyAdd<products>(partial, a[n], b);
      }
      add(sums + m, partial);
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

using namespace clipgstream;

#define HEADS const __grid_constant__ Heads heads
#define KERNEL(blocks) extern "C" __global__ void __launch_bounds__(256, blocks)

#define KERNELS(suffix, products, W, blocks)                                                                           \
  KERNEL(2) decode_##suffix(                                                                                           \
      HEADS, int headCount, const float* x, int inputs, const uint32_t* count, int last, uint32_t* mask, int words,    \
      int all) {                                                                                                       \
    decode<products, W>(heads, headCount, x, inputs, count, last, mask, words, all);                                   \
  }                                                                                                                    \
  KERNEL(blocks) inputGradient_##suffix(                                                                               \
      HEADS, int headCount, const uint32_t* count, int last, const uint32_t* mask, int words, float* vX, int inputs,   \
      int adding) {                                                                                                    \
    inputGradient<products, W>(heads, headCount, count, last, mask, words, vX, inputs, adding);                        \
  }                                                                                                                    \
  KERNEL(blocks) firstWeights_##suffix(                                                                                \
      HEADS, const float* x, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,             \
      float* partials, int partialSize) {                                                                              \
    firstWeights<products, W>(heads, x, inputs, count, last, mask, words, partials, partialSize);                      \
  }                                                                                                                    \
  KERNEL(blocks) secondWeights_##suffix(                                                                               \
      HEADS, const float* x, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,             \
      float* partials, int partialSize) {                                                                              \
    secondWeights<products, W>(heads, x, inputs, count, last, mask, words, partials, partialSize);                     \
  }

KERNELS(1_64, 1, 64, 2)
KERNELS(1_128, 1, 128, 2)
KERNELS(3_64, 3, 64, 1)
KERNELS(3_128, 3, 128, 1)
