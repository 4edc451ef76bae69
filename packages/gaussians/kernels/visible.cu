// Which anchors a pinhole view may show, as an ascending list.
//
// An anchor is a Gaussian with scales exp(logScaling[0..2]); it is visible when it lies behind the near plane and the
// square of its three-sigma radius meets a tile of the image, of one view of several. `markVisible`: a thread has an anchor; a warp writes a word
// of flags, a block how many it found. `listVisible`: a block adds up the counts before its own and lists its anchors. No
// atomics. Arithmetic is that of the wasm kernel, operation by operation and each rounded once (`Rounded` keeps the
// compiler from fusing), so that both keep the same anchors, those at the edge of a tile too. NaN anywhere makes an
// anchor invisible. Floor: 36 bytes an anchor (52 with rotations), 4 for each that is visible.
// Limits: the sum of counts is quadratic in blocks of 512, 4 MB of cached reads for a million anchors.
#include "common.cuh"

namespace {

constexpr int blockSize = 512;
constexpr int warps = blockSize / 32;

/** A float whose operations are rounded one by one. */
struct Rounded {
  float value;
  __device__ Rounded(float value = 0) : value(value) {}
};

__device__ Rounded operator+(Rounded a, Rounded b) { return __fadd_rn(a.value, b.value); }
__device__ Rounded operator-(Rounded a, Rounded b) { return __fsub_rn(a.value, b.value); }
__device__ Rounded operator*(Rounded a, Rounded b) { return __fmul_rn(a.value, b.value); }
__device__ Rounded operator/(Rounded a, Rounded b) { return __fdiv_rn(a.value, b.value); }
__device__ Rounded operator-(Rounded a) { return -a.value; }
__device__ Rounded root(Rounded a) { return __fsqrt_rn(a.value); }

/** Unlike fminf and fmaxf, NaN if either is. */
__device__ Rounded lower(Rounded a, Rounded b) {
  return a.value != a.value ? a : b.value != b.value ? b : Rounded(fminf(a.value, b.value));
}
__device__ Rounded upper(Rounded a, Rounded b) {
  return a.value != a.value ? a : b.value != b.value ? b : Rounded(fmaxf(a.value, b.value));
}

/** exp4 of the wasm kernels, one lane of it. */
__device__ Rounded exponential(float x) {
  const float high = 88.72283172607422f, low = -87.33654022216797f;
  if (x != x) return x;
  if (x > high) return __uint_as_float(0x7f800000u);
  if (x < low) return 0.0f;
  const Rounded n = rintf(__fmul_rn(x, 1.44269504088896341f));
  Rounded r = Rounded(x) - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Rounded p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = r * r * p + r + 1.0f;
  const int k = static_cast<int>(n.value), half = k >> 1;
  return p * __int_as_float((half + 127) << 23) * __int_as_float((k - half + 127) << 23);
}

/** A row of `viewRows`. */
struct View {
  float r00, r01, r02, tx;
  float r10, r11, r12, ty;
  float r20, r21, r22, tz;
  float fx, fy, cx, cy, width, height;
};

__device__ Rounded tileOf(Rounded coordinate, Rounded tiles) {
  return lower(tiles, upper(0.0f, floorf((coordinate / 16.0f).value)));
}

__device__ bool isVisible(
    const float* positions, const float* logScaling, const float* rotations, uint32_t i, const View& view,
    float near, float dilation) {
  const Rounded r00 = view.r00, r01 = view.r01, r02 = view.r02, r10 = view.r10, r11 = view.r11, r12 = view.r12;
  const Rounded r20 = view.r20, r21 = view.r21, r22 = view.r22;
  const Rounded fx = view.fx, fy = view.fy, width = view.width, height = view.height;
  const Rounded limitX = Rounded(1.3f) * width / (Rounded(2.0f) * fx);
  const Rounded limitY = Rounded(1.3f) * height / (Rounded(2.0f) * fy);
  const Rounded tilesX = floorf(((width + 16.0f - 1.0f) / 16.0f).value);
  const Rounded tilesY = floorf(((height + 16.0f - 1.0f) / 16.0f).value);

  const float* p = positions + static_cast<size_t>(i) * 3;
  const Rounded px = p[0], py = p[1], pz = p[2];
  const Rounded z = r20 * px + r21 * py + r22 * pz + view.tz;
  if (!(z.value > near)) return false;
  const Rounded inverse = Rounded(1.0f) / z;
  const Rounded u = (r00 * px + r01 * py + r02 * pz + view.tx) * inverse;
  const Rounded v = (r10 * px + r11 * py + r12 * pz + view.ty) * inverse;

  // Rows of J W, then their product with the anchor's rotation.
  const Rounded jx = fx * inverse, jy = fy * inverse;
  const Rounded kx = -jx * lower(limitX, upper(-limitX, u));
  const Rounded ky = -jy * lower(limitY, upper(-limitY, v));
  Rounded a0 = jx * r00 + kx * r20, a1 = jx * r01 + kx * r21, a2 = jx * r02 + kx * r22;
  Rounded b0 = jy * r10 + ky * r20, b1 = jy * r11 + ky * r21, b2 = jy * r12 + ky * r22;
  if (rotations) {
    const float4 q = load4(rotations + static_cast<size_t>(i) * 4);
    const Rounded qw = q.x, qx = q.y, qy = q.z, qz = q.w;
    const Rounded norm = upper(root(qw * qw + qx * qx + qy * qy + qz * qz), 1e-12f);
    const Rounded w = qw / norm, x = qx / norm, y = qy / norm, zq = qz / norm;
    const Rounded one = 1.0f, two = 2.0f;
    const Rounded m00 = one - two * (y * y + zq * zq), m01 = two * (x * y - w * zq), m02 = two * (x * zq + w * y);
    const Rounded m10 = two * (x * y + w * zq), m11 = one - two * (x * x + zq * zq), m12 = two * (y * zq - w * x);
    const Rounded m20 = two * (x * zq - w * y), m21 = two * (y * zq + w * x), m22 = one - two * (x * x + y * y);
    const Rounded c0 = a0 * m00 + a1 * m10 + a2 * m20;
    const Rounded c1 = a0 * m01 + a1 * m11 + a2 * m21;
    const Rounded c2 = a0 * m02 + a1 * m12 + a2 * m22;
    const Rounded d0 = b0 * m00 + b1 * m10 + b2 * m20;
    const Rounded d1 = b0 * m01 + b1 * m11 + b2 * m21;
    const Rounded d2 = b0 * m02 + b1 * m12 + b2 * m22;
    a0 = c0, a1 = c1, a2 = c2;
    b0 = d0, b1 = d1, b2 = d2;
  }
  const float* scaling = logScaling + static_cast<size_t>(i) * 6;
  const Rounded s0 = exponential(scaling[0]), s1 = exponential(scaling[1]), s2 = exponential(scaling[2]);
  a0 = a0 * s0, a1 = a1 * s1, a2 = a2 * s2;
  b0 = b0 * s0, b1 = b1 * s1, b2 = b2 * s2;
  const Rounded a = a0 * a0 + a1 * a1 + a2 * a2 + dilation;
  const Rounded b = a0 * b0 + a1 * b1 + a2 * b2;
  const Rounded c = b0 * b0 + b1 * b1 + b2 * b2 + dilation;
  // half^2 + b^2 is mid^2 - det without the cancellation, which long needles do not survive.
  const Rounded half = Rounded(0.5f) * (a - c);
  const Rounded lambda = Rounded(0.5f) * (a + c) + root(upper(0.1f, half * half + b * b));
  const Rounded radius = ceilf((Rounded(3.0f) * root(lambda)).value);

  const Rounded x = fx * u + view.cx - 0.5f;
  const Rounded y = fy * v + view.cy - 0.5f;
  const Rounded left = tileOf(x - radius, tilesX), right = tileOf(x + radius + 16.0f - 1.0f, tilesX);
  const Rounded top = tileOf(y - radius, tilesY), bottom = tileOf(y + radius + 16.0f - 1.0f, tilesY);
  return right.value > left.value && bottom.value > top.value;
}

}  // namespace

/** flags[w] = bits of those that any view shows among anchors 32 w ..., counts[block] = visible anchors of the block. */
extern "C" __global__ void __launch_bounds__(512) markVisible(
    const float* __restrict__ positions, const float* __restrict__ logScaling, const float* __restrict__ rotations,
    uint32_t* __restrict__ flags, uint32_t* __restrict__ counts, uint32_t n, const View* __restrict__ views,
    uint32_t viewCount, float near, float dilation) {
  __shared__ uint32_t sums[32];
  const uint32_t i = threadIndex();
  bool visible = false;
  for (uint32_t v = 0; v < viewCount && i < n && !visible; v++) {
    visible = isVisible(positions, logScaling, rotations, i, views[v], near, dilation);
  }
  const uint32_t word = __ballot_sync(FULL_WARP, visible);
  if (lane() == 0) flags[warpIndex()] = word;
  const uint32_t found = blockSum(visible ? 1u : 0u, sums);
  if (threadIdx.x == 0) counts[blockIdx.x] = found;
}

/** Lists what is flagged; blocks are those of `markVisible`, or one where there are none. */
extern "C" __global__ void __launch_bounds__(512) listVisible(
    const uint32_t* __restrict__ flags, const uint32_t* __restrict__ counts, uint32_t blocks,
    uint32_t* __restrict__ indices, uint32_t* __restrict__ count) {
  __shared__ uint32_t sums[32];
  __shared__ uint32_t starts[warps + 1];
  uint32_t before = 0;
  for (uint32_t other = threadIdx.x; other < blockIdx.x; other += blockSize) before += counts[other];
  before = blockSum(before, sums);
  const uint32_t word = blockIdx.x < blocks ? flags[warpIndex()] : 0;
  if (lane() == 0) starts[warpOfBlock() + 1] = __popc(word);
  __syncthreads();
  if (threadIdx.x == 0) {
    starts[0] = before;
    for (int warp = 0; warp < warps; warp++) starts[warp + 1] += starts[warp];
    if (blockIdx.x + 1 == gridDim.x) *count = starts[warps];
  }
  __syncthreads();
  const uint32_t place = starts[warpOfBlock()] + __popc(word & ((1u << lane()) - 1u));
  if (word >> lane() & 1u) indices[place] = threadIndex();
}
