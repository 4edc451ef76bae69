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
#include "fused-decode.cuh"
#include "fused-input.cuh"
#include "fused-narrow.cuh"
#include "fused-weights.cuh"

using namespace clipgstream;

#define HEADS const __grid_constant__ Heads heads
#define KERNEL(blocks) extern "C" __global__ void __launch_bounds__(256, blocks)

#define KERNELS(suffix, products, W, blocks)                                                                           \
  KERNEL(4) narrowWeights_##suffix(HEADS, int inputs, int words, uint32_t* to) {                                       \
    narrowWeights<products, W>(heads, inputs, Weights<products, W>(to, words));                                        \
  }                                                                                                                    \
  KERNEL(2) decode_##suffix(                                                                                           \
      HEADS, int headCount, const float* x, int inputs, const uint32_t* count, int last, uint32_t* mask, int words,    \
      int all, uint32_t* weights) {                                                                                    \
    decode<products, W>(heads, headCount, x, inputs, count, last, mask, words, all, weights);                          \
  }                                                                                                                    \
  KERNEL(4) narrow_##suffix(                                                                                           \
      HEADS, int headCount, const float* x, int inputs, const uint32_t* count, int last, int words, uint32_t* to) {    \
    narrow<products, W>(heads, headCount, x, inputs, count, last, words, to);                                          \
  }                                                                                                                    \
  KERNEL(blocks) inputGradient_##suffix(                                                                               \
      HEADS, int headCount, uint32_t* operands, const uint32_t* count, int last, const uint32_t* mask, int words,      \
      float* vX, int inputs, int adding) {                                                                             \
    inputGradient<products, W>(heads, headCount, operands, count, last, mask, words, vX, inputs, adding);              \
  }                                                                                                                    \
  KERNEL(blocks) firstWeights_##suffix(                                                                                \
      HEADS, uint32_t* operands, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,         \
      float* partials, int partialSize) {                                                                              \
    firstWeights<products, W>(heads, operands, inputs, count, last, mask, words, partials, partialSize);               \
  }                                                                                                                    \
  KERNEL(blocks) secondWeights_##suffix(                                                                               \
      HEADS, uint32_t* operands, int inputs, const uint32_t* count, int last, const uint32_t* mask, int words,         \
      float* partials, int partialSize) {                                                                              \
    secondWeights<products, W>(heads, operands, inputs, count, last, mask, words, partials, partialSize);              \
  }

KERNELS(1_64, 1, 64, 2)
KERNELS(1_128, 1, 128, 2)
KERNELS(3_64, 3, 64, 1)
KERNELS(3_128, 3, 128, 1)
