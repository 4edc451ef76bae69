// Adam (Kingma and Ba 2015) on f32 arrays; the formula is in src/contract.ts.
//
// One launch steps several parameters (groups), whose settings come with it in constant memory; a block is `unit` elements
// of one group. Elements are independent, so the result has equal bytes every time. A thread takes four elements at
// once (16-byte accesses); it looks at their gradients first and moves nothing else where no row is touched. Rows of 1, 2
// or 4 lie inside of a thread's four; blocks of longer or odd rows that may be skipped find touched ones first, with a
// flag a row in shared memory, and then step them.
// Floor: 32 bytes an element (parameter, gradient and two moments, read and written; 28 where the gradient is zero
// already), 85 us for 8 M elements at 3 TB/s; 4 bytes an element of skipped rows.
// Limits: 2^30 elements a group.
#include "common.cuh"

constexpr uint32_t THREADS = 256;
/// Elements of a block; of those that look for touched rows, as many whole rows as fit, at least one.
constexpr uint32_t UNIT = 2048;

struct Group {
  float* parameter;
  float* gradient;
  float* m;
  float* v;
  uint32_t size;
  /// First trained element and one past the last.
  uint32_t first, last;
  /// Elements of a row if rows may be skipped, else 0.
  uint32_t lazyWidth;
  uint32_t unit;
  /// Blocks of this group and of those before it.
  uint32_t blockEnd;
  float stepSize, rootScale, epsilon, beta1, rest1, beta2, rest2;
  /// Negative: gradients are used as they are.
  float gradientLimit;
};

template <int N> struct Groups {
  Group group[N];
};

/// NaN becomes zero, the rest is clamped.
__device__ __forceinline__ float limited(float g, float limit) {
  if (limit < 0) return g;
  return g == g ? fminf(fmaxf(g, -limit), limit) : 0.0f;
}

/// A moment, or zero below the least normal number. NaN stays.
__device__ __forceinline__ float normal(float x) { return fabsf(x) < 1.17549435e-38f ? 0.0f : x; }

__device__ __forceinline__ void update(const Group& o, float g, float& p, float& m, float& v) {
  m = normal(o.beta1 * m + o.rest1 * g);
  v = normal(o.beta2 * v + o.rest2 * (g * g));
  p -= o.stepSize * m / (sqrtf(v) * o.rootScale + o.epsilon);
}

__device__ __forceinline__ void get4(const float* p, uint32_t i, uint32_t size, float (&x)[4]) {
  if (i + 4 <= size) {
    const float4 v = load4(p + i);
    x[0] = v.x;
    x[1] = v.y;
    x[2] = v.z;
    x[3] = v.w;
  } else {
#pragma unroll
    for (uint32_t j = 0; j < 4; j++) x[j] = i + j < size ? p[i + j] : 0.0f;
  }
}

__device__ __forceinline__ void put4(float* p, uint32_t i, uint32_t size, const float (&x)[4]) {
  if (i + 4 <= size) {
    store4(p + i, make_float4(x[0], x[1], x[2], x[3]));
  } else {
#pragma unroll
    for (uint32_t j = 0; j < 4; j++) {
      if (i + j < size) p[i + j] = x[j];
    }
  }
}

/// Elements i to i + 3 with gradients g, where `on`.
__device__ __forceinline__ void step4(const Group& o, uint32_t i, float (&g)[4], const bool (&on)[4]) {
  bool isClear = true;
#pragma unroll
  for (int j = 0; j < 4; j++) isClear = isClear && __float_as_uint(g[j]) == 0;
  if (on[0] || on[1] || on[2] || on[3]) {
    float p[4], m[4], v[4];
    get4(o.parameter, i, o.size, p);
    get4(o.m, i, o.size, m);
    get4(o.v, i, o.size, v);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (on[j]) update(o, limited(g[j], o.gradientLimit), p[j], m[j], v[j]);
    }
    put4(o.parameter, i, o.size, p);
    put4(o.m, i, o.size, m);
    put4(o.v, i, o.size, v);
  }
  const float zeros[4] = {};
  if (!isClear) put4(o.gradient, i, o.size, zeros);
}

/// Rows of 1, 2 or 4 elements, or all of them.
__device__ __forceinline__ void stepBlock(const Group& o, uint32_t begin) {
  constexpr int quads = UNIT / THREADS / 4;
  float g[quads][4];
#pragma unroll
  for (int k = 0; k < quads; k++) get4(o.gradient, begin + 4 * (k * THREADS + threadIdx.x), o.size, g[k]);
#pragma unroll
  for (int k = 0; k < quads; k++) {
    const uint32_t i = begin + 4 * (k * THREADS + threadIdx.x);
    if (i >= o.size) break;
    bool on[4];
    if (o.lazyWidth == 0) {
#pragma unroll
      for (int j = 0; j < 4; j++) on[j] = true;
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++) on[j] = limited(g[k][j], o.gradientLimit) != 0;
      if (o.lazyWidth >= 2) {
        on[0] = on[1] = on[0] || on[1];
        on[2] = on[3] = on[2] || on[3];
      }
      if (o.lazyWidth == 4) on[0] = on[1] = on[2] = on[3] = on[0] || on[2];
    }
#pragma unroll
    for (uint32_t j = 0; j < 4; j++) on[j] = on[j] && i + j >= o.first && i + j < o.last;
    step4(o, i, g[k], on);
  }
}

/// Whole rows of any length; `touched` has a flag for each.
__device__ __forceinline__ void stepRows(const Group& o, uint32_t begin, uint32_t* touched) {
  const uint32_t end = min(o.size, begin + o.unit);
  const uint32_t width = o.lazyWidth;
  for (uint32_t row = threadIdx.x; row < o.unit / width; row += THREADS) touched[row] = 0;
  __syncthreads();
  for (uint32_t i = begin + threadIdx.x; i < end; i += THREADS) {
    if (limited(o.gradient[i], o.gradientLimit) != 0) atomicOr(touched + (i - begin) / width, 1u);
  }
  __syncthreads();
  if (width % 4 == 0) {
    for (uint32_t i = begin + 4 * threadIdx.x; i < end; i += 4 * THREADS) {
      float g[4];
      get4(o.gradient, i, o.size, g);
      const bool isOn = touched[(i - begin) / width] && i >= o.first && i < o.last;
      const bool on[4] = {isOn, isOn, isOn, isOn};
      step4(o, i, g, on);
    }
    return;
  }
  for (uint32_t i = begin + threadIdx.x; i < end; i += THREADS) {
    const float g = o.gradient[i];
    if (touched[(i - begin) / width] && i >= o.first && i < o.last) {
      update(o, limited(g, o.gradientLimit), o.parameter[i], o.m[i], o.v[i]);
    }
    if (__float_as_uint(g) != 0) o.gradient[i] = 0;
  }
}

template <int N> __device__ __forceinline__ void stepGroups(const Groups<N>& groups) {
  // Rows of 3 are the most that fit.
  __shared__ uint32_t touched[UNIT / 3 + 1];
  int k = 0;
  uint32_t blocks = 0;
  if (N > 1) {
    while (blockIdx.x >= groups.group[k].blockEnd) blocks = groups.group[k++].blockEnd;
  }
  const Group& o = groups.group[k];
  const uint32_t begin = (blockIdx.x - blocks) * o.unit;
  if (o.lazyWidth == 0 || o.lazyWidth == 1 || o.lazyWidth == 2 || o.lazyWidth == 4) stepBlock(o, begin);
  else stepRows(o, begin, touched);
}

extern "C" __global__ void __launch_bounds__(THREADS) adamStep(const __grid_constant__ Groups<1> groups) {
  stepGroups(groups);
}

/// Unused groups at the end have no blocks.
extern "C" __global__ void __launch_bounds__(THREADS) adamStepAll(const __grid_constant__ Groups<32> groups) {
  stepGroups(groups);
}
