// Products of tensor cores, from compute capability 8.0 on. mma.sync m16n8k8 on tf32, with `products` = 3 (each factor
// a sum of two of 11 bits, nearly as exact as float32) or 1: with group = lane / 4 and member = lane % 4, a lane holds
// a (group + 8 (i % 2), member + 4 (i / 2)), b (member + 4 i, group) and c (group + 8 (i / 2), 2 member + i % 2). And
// m16n8k16 on pairs of f16: a (group + 8 (i % 2), 2 member + 8 (i / 2)), b (2 member + 8 i, group) and the k behind
// each.
#pragma once

#include <cstdint>

namespace clipgstream {

/**
 * value = big + small + less than 2^-21 |value|. Big is rounded to the 11 bits of tf32; of small, the hardware looks at
 * as many. A NaN stays one, in big or in small; an infinite value becomes NaN. With one product, the hardware's cut of
 * the lower bits is made up for by a factor that leaves no error on average, which is one operation and keeps NaN.
 */
template <int products>
__device__ inline void split(float value, unsigned& big, unsigned& small) {
  if (products == 1) {
    big = __float_as_uint(value * (1 + 1 / 3072.0f));
  } else {
    big = (__float_as_uint(value) + 0x1000u) & 0xffffe000u;
    small = __float_as_uint(value - __uint_as_float(big));
  }
}

/** c += a b */
__device__ inline void mma(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(CLIPGSTREAM_EMULATED)
  emulatedMma(c, a, b);
#else
  __trap();
#endif
}

/** c += a b of f16, pairs of k in a register: m16n8k16. */
__device__ inline void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#elif defined(CLIPGSTREAM_EMULATED)
  emulatedMma(c, a, b0, b1);
#else
  __trap();
#endif
}

/**
 * Four matrices of 8 x 8 f16 from shared memory; lanes 8 i to 8 i + 7 point to the rows of matrix i, 16 bytes each. A
 * lane gets (group, 2 member) and the next of each, or (2 member, group) and the next row's if `transposed`.
 */
template <bool transposed>
__device__ inline void loadMatrices(unsigned (&to)[4], const uint32_t* row) {
#if defined(__CUDA_ARCH__)
  const unsigned at = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(at));
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(at));
#elif defined(CLIPGSTREAM_EMULATED)
  emulatedLoadMatrices(to, row, transposed);
#endif
}

}  // namespace clipgstream
