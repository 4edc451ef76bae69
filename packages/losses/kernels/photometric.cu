// L1 and SSIM of an image against bytes, and their gradient; the formula is in src/contract.ts.
//
// Images are rows of interleaved floats, 3 W columns; taps of one channel lie 3 columns apart. A block of 128 threads
// is a strip of 128 columns by `band` rows and goes down it row by row: a row with 15 columns on either side lies in
// shared memory (double buffered, the next one is under way in registers), each thread filters its column along x from
// there, and adds the result to the eleven output rows that it belongs to, whose sums it keeps in registers and shifts by
// one at every row. So nothing filtered is stored, and the next output row is finished with every row that is read.
// Forward keeps three maps of derivatives: of SSIM with respect to the windowed means of x, of x^2 and of x y; backward filters
// these (the window is symmetric, so it is its own transpose).
// Determinism: sums are single precision per column of a band, double precision per block, added in the order of the
// blocks, whose number depends on the image alone: equal bytes every time.
// Floor for n = 3 H W: forward reads 5 n bytes and writes 12 n, 35 us at 1920x1080 and 3 TB/s; backward moves 21 n, 44 us.
// Arithmetic: about 190 instructions a value forward (43 us at a full issue rate), 110 backward; 26 and 39 words of shared
// memory a value.
// Limits: 2^29 pixels.
#include "common.cuh"

constexpr int COLUMNS = 128;
constexpr int RADIUS = 5;
constexpr int HALO = 3 * RADIUS;
constexpr int ROW = COLUMNS + 2 * HALO;

constexpr float C1 = 0.0001f;
constexpr float C2 = 0.0009f;

/// The window, standard deviation 1.5, at a distance from its centre; the weights of all eleven taps have sum 1.
__device__ __forceinline__ constexpr float weightAt(int distance) {
  const int d = distance < 0 ? -distance : distance;
  return d == 0   ? 0.26601172486179436f
         : d == 1 ? 0.2130055377112537f
         : d == 2 ? 0.10936068950970002f
         : d == 3 ? 0.03600077212843083f
         : d == 4 ? 0.007598758135239185f
                  : 0.00102838008447911f;
}

/// The filter along y: what rows before added to the ten output rows that are not complete.
struct ColumnSums {
  float sums[2 * RADIUS] = {};

  /// Adds the next row, and returns the output RADIUS rows before it.
  __device__ __forceinline__ float add(float x) {
    const float complete = fmaf(weightAt(RADIUS), x, sums[0]);
#pragma unroll
    for (int k = 0; k < 2 * RADIUS - 1; k++) sums[k] = fmaf(weightAt(RADIUS - 1 - k), x, sums[k + 1]);
    sums[2 * RADIUS - 1] = weightAt(RADIUS) * x;
    return complete;
  }
};

/// byte / 255, correctly rounded.
__device__ __forceinline__ float unit(uint8_t byte) {
  const float b = byte, per255 = 1.0f / 255.0f;
  const float q = b * per255;
  return fmaf(fmaf(-q, 255.0f, b), per255, q);
}

/// What a block works on.
struct Tile {
  int columns, height, left, top, bottom;

  __device__ __forceinline__ Tile(uint32_t height, uint32_t width, uint32_t band)
      : columns(3 * width),
        height(height),
        left(blockIdx.x * COLUMNS),
        top(blockIdx.y * band),
        bottom(min(height, (blockIdx.y + 1) * band)) {}

  /// Whether the k-th column that this thread reads (k = 0, 1) lies in shared memory, and in the image.
  __device__ __forceinline__ bool reads(int k) const { return k == 0 || threadIdx.x < 2 * HALO; }
  __device__ __forceinline__ bool isImage(int k, int row) const {
    const int column = left - HALO + int(threadIdx.x) + k * COLUMNS;
    return reads(k) && row >= 0 && row < height && column >= 0 && column < columns;
  }
  __device__ __forceinline__ size_t placeOf(int k, int row) const {
    return size_t(row) * columns + (left - HALO + int(threadIdx.x) + k * COLUMNS);
  }
};

/// x and y of the columns of a row that this thread reads; zeros outside of the image.
__device__ __forceinline__ void fetch(
    const float* __restrict__ image, const uint8_t* __restrict__ target, const Tile& tile, int row, float2 (&to)[2]) {
#pragma unroll
  for (int k = 0; k < 2; k++) {
    to[k] = make_float2(0, 0);
    if (tile.isImage(k, row)) {
      const size_t at = tile.placeOf(k, row);
      to[k] = make_float2(__ldg(image + at), unit(__ldg(target + at)));
    }
  }
}

/// partials[block] // [2] sums of |x - y| and of SSIM; saved // [3, height, 3 width]. Grid: strips by bands.
extern "C" __global__ void __launch_bounds__(COLUMNS) measure(
    const float* __restrict__ image, const uint8_t* __restrict__ target, float* __restrict__ saved,
    double* __restrict__ partials, uint32_t height, uint32_t width, uint32_t band) {
  __shared__ float2 rows[2][ROW];
  __shared__ double warps[COLUMNS / 32];
  const Tile tile(height, width, band);
  const int column = tile.left + threadIdx.x;
  const bool isColumn = column < tile.columns;
  const size_t plane = size_t(tile.height) * tile.columns;
  ColumnSums meanX, meanY, meanSquares, meanProduct;
  float absolute = 0, similarity = 0;

  float2 next[2];
  fetch(image, target, tile, tile.top - RADIUS, next);
  const int end = tile.bottom + RADIUS;
  int buffer = 0;
  for (int row = tile.top - RADIUS; row < end; row++, buffer ^= 1) {
    // The buffer was last read two rows ago, and everybody has passed the barrier of the row between.
    rows[buffer][threadIdx.x] = next[0];
    if (tile.reads(1)) rows[buffer][threadIdx.x + COLUMNS] = next[1];
    __syncthreads();
    if (row + 1 < end) fetch(image, target, tile, row + 1, next);

    float x = 0, y = 0, squares = 0, product = 0;
    if (row >= 0 && row < tile.height) {
#pragma unroll
      for (int k = 0; k < 2 * RADIUS + 1; k++) {
        const float2 at = rows[buffer][threadIdx.x + 3 * k];
        const float w = weightAt(k - RADIUS);
        x = fmaf(w, at.x, x);
        y = fmaf(w, at.y, y);
        squares = fmaf(w, fmaf(at.x, at.x, at.y * at.y), squares);
        product = fmaf(w, at.x * at.y, product);
      }
      if (row >= tile.top && row < tile.bottom && isColumn) {
        const float2 here = rows[buffer][threadIdx.x + HALO];
        absolute += fabsf(here.x - here.y);
      }
    }
    const float mx = meanX.add(x);
    const float my = meanY.add(y);
    const float mSquares = meanSquares.add(squares);
    const float mProduct = meanProduct.add(product);
    if (row < tile.top + RADIUS || !isColumn) continue;

    const float mxmy = mx * my;
    const float means = fmaf(mx, mx, my * my);
    // Rounding must not make a variance negative; a NaN stays.
    const float difference = mSquares - means;
    const float variances = difference < 0 ? 0 : difference;
    const float perMeans = 1.0f / (means + C1);
    const float perVariances = 1.0f / (variances + C2);
    const float luminance = fmaf(2.0f, mxmy, C1) * perMeans;
    const float contrast = fmaf(2.0f, mProduct - mxmy, C2) * perVariances;
    const float ssim = luminance * contrast;
    similarity += ssim;

    const float vSquares = -ssim * perVariances;
    const float vProduct = 2.0f * luminance * perVariances;
    // d ssim / d mx = 2 my contrast / means - 2 mx ssim / means - my vProduct - 2 mx vSquares
    const float ofMy = 2.0f * contrast * perMeans - vProduct;
    const float ofMx = 2.0f * (ssim * perMeans + vSquares);
    float* to = saved + size_t(row - RADIUS) * tile.columns + column;
    to[0] = my * ofMy - mx * ofMx;
    to[plane] = vSquares;
    to[2 * plane] = vProduct;
  }

  const double absolutes = blockSum(double(absolute), warps);
  const double similarities = blockSum(double(similarity), warps);
  if (threadIdx.x == 0) {
    double* to = partials + 2 * size_t(blockIdx.y * gridDim.x + blockIdx.x);
    to[0] = absolutes;
    to[1] = similarities;
  }
}

/// terms = means of the partial sums. One block of 256 threads.
extern "C" __global__ void __launch_bounds__(256) finish(
    const double* __restrict__ partials, float* __restrict__ terms, uint32_t count, double values) {
  __shared__ double warps[8];
  double absolute = 0, similarity = 0;
  for (uint32_t i = threadIdx.x; i < count; i += 256) {
    absolute += partials[2 * i];
    similarity += partials[2 * i + 1];
  }
  absolute = blockSum(absolute, warps);
  similarity = blockSum(similarity, warps);
  if (threadIdx.x == 0) {
    terms[0] = float(absolute / values);
    terms[1] = float(similarity / values);
  }
}

/// vImage = perDifference sign(x - y) + perSimilarity d(sum of SSIM)/dx. Grid: strips by bands.
extern "C" __global__ void __launch_bounds__(COLUMNS) measureBackward(
    const float* __restrict__ image, const uint8_t* __restrict__ target, const float* __restrict__ saved,
    float* __restrict__ vImage, uint32_t height, uint32_t width, uint32_t band, float perDifference,
    float perSimilarity) {
  __shared__ float2 rows[2][ROW];
  __shared__ float products[2][ROW];
  const Tile tile(height, width, band);
  const int column = tile.left + threadIdx.x;
  const bool isColumn = column < tile.columns;
  const size_t plane = size_t(tile.height) * tile.columns;
  ColumnSums ofMean, ofSquares, ofProduct;

  float next[2][3];
  const auto fetchMaps = [&](int row) {
#pragma unroll
    for (int k = 0; k < 2; k++) {
      const bool is = tile.isImage(k, row);
#pragma unroll
      for (int map = 0; map < 3; map++) next[k][map] = is ? __ldg(saved + map * plane + tile.placeOf(k, row)) : 0;
    }
  };
  fetchMaps(tile.top - RADIUS);
  const int end = tile.bottom + RADIUS;
  int buffer = 0;
  for (int row = tile.top - RADIUS; row < end; row++, buffer ^= 1) {
    rows[buffer][threadIdx.x] = make_float2(next[0][0], next[0][1]);
    products[buffer][threadIdx.x] = next[0][2];
    if (tile.reads(1)) {
      rows[buffer][threadIdx.x + COLUMNS] = make_float2(next[1][0], next[1][1]);
      products[buffer][threadIdx.x + COLUMNS] = next[1][2];
    }
    __syncthreads();
    if (row + 1 < end) fetchMaps(row + 1);
    const bool isOutput = row >= tile.top + RADIUS && isColumn;
    const size_t here = isOutput ? size_t(row - RADIUS) * tile.columns + column : 0;
    const float x = isOutput ? __ldg(image + here) : 0;
    const float y = isOutput ? unit(__ldg(target + here)) : 0;

    float mean = 0, squares = 0, product = 0;
    if (row >= 0 && row < tile.height) {
#pragma unroll
      for (int k = 0; k < 2 * RADIUS + 1; k++) {
        const float2 at = rows[buffer][threadIdx.x + 3 * k];
        const float w = weightAt(k - RADIUS);
        mean = fmaf(w, at.x, mean);
        squares = fmaf(w, at.y, squares);
        product = fmaf(w, products[buffer][threadIdx.x + 3 * k], product);
      }
    }
    const float vMean = ofMean.add(mean);
    const float vSquares = ofSquares.add(squares);
    const float vProduct = ofProduct.add(product);
    if (!isOutput) continue;
    const float vSsim = vMean + fmaf(2.0f * x, vSquares, y * vProduct);
    const float sign = x > y ? perDifference : x < y ? -perDifference : 0;
    vImage[here] = fmaf(perSimilarity, vSsim, sign);
  }
}
