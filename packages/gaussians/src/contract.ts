import type { View } from '@clipgstream/camera'
import type { Tensor } from '@clipgstream/tensor'

export interface AnchorConfig {
  /** Anchors at this camera z or nearer are not visible; world units. */
  near: number
  /** Added to the diagonal of the 2D covariance, px^2. */
  dilation: number
}

/** Those of the original. */
export const defaultAnchorConfig: AnchorConfig = { near: 0.2, dilation: 0.3 }

/**
 * The anchors that a camera may see: `indices[0 .. count)`, ascending and without repetition. Tensors with a row per
 * visible anchor have as many rows, V, as `indices`; what they hold behind `count` is undefined.
 */
export interface VisibleAnchors {
  indices: Tensor<'u32'> // [V] capacity; `visible` makes it N
  count: Tensor<'u32'> // [1]
}

export interface AnchorInputs {
  positions: Tensor<'f32'> // [N, 3] world units
  logScaling: Tensor<'f32'> // [N, 6] natural logarithm; exp of 0..2 spreads the offsets, of 3..5 sizes the Gaussians
  /** [N, 4] w x y z, not normalised; only `visible` looks at it. Identity when left out. */
  rotations?: Tensor<'f32'>
}

/** How static and dynamic features become the decoders' input. */
export type FeatureCombination = 'concatenate' | 'add'

export interface DecodedAnchors {
  opacity: Tensor<'f32'> // [V, K] in (0, 1)
  cov: Tensor<'f32'> // [V, 7 K] per Gaussian 3 scale logits, then a quaternion w x y z, not normalised
  color: Tensor<'f32'> // [V, 3 K] RGB in (0, 1)
  offset: Tensor<'f32'> // [V, 3 K]
}

/** Rows of visible anchor n are n K .. n K + K. */
export interface Gaussians {
  means: Tensor<'f32'> // [V K, 3] world units
  quats: Tensor<'f32'> // [V K, 4] unit, w x y z
  scales: Tensor<'f32'> // [V K, 3] world units
  opacities: Tensor<'f32'> // [V K]
  colors: Tensor<'f32'> // [V K, 3]
  count: Tensor<'u32'> // [1] K times the visible anchors
}

/** Of the loss, with respect to Gaussians. */
export type GaussianGradients = Omit<Gaussians, 'count'>

/** What anchor growing and pruning decide by, accumulated over steps. */
export interface GrowthStatistics {
  visits: Tensor<'u32'> // [N] how often the anchor was visible
  opacitySums: Tensor<'f32'> // [N] sum over visits of the sum of its Gaussians' opacities
  counts: Tensor<'u32'> // [N, K] how often the Gaussian was drawn (radius > 0)
  maxGradients: Tensor<'f32'> // [N, K] largest norm of the gradient with respect to its mean in NDC
  maxMeans: Tensor<'f32'> // [N, K, 3] where it was then, world units
}

/**
 * What stands between anchors and the rasterizer.
 *
 *   visible(n)     z > near and the square of radius ceil(3 sqrt(lambda)) around p meets a 16x16 tile of the image, with
 *                  p = (fx x/z + cx - 1/2, fy y/z + cy - 1/2), lambda the larger eigenvalue of
 *                  J W diag(exp(logScaling[0..2])^2) W^T J^T + dilation, in px^2, the root of its discriminant at least
 *                  sqrt(0.1); J at x/z and y/z clamped to 1.3 times the half image: the test of Kerbl et al. 2023
 *   mean(n, k)     a_n + offset(n, k) S_n[0..2],    S_n = exp(logScaling_n)
 *   scale(n, k)    S_n[3..5] sigmoid(cov(n, k)[0..2])
 *   quat(n, k)     q / max(|q|, 1e-12),             q = cov(n, k)[3..6]
 *
 * Opacities and colours pass through: they are views of what was decoded, valid as long as that.
 *
 * Tolerances between devices: means, scales and their gradients 1e-5 relative (exp and sigmoid differ in the last bits),
 * quaternions 1e-6; visibility may differ for anchors whose square ends within 1e-3 px of a tile's edge. CUDA decides
 * about visibility by the very operations of wasm, so that there none differs.
 *
 * Errors: ShapeError, DTypeError, DisposedError and WrongDeviceError for tensors, ArgumentError for views and times, and
 * on wasm, where the list is known when the call is made, for a count or indices that do not fit. CUDA and WebGPU do not
 * look at the list: a count above its capacity counts as the capacity, and indices must be below the number of anchors.
 * No anchors and none visible are no errors.
 *
 * Floor: these operators move bytes. A Gaussian costs 80 forward and 120 backward, an anchor 36 in `visible` (52 with
 * rotations): for 100k anchors of 10, 24, 36 and 1 us at the 3.35 TB/s of an H100.
 */
export interface AnchorOperators {
  readonly config: AnchorConfig
  /**
   * Which anchors the view may show; no gradient. Of several views, // [views, 18] as `viewRows` makes them, those that any of
   * them may show; what such a tensor holds is not checked.
   */
  visible(anchors: AnchorInputs, views: View | Tensor<'f32'>): VisibleAnchors
  /**
   * Rows (x, y, z, t) of the field's input: ((a - min) / (max - min), time) of the visible anchors. Along an axis where
   * max = min it is 0. // [V, 4]
   * A time on the device, // [1], is not checked.
   */
  fieldPoints(
    anchors: AnchorInputs,
    visible: VisibleAnchors,
    bounds: Bounds,
    time: number | Tensor<'f32'>,
  ): Tensor<'f32'>
  /** staticFeatures // [N, Cs], dynamicFeatures // [V, Cd] rows of the visible; returns [V, Cs + Cd] or, added, [V, Cs] */
  combine(
    staticFeatures: Tensor<'f32'>,
    dynamicFeatures: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
  ): Tensor<'f32'>
  /** Adds to vStaticFeatures (null when frozen) // [N, Cs] and returns vDynamicFeatures // [V, Cd] */
  combineBackward(
    vFeatures: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
    widths: { static: number; dynamic: number },
    vStaticFeatures: Tensor<'f32'> | null,
  ): Tensor<'f32'>
  assemble(anchors: AnchorInputs, visible: VisibleAnchors, decoded: DecodedAnchors): Gaussians
  /**
   * Adds to vLogScaling (null when frozen) // [N, 6]; returns gradients of what was decoded, those of opacity and colour
   * as views of vGaussians.
   */
  assembleBackward(
    anchors: AnchorInputs,
    visible: VisibleAnchors,
    decoded: DecodedAnchors,
    vGaussians: GaussianGradients,
    vLogScaling: Tensor<'f32'> | null,
  ): DecodedAnchors
  /**
   * Adds `more` to vGaussians in the first `count` rows, // [1]: what several views want of the Gaussians that they share.
   * On wasm an ArgumentError for a count above G.
   */
  addGradients(vGaussians: GaussianGradients, more: GaussianGradients, count: Tensor<'u32'>): void
  /** Zeros for `anchors` anchors of `perAnchor` Gaussians. */
  createGrowthStatistics(anchors: number, perAnchor: number): GrowthStatistics
  /**
   * Adds one step to the statistics, without reading anything back. Gradients that are not finite count as 0.
   * radii // [V K] pixels, vMeans2d // [V K, 2] with respect to the means in normalised device coordinates
   */
  accumulateGrowth(
    statistics: GrowthStatistics,
    visible: VisibleAnchors,
    gaussians: Pick<Gaussians, 'means' | 'opacities'>,
    radii: Tensor<'i32'>,
    vMeans2d: Tensor<'f32'>,
  ): void
}

/** Per-axis extremes of the anchors, world units. */
export interface Bounds {
  min: readonly [number, number, number]
  max: readonly [number, number, number]
}
