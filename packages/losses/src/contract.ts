import type { Tensor } from '@clipgstream/tensor'

/** What `forward` measured and what `backward` needs. */
export interface PhotometricResult {
  /** [2]: mean absolute difference, and SSIM. NaN when a value of the image is NaN. */
  terms: Tensor<'f32'>
  /** Of the scope that was open at `forward`, like `terms`. */
  saved: readonly Tensor[]
}

/** The loss is `l1 L1 + dssim (1 - SSIM)`. */
export interface PhotometricWeights {
  l1: number
  dssim: number
}

/**
 * L1 over all values, and SSIM with an 11x11 Gaussian window (standard deviation 1.5), zero padding of 5, per channel,
 * C1 = 0.01^2, C2 = 0.03^2, mean over pixels and channels (Wang et al. 2004):
 *
 *     SSIM(x, y) = (2 mx my + C1) (2 sxy + C2) / ((mx^2 + my^2 + C1) (sx^2 + sy^2 + C2))
 *
 * with windowed means m, variances E[x^2] - E[x]^2 and the covariance. Images of any size from 1x1 on; inside the window,
 * zeros stand for what lies outside of both images.
 *
 * Tolerance against float64, for images in [0, 1]: 2e-6 for the terms; the gradient times 3HW (which makes it of the
 * order of 1 to 1/C2) 3e-4 + 1e-3 relative, because variances are small differences in single precision.
 */
export interface PhotometricLoss {
  /** image // [H, W, 3] not clamped; target // [H, W, 3] sRGB bytes, read as value / 255 */
  forward(image: Tensor<'f32'>, target: Tensor<'u8'>): PhotometricResult
  /** `image` and `target` as at `forward`. Returns vImage // [H, W, 3]; the derivative of |0| is 0. */
  backward(
    image: Tensor<'f32'>,
    target: Tensor<'u8'>,
    result: PhotometricResult,
    weights: PhotometricWeights,
  ): Tensor<'f32'>
}

/** Mean over Gaussians of the product of their three scales. A count beyond G means G. Tolerance 1e-6 relative. */
export interface VolumeLoss {
  /** scales // [G, 3]; count // [1] rows in use. Returns [1]; 0 when there are none. */
  forward(scales: Tensor<'f32'>, count: Tensor<'u32'>): Tensor<'f32'>
  /** Adds weight times the gradient to vScales // [G, 3]; rows behind `count` are left alone. */
  backward(scales: Tensor<'f32'>, count: Tensor<'u32'>, weight: number, vScales: Tensor<'f32'>): void
}

/**
 * out = M (r, g, b, 1): the colour of one camera against the common one. Start with {@link identityAffines}.
 * A camera on the device, // [1], is read when the kernels run and not checked; one above the last counts as the last.
 * Tolerance 1e-6 + 1e-6 relative per pixel and for centred matrices; 1e-5 of the sum of magnitudes for vMatrices.
 */
export interface ColorAffine {
  /** image // [H, W, 3]; matrices // [cameras, 3, 4]; camera is an index into them. Returns [H, W, 3] */
  forward(image: Tensor<'f32'>, matrices: Tensor<'f32'>, camera: number | Tensor<'u32'>): Tensor<'f32'>
  /** Adds to vMatrices // [cameras, 3, 4] at `camera`; returns vImage // [H, W, 3] */
  backward(
    image: Tensor<'f32'>,
    matrices: Tensor<'f32'>,
    camera: number | Tensor<'u32'>,
    vOut: Tensor<'f32'>,
    vMatrices: Tensor<'f32'>,
  ): Tensor<'f32'>
  /**
   * Shifts all matrices // [cameras, 3, 4] alike so that their mean is [I | 0]: scene and cameras can exchange a colour of
   * all cameras without a change of any photograph, and this fixes which is which. The scene then has the colours of the
   * mean camera, the best guess for a camera that was not trained on.
   */
  centre(matrices: Tensor<'f32'>): void
}
