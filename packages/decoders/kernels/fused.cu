// The heads with hidden activations that never leave the multiprocessor. What backward needs of them is which are
// above 0: bit i of mask // [rows, words] is unit i of a head, each head's words from its `column` on. Factors are
// f16, one or a sum of two, under scales that fused.cuh explains; `narrow` and `narrowWeights` write them first. Steps
// of 32 hidden units, or of 32 rows where weights are concerned, pass through shared memory, some ahead of their use.
// A block has 8 warps of 16 rows, or of 16 hidden units. Names of kernels end with products and columns: inputs are at
// most that many, 64 or 128, and outputs of a head at most 80; narrower ones are filled up with zeros. Gradients of
// weights are partial sums of `slots` blocks, laid out and added as in decoders.cu: no atomics.
//
// Which widths fit is the binding's to say: it takes decoders.cu for others, and for GPUs whose blocks may not have
// the 113 KiB of shared memory that decode_3_128 asks for. Two blocks share a multiprocessor of compute capability
// 9.0, but for the three that go backward with three products: those need 226 to 255 registers a thread.
//
// A row of the usual heads (128 inputs, 1280 hidden units, 140 outputs: 164k and 44k weights) takes, in multiply-adds
// and bytes with one product, and 63k rows on an H100, if mma.sync reaches two thirds of the rate for f16, 660 TFLOP/s,
// as it does for tf32, with one product and with three:
//   narrow            -    1632 of x, outputs and their gradients; 576 of f16, twice that for three       0.04, 0.06 ms
//   decode          208k   512 of x, 560 of outputs, 160 of mask; 0.5 MB of weights a block from L2       0.04, 0.12 ms
//   inputGradient   208k   320 of gradients, 160 of mask, 512 of vX; 0.5 MB of weights a block from L2    0.04, 0.12 ms
//   firstWeights    208k   256 of x ten times, gradients two to four times, mostly from L2; 160 of mask   0.04, 0.12 ms
//   secondWeights   208k   the same                                                                       0.04, 0.12 ms
// Shared memory is the next limit: right factors are 512 bytes for 4096 multiply-adds, read at 128 bytes a clock,
// which is 0.06 ms with one product. With three, which make three products of 1024 bytes, it is 0.11 ms, and 0.15 ms
// for decode, which reads left factors too.
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
