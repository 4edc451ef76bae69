import type { View } from '@clipgstream/camera'
import type { Tensor } from '@clipgstream/tensor'

/** The anchors that a camera may see: `indices[0 .. count)`, ascending. */
export interface VisibleAnchors {
  indices: Tensor<'u32'> // [N] capacity for all
  count: Tensor<'u32'> // [1]
}

export interface AnchorInputs {
  positions: Tensor<'f32'> // [N, 3] world units
  logScaling: Tensor<'f32'> // [N, 6] natural logarithm; exp of 0..2 spreads the offsets, of 3..5 sizes the Gaussians
}

/** How static and dynamic features become the decoders' input. */
export type FeatureCombination = 'concatenate' | 'add'

export interface DecodedAnchors {
  opacity: Tensor<'f32'> // [V, K] in (0, 1)
  cov: Tensor<'f32'> // [V, 7 K] per Gaussian 3 scale logits, then a quaternion w x y z, not normalised
  color: Tensor<'f32'> // [V, 3 K] RGB in (0, 1)
  offset: Tensor<'f32'> // [V, 3 K]
}

export interface Gaussians {
  means: Tensor<'f32'> // [V K, 3] world units
  quats: Tensor<'f32'> // [V K, 4] unit, w x y z
  scales: Tensor<'f32'> // [V K, 3] world units
  opacities: Tensor<'f32'> // [V K]
  colors: Tensor<'f32'> // [V K, 3]
  count: Tensor<'u32'> // [1] K times the visible anchors
}

export interface AnchorOperators {
  /** Projects anchors as Gaussians with scales exp(logScaling[0..2]) and keeps those whose 3-sigma square meets the image. */
  visible(anchors: AnchorInputs, view: View): VisibleAnchors
  /** Rows (x, y, z, t) of the field's input: ((a - min) / (max - min), time) of the visible anchors. // [N, 4] */
  fieldPoints(anchors: AnchorInputs, visible: VisibleAnchors, bounds: Bounds, time: number): Tensor<'f32'>
  /** staticFeatures // [N, Cs], dynamicFeatures // [N, Cd] rows of the visible; returns [N, Cs + Cd] or, added, [N, Cs] */
  combine(
    staticFeatures: Tensor<'f32'>,
    dynamicFeatures: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
  ): Tensor<'f32'>
  /** Adds to vStaticFeatures (null when frozen) // [N, Cs] and returns vDynamicFeatures // [N, Cd] */
  combineBackward(
    vFeatures: Tensor<'f32'>,
    visible: VisibleAnchors,
    how: FeatureCombination,
    widths: { static: number; dynamic: number },
    vStaticFeatures: Tensor<'f32'> | null,
  ): Tensor<'f32'>
  /** mean = a + offset S[0..2]; scale = S[3..5] sigmoid(cov[0..2]); quaternion normalised with norm at least 1e-12. */
  assemble(anchors: AnchorInputs, visible: VisibleAnchors, decoded: DecodedAnchors): Gaussians
  /** Adds to vLogScaling (null when frozen) // [N, 6]; returns gradients of what was decoded. */
  assembleBackward(
    anchors: AnchorInputs,
    visible: VisibleAnchors,
    decoded: DecodedAnchors,
    vGaussians: Omit<Gaussians, 'count'>,
    vLogScaling: Tensor<'f32'> | null,
  ): DecodedAnchors
}

/** Per-axis extremes of the anchors, world units. */
export interface Bounds {
  min: readonly [number, number, number]
  max: readonly [number, number, number]
}
