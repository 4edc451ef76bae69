// The heads with hidden activations that never leave the multiprocessor. What backward needs of them is which are above
// 0: bit i of mask // [rows, words] is unit i of a head, each head's words from its `column` on. Steps of 32 hidden units,
// or of 32 rows where weights are concerned, pass through shared memory, two at a time: one arrives while one is used.
// A block has 8 warps of 16 rows, or of 16 hidden units. Names of kernels end with products (see mma.cuh) and columns:
// inputs are at most that many, 64 or 128, and outputs of a head at most 80; narrower ones are filled up with zeros.
// Gradients of weights are partial sums of `slots` blocks, laid out and added as in decoders.cu: no atomics.
//
// Which widths fit is the binding's to say: it takes decoders.cu for others, and for GPUs whose blocks may not have the
// 106 KiB of shared memory that decode_*_128 asks for. Two blocks share a multiprocessor of compute capability 9.0, but
// for the three that go backward with three products: those need 231 to 255 registers a thread.
//
// A row of the usual heads (128 inputs, 1280 hidden units, 140 outputs: 164k and 44k weights) takes, in multiply-adds and
// bytes, and 63k rows on an H100 at the 350 TFLOP/s that mma.sync may reach, with one product and with three:
//   decode          208k   512 of x, 560 of outputs, 160 of mask; 0.8 MB of weights a block from L2     0.07, 0.22 ms
//   inputGradient   208k   1120 of outputs and their gradients, 160 of mask, 512 of vX; weights alike   0.07, 0.22 ms
//   firstWeights    208k   x ten times, the others two to four times, mostly from L2; 160 of mask       0.07, 0.22 ms
//   secondWeights   208k   the same                                                                     0.07, 0.22 ms
// Memory alone would take 0.03 ms a kernel. Shared memory is the next limit: a right factor is 256 bytes a product of 1024
// multiply-adds, read at 128 bytes a clock, which doubles the times with one product and hides behind three.
#include "half-rows.cuh"
#include "half-weights.cuh"

using namespace clipgstream;

#define HEADS const __grid_constant__ Heads heads
#define KERNEL(blocks) extern "C" __global__ void __launch_bounds__(256, blocks)

#define FORWARD(products, W)                                                                                           \
  KERNEL(4) narrowWeights_##products##_##W(HEADS, int inputs, int words, uint32_t* halves) {                           \
    const HalfPairs<W> pairs(halves, words);                                                                           \
    narrowWeights<W>(                                                                                                  \
        heads, blockIdx.x, inputs, pairs, products == 1 ? nullptr : pairs.restOfW1,                                    \
        products == 1 ? nullptr : pairs.restOfW2);                                                                     \
  }                                                                                                                    \
  KERNEL(2) decode_##products##_##W(                                                                                   \
      HEADS, int headCount, const float* x, int inputs, const uint32_t* count, int last, uint32_t* mask, int words,    \
      int all, uint32_t* halves) {                                                                                     \
    decode<products, W>(heads, headCount, x, inputs, count, last, mask, words, all, halves);                           \
  }

#define BACKWARD_3(W)                                                                                                  \
  KERNEL(1) inputGradient_3_##W(                                                                                       \
      HEADS, int headCount, const uint32_t* count, int last, const uint32_t* mask, int words, float* vX, int inputs,   \
      int adding) {                                                                                                    \
    inputGradient<3, W>(heads, headCount, count, last, mask, words, vX, inputs, adding);                               \
  }                                                                                                                    \
  KERNEL(1) firstWeights_3_##W(                                                                                        \
      HEADS, const float* x, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,             \
      float* partials, int partialSize) {                                                                              \
    firstWeights<3, W>(heads, x, inputs, count, last, mask, words, partials, partialSize);                             \
  }                                                                                                                    \
  KERNEL(1) secondWeights_3_##W(                                                                                       \
      HEADS, const float* x, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,             \
      float* partials, int partialSize) {                                                                              \
    secondWeights<3, W>(heads, x, inputs, count, last, mask, words, partials, partialSize);                            \
  }

#define BACKWARD_1(W)                                                                                                  \
  KERNEL(4) narrow_1_##W(                                                                                              \
      HEADS, int headCount, const float* x, int inputs, const uint32_t* count, int last, int words, uint32_t* halves) { \
    narrow<W>(heads, headCount, x, inputs, count, last, words, halves);                                                \
  }                                                                                                                    \
  KERNEL(2) inputGradient_1_##W(                                                                                       \
      HEADS, int headCount, const uint32_t* count, int last, const uint32_t* mask, int words, float* vX, int inputs,   \
      int adding, uint32_t* halves) {                                                                                  \
    inputGradientOfHalves<W>(heads, headCount, count, last, mask, words, vX, inputs, adding, halves);                  \
  }                                                                                                                    \
  KERNEL(2) firstWeights_1_##W(                                                                                        \
      HEADS, uint32_t* halves, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,           \
      float* partials, int partialSize) {                                                                              \
    firstWeightsOfHalves<W>(heads, halves, inputs, count, last, mask, words, partials, partialSize);                   \
  }                                                                                                                    \
  KERNEL(2) secondWeights_1_##W(                                                                                       \
      HEADS, uint32_t* halves, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,           \
      float* partials, int partialSize) {                                                                              \
    secondWeightsOfHalves<W>(heads, halves, inputs, count, last, mask, words, partials, partialSize);                  \
  }

FORWARD(1, 64)
FORWARD(1, 128)
FORWARD(3, 64)
FORWARD(3, 128)
BACKWARD_3(64)
BACKWARD_3(128)
BACKWARD_1(64)
BACKWARD_1(128)
