// Where things lie: the parameter block, the record of a projected Gaussian, the gradient record of a (Gaussian, tile)
// pair. Byte offsets. The binding in src/layout.ts writes the same parameter block.

/** Pixels a side of a tile. */
export const tileSize: i32 = 16
/** Gaussians a chunk of the per-Gaussian kernels. */
export const gaussiansPerChunk: i32 = 512

// Parameters, f64.
export const P_WORLD_TO_CAMERA: usize = 0 // 12 values
export const P_FX: usize = 96
export const P_FY: usize = 104
export const P_CX: usize = 112
export const P_CY: usize = 120
export const P_WIDTH: usize = 128
export const P_HEIGHT: usize = 136
export const P_NEAR: usize = 144
export const P_DILATION: usize = 152
export const P_ALPHA_MAX: usize = 160
export const P_ALPHA_MIN: usize = 168
export const P_TRANSMITTANCE_MIN: usize = 176
export const P_THREE_SIGMA: usize = 184 // 0 or 1
export const P_BACKGROUND: usize = 192 // 3 values

// Record of a projected Gaussian: one cache line, f32. Pixel (0, 0) has its centre at (0, 0) here.
//
// For e = pixel - mean the falloff is 2^-q with q = (l11 ex + l21 ey)^2 + (l22 ey)^2: the Cholesky factor of the inverse
// covariance times log2(e) / 2. It is never negative and loses nothing for long thin splats.
export const recordBytes: usize = 64
export const X: usize = 0
export const Y: usize = 4
export const L11: usize = 8
export const L21: usize = 12
export const L22: usize = 16
/** log2(opacity / alphaMin): where q is more, alpha is below alphaMin. */
export const REACH: usize = 20
export const OPACITY: usize = 24
export const RED: usize = 28
export const GREEN: usize = 32
export const BLUE: usize = 36
export const DEPTH: usize = 40
/** Half sides of the box around the ellipse of alphaMin, a little enlarged. */
export const HALF_X: usize = 44
export const HALF_Y: usize = 48
/** ey of the rightmost point of that ellipse. */
export const SKEW: usize = 52
/** Half side of the square that bounds the tiles; large where nothing does. */
export const SQUARE: usize = 56
/** u32: number of the first (Gaussian, tile) pair. */
export const PAIR: usize = 60

// Gradients of one (Gaussian, tile) pair, f32: sums over its pixels of w = dL/dalpha alpha times 1, ex, ey, ex^2, ex ey,
// ey^2, then of dL/d(red, green, blue, depth), then padding.
export const gradientBytes: usize = 48

/** Address of record `index`. */
@inline
export function record(records: usize, index: u32): usize {
  return records + ((index as usize) << 6)
}
