// Adam (Kingma and Ba 2015) on f32 arrays; the formula is in src/contract.ts.
//
// One launch steps several parameters (groups), whose settings come with it in constant memory; rates lie on the device. A
// block is `unit` elements of one group; the host puts the group with most blocks first, where the search ends. Elements
// are independent, so the result has equal bytes every time. A thread takes fours of elements (16-byte accesses): of dense
// groups two, all eight of their loads before the first use; of rows of 4 that may be skipped four, gradients first, then the
// rest of those that are touched, two at a time. What lies at a border, and rows of 1 or 2, take a slower way. Blocks of longer
// or odd rows that may be skipped find touched ones first, with a flag a row in shared memory, and then step them.
// Moments are read and written past the caches: nothing needs them before the next step; a parameter with a copy in
// halves is written so, too. The copy comes out of the same registers.
// Floor: 32 bytes an element (parameter, gradient and two moments, read and written; 28 where the gradient is zero
// already), 85 us for 8 M elements at 3 TB/s; 4 bytes an element of skipped rows. Sectors have 32 bytes: where a tenth of
// rows of 4 is touched, a fifth of all sectors moves. A copy adds 2 bytes an element that is stepped.
// Limits: 2^30 elements a group.
#include "common.cuh"

constexpr uint32_t THREADS = 256;
/// Elements of a block, and fours of them a thread; of those that look for touched rows, as many whole rows as fit.
constexpr uint32_t UNIT = 2048;
constexpr int QUADS = 2;
/// The same where rows of 4 may be skipped.
constexpr int LAZY_QUADS = 4;

struct Group {
  float* parameter;
  float* gradient;
  float* m;
  float* v;
  /// learningRate / (1 - beta1^step), 1 / sqrt(1 - beta2^step)
  const float* rates;
  /// Null, or where parameters that were stepped go as well, rounded to nearest even; infinite beyond 65504.
  __half* copy;
  uint32_t size;
  /// First trained element and one past the last.
  uint32_t first, last;
  /// Elements of a row if rows may be skipped, else 0.
  uint32_t lazyWidth;
  uint32_t unit;
  /// Blocks of this group and of those before it.
  uint32_t blockEnd;
  float epsilon, beta1, rest1, beta2, rest2;
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

struct Rates {
  float stepSize, rootScale;
  __device__ __forceinline__ explicit Rates(const Group& o) : stepSize(__ldg(o.rates)), rootScale(__ldg(o.rates + 1)) {}
};

__device__ __forceinline__ void update(const Group& o, const Rates& r, float g, float& p, float& m, float& v) {
  m = normal(o.beta1 * m + o.rest1 * g);
  v = normal(o.beta2 * v + o.rest2 * (g * g));
  p -= r.stepSize * m / (sqrtf(v) * r.rootScale + o.epsilon);
}

/// Past the caches.
__device__ __forceinline__ float4 stream4(const float* p) { return __ldcs(reinterpret_cast<const float4*>(p)); }
__device__ __forceinline__ void streamOut4(float* p, float4 v) { __stcs(reinterpret_cast<float4*>(p), v); }

/// p[0..3]; 8-byte aligned.
__device__ __forceinline__ void storeHalves4(__half* p, float4 v) {
  const __half2 low = __floats2half2_rn(v.x, v.y), high = __floats2half2_rn(v.z, v.w);
  *reinterpret_cast<uint2*>(p) =
      make_uint2(*reinterpret_cast<const uint32_t*>(&low), *reinterpret_cast<const uint32_t*>(&high));
}

__device__ __forceinline__ bool isClear(float4 g) {
  return (__float_as_uint(g.x) | __float_as_uint(g.y) | __float_as_uint(g.z) | __float_as_uint(g.w)) == 0;
}

/// Four elements whose values are there, back to memory.
__device__ __forceinline__ void finish4(const Group& o, const Rates& r, uint32_t i, float4 g, float4 p, float4 m, float4 v) {
  const float limit = o.gradientLimit;
  update(o, r, limited(g.x, limit), p.x, m.x, v.x);
  update(o, r, limited(g.y, limit), p.y, m.y, v.y);
  update(o, r, limited(g.z, limit), p.z, m.z, v.z);
  update(o, r, limited(g.w, limit), p.w, m.w, v.w);
  if (o.copy) {
    streamOut4(o.parameter + i, p);
    storeHalves4(o.copy + i, p);
  } else {
    store4(o.parameter + i, p);
  }
  streamOut4(o.m + i, m);
  streamOut4(o.v + i, v);
}

/// A block of a dense group, all of it trained and inside.
__device__ __forceinline__ void stepWhole(const Group& o, const Rates& r, uint32_t begin) {
  const uint32_t first = begin + 4 * threadIdx.x;
  float4 g[QUADS], p[QUADS], m[QUADS], v[QUADS];
#pragma unroll
  for (int k = 0; k < QUADS; k++) {
    const uint32_t i = first + 4 * THREADS * k;
    g[k] = load4(o.gradient + i);
    p[k] = load4(o.parameter + i);
    m[k] = stream4(o.m + i);
    v[k] = stream4(o.v + i);
  }
#pragma unroll
  for (int k = 0; k < QUADS; k++) {
    const uint32_t i = first + 4 * THREADS * k;
    finish4(o, r, i, g[k], p[k], m[k], v[k]);
    if (!isClear(g[k])) store4(o.gradient + i, make_float4(0, 0, 0, 0));
  }
}

__device__ __forceinline__ bool isTouched(float4 g, float limit) {
  return limited(g.x, limit) != 0 || limited(g.y, limit) != 0 || limited(g.z, limit) != 0 || limited(g.w, limit) != 0;
}

/// A block of rows of 4 that may be skipped, all of it trained and inside.
__device__ __forceinline__ void stepWholeLazy(const Group& o, const Rates& r, uint32_t begin) {
  const uint32_t first = begin + 4 * threadIdx.x;
  float4 g[LAZY_QUADS];
#pragma unroll
  for (int k = 0; k < LAZY_QUADS; k++) g[k] = load4(o.gradient + first + 4 * THREADS * k);
#pragma unroll
  for (int pair = 0; pair < LAZY_QUADS; pair += 2) {
    float4 p[2], m[2], v[2];
    bool on[2];
#pragma unroll
    for (int k = 0; k < 2; k++) {
      const uint32_t i = first + 4 * THREADS * (pair + k);
      on[k] = isTouched(g[pair + k], o.gradientLimit);
      p[k] = m[k] = v[k] = make_float4(0, 0, 0, 0);
      if (on[k]) {
        p[k] = load4(o.parameter + i);
        m[k] = stream4(o.m + i);
        v[k] = stream4(o.v + i);
      }
    }
#pragma unroll
    for (int k = 0; k < 2; k++) {
      const uint32_t i = first + 4 * THREADS * (pair + k);
      if (on[k]) finish4(o, r, i, g[pair + k], p[k], m[k], v[k]);
      if (!isClear(g[pair + k])) store4(o.gradient + i, make_float4(0, 0, 0, 0));
    }
  }
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
__device__ __forceinline__ void step4(
    const Group& o, const Rates& r, uint32_t i, float (&g)[4], const bool (&on)[4]) {
  bool clear = true;
#pragma unroll
  for (int j = 0; j < 4; j++) clear = clear && __float_as_uint(g[j]) == 0;
  if (on[0] || on[1] || on[2] || on[3]) {
    float p[4], m[4], v[4];
    get4(o.parameter, i, o.size, p);
    get4(o.m, i, o.size, m);
    get4(o.v, i, o.size, v);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (on[j]) update(o, r, limited(g[j], o.gradientLimit), p[j], m[j], v[j]);
    }
    put4(o.parameter, i, o.size, p);
    put4(o.m, i, o.size, m);
    put4(o.v, i, o.size, v);
    if (o.copy) {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (on[j]) o.copy[i + j] = __float2half_rn(p[j]);
      }
    }
  }
  const float zeros[4] = {};
  if (!clear) put4(o.gradient, i, o.size, zeros);
}

/// Rows of 1, 2 or 4 elements, or all of them, with borders anywhere.
__device__ __forceinline__ void stepBlock(const Group& o, const Rates& r, uint32_t begin) {
  const uint32_t end = min(o.size, begin + o.unit);
  for (uint32_t i = begin + 4 * threadIdx.x; i < end; i += 4 * THREADS) {
    float g[4];
    get4(o.gradient, i, o.size, g);
    bool on[4];
    if (o.lazyWidth == 0) {
#pragma unroll
      for (int j = 0; j < 4; j++) on[j] = true;
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++) on[j] = limited(g[j], o.gradientLimit) != 0;
      if (o.lazyWidth >= 2) {
        on[0] = on[1] = on[0] || on[1];
        on[2] = on[3] = on[2] || on[3];
      }
      if (o.lazyWidth == 4) on[0] = on[1] = on[2] = on[3] = on[0] || on[2];
    }
#pragma unroll
    for (uint32_t j = 0; j < 4; j++) on[j] = on[j] && i + j >= o.first && i + j < o.last;
    step4(o, r, i, g, on);
  }
}

/// Whole rows of any length; `touched` has a flag for each.
__device__ __forceinline__ void stepRows(const Group& o, const Rates& r, uint32_t begin, uint32_t* touched) {
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
      step4(o, r, i, g, on);
    }
    return;
  }
  for (uint32_t i = begin + threadIdx.x; i < end; i += THREADS) {
    const float g = o.gradient[i];
    if (touched[(i - begin) / width] && i >= o.first && i < o.last) {
      update(o, r, limited(g, o.gradientLimit), o.parameter[i], o.m[i], o.v[i]);
      if (o.copy) o.copy[i] = __float2half_rn(o.parameter[i]);
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
  const Rates r(o);
  const bool isWhole = begin >= o.first && begin + o.unit <= o.last;
  if (o.lazyWidth == 0 && isWhole) stepWhole(o, r, begin);
  else if (o.lazyWidth == 4 && isWhole) stepWholeLazy(o, r, begin);
  else if (o.lazyWidth <= 2 || o.lazyWidth == 4) stepBlock(o, r, begin);
  else stepRows(o, r, begin, touched);
}

// Four blocks a multiprocessor, 64 registers: a kernel that waits for memory wants them all.
extern "C" __global__ void __launch_bounds__(THREADS, 4) adamStep(const __grid_constant__ Groups<1> groups) {
  stepGroups(groups);
}

/// Unused groups at the end have no blocks.
extern "C" __global__ void __launch_bounds__(THREADS, 4) adamStepAll(const __grid_constant__ Groups<32> groups) {
  stepGroups(groups);
}
