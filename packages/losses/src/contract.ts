import type { Tensor } from '@clipgstream/tensor'

/** What `forward` measured and what `backward` needs. */
export interface PhotometricResult {
  /** [2]: mean absolute difference, and SSIM. */
  terms: Tensor<'f32'>
  saved: readonly Tensor[]
}

/**
 * L1 over all values, and SSIM with an 11x11 Gaussian window (standard deviation 1.5), zero padding of 5, per channel,
 * C1 = 0.01^2, C2 = 0.03^2, mean over pixels and channels (Wang et al. 2004).
 */
export interface PhotometricLoss {
  /** image // [H, W, 3] not clamped; target // [H, W, 3] sRGB bytes, read as value / 255 */
  forward(image: Tensor<'f32'>, target: Tensor<'u8'>): PhotometricResult
  /** Gradient of weights.l1 L1 + weights.dssim (1 - SSIM). Returns vImage // [H, W, 3] */
  backward(
    image: Tensor<'f32'>,
    target: Tensor<'u8'>,
    result: PhotometricResult,
    weights: { l1: number; dssim: number },
  ): Tensor<'f32'>
}

/** Mean over Gaussians of the product of their three scales. */
export interface VolumeLoss {
  /** scales // [G, 3]; count // [1] rows in use. Returns [1]; 0 when there are none. */
  forward(scales: Tensor<'f32'>, count: Tensor<'u32'>): Tensor<'f32'>
  /** Adds weight times the gradient to vScales // [G, 3] */
  backward(scales: Tensor<'f32'>, count: Tensor<'u32'>, weight: number, vScales: Tensor<'f32'>): void
}

/** out = M (r, g, b, 1): the colour of one camera against the common one. */
export interface ColorAffine {
  /** image // [H, W, 3]; matrices // [cameras, 3, 4]. Returns [H, W, 3] */
  forward(image: Tensor<'f32'>, matrices: Tensor<'f32'>, camera: number): Tensor<'f32'>
  /** Adds to vMatrices // [cameras, 3, 4]; returns vImage // [H, W, 3] */
  backward(
    image: Tensor<'f32'>,
    matrices: Tensor<'f32'>,
    camera: number,
    vOut: Tensor<'f32'>,
    vMatrices: Tensor<'f32'>,
  ): Tensor<'f32'>
}
