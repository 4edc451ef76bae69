import type { View } from '@clipgstream/camera'
import type { Device, Tensor } from '@clipgstream/tensor'

export interface RasterizerConfig {
  /** Gaussians at this camera depth or nearer are culled; world units. */
  near: number
  /** Added to the diagonal of the 2D covariance, px^2. Opacity is not compensated for it. */
  dilation: number
  /** Upper bound of a Gaussian's alpha. */
  alphaMax: number
  /** Contributions below are skipped. */
  alphaMin: number
  /** A pixel is finished when its transmittance would fall below; the Gaussian that would do so is not added. */
  transmittanceMin: number
  /**
   * Where a Gaussian can contribute: `exact` wherever its alpha reaches alphaMin; `three-sigma` only in 16x16 tiles that
   * meet the square of radius ceil(3 sqrt(largest eigenvalue)), as the original's rasterizer.
   */
  extent: 'exact' | 'three-sigma'
}

/** Rows with a value that is not finite are culled. */
export interface RasterInputs {
  means: Tensor<'f32'> // [G, 3] world units
  quats: Tensor<'f32'> // [G, 4] w x y z; not normalised here
  scales: Tensor<'f32'> // [G, 3] world units, standard deviations
  opacities: Tensor<'f32'> // [G] in [0, 1]
  colors: Tensor<'f32'> // [G, 3]
  /** [1] Gaussians in use; all when left out. */
  count?: Tensor<'u32'>
}

export interface RasterResult {
  image: Tensor<'f32'> // [H, W, 3] not clamped
  alpha: Tensor<'f32'> // [H, W] 1 - final transmittance
  depth: Tensor<'f32'> // [H, W] sum of weight times camera z; divide by alpha for the expected depth
  radii: Tensor<'i32'> // [G] pixels, 0 where culled
  /** What `backward` needs; tensors of the scope that was open at `forward`. */
  saved: readonly Tensor[]
}

/** Gradients of the loss with respect to what `forward` returned. */
export interface RasterOutputGradients {
  vImage: Tensor<'f32'> // [H, W, 3]
  vAlpha?: Tensor<'f32'> // [H, W] zero when left out
  vDepth?: Tensor<'f32'> // [H, W] zero when left out
}

export interface RasterGradients {
  vMeans: Tensor<'f32'> // [G, 3]
  vQuats: Tensor<'f32'> // [G, 4]
  vScales: Tensor<'f32'> // [G, 3]
  vOpacities: Tensor<'f32'> // [G]
  vColors: Tensor<'f32'> // [G, 3]
  /** [G, 2] with respect to the projected mean in normalised device coordinates (pixels / (size / 2)), for densification. */
  vMeans2d: Tensor<'f32'>
}

/** RGB behind everything. */
export type Background = readonly [number, number, number]

/** Draws views of Gaussians that stay as they are, again and again, into the same image. No gradients. */
export interface Canvas extends Disposable {
  /** [H, W, 3] what the last `draw` drew; not clamped. It belongs to the canvas. */
  readonly image: Tensor<'f32'>
  /** Enqueues the drawing of `view`, which has the size of the canvas. The image is that of `forward`. */
  draw(view: View): void
}

/**
 * Splats anisotropic 3D Gaussians front to back (Kerbl et al. 2023; projection after Zwicker et al. 2002).
 *
 * Per Gaussian, with (x, y, z) = R mean + t, z > near:
 *   (u, v) = (fx x/z + cx, fy y/z + cy)
 *   cov = J R Q diag(scales^2) Q^T R^T J^T + dilation I, Q the rotation of the quaternion as given,
 *   J = [[fx/z, 0, -fx x'/z^2], [0, fy/z, -fy y'/z^2]], x'/z = x/z clamped to +-1.3 W/(2 fx), y' alike
 *   radius = ceil(3 sqrt(m + sqrt(max(0.1, m^2 - det cov)))), m = trace cov / 2
 * Per pixel with centre p, in ascending order of z (ties: of index), from T = 1:
 *   alpha = min(alphaMax, opacity exp(-(p - (u, v))^T cov^-1 (p - (u, v)) / 2)), skipped below alphaMin
 *   stop when T (1 - alpha) < transmittanceMin
 *   image += alpha T color; depth += alpha T z; T *= 1 - alpha
 * and finally image += T background, alpha = 1 - T.
 *
 * Culled (radius 0, zero gradients): z <= near or z >= 1e20, not finite, a radius of 2^31 or more, a singular covariance; with extent
 * `exact` also opacity < alphaMin, or no pixel centre of the image in the box around the ellipse where alpha reaches
 * alphaMin; with `three-sigma` a square that meets no tile.
 *
 * Gradients are those of the formula: none flows through an alpha at alphaMax nor through a clamped x'/z to x, and
 * the thresholds are constants. (The original's rasterizer lets the first pass and keeps a different z term in
 * the second.)
 *
 * Devices agree within 2e-5 + 1e-4 relative in image and alpha, ten times that in depth, and 2e-5 of the largest gradient of a
 * kind + 1e-3 relative: f32 sums of hundreds of terms in different orders. Where alpha is within rounding of alphaMin, or
 * T (1 - alpha) of transmittanceMin, one may add a Gaussian that another skips: at most one value in a thousand (two of
 * gradients) may differ for that, by less than 0.05. Radii may differ by 1 as often.
 *
 * Results are whole whenever they are read. A backend that cannot wait for the number of its (Gaussian, tile) pairs, and
 * made too little room for them, draws in a slower way that needs none: it neither drops pairs nor asks to be called again.
 */
export interface Rasterizer {
  readonly device: Device
  readonly config: RasterizerConfig
  /** The background is black when left out. */
  forward(inputs: RasterInputs, view: View, background?: Background): RasterResult
  /** `inputs`, `view` and `background` as they were at `forward`. Gradients of rows behind `count`, and of culled Gaussians, are zero. */
  backward(
    inputs: RasterInputs,
    view: View,
    result: RasterResult,
    vOutputs: RasterOutputGradients,
    background?: Background,
  ): RasterGradients
  /**
   * A canvas, from backends that draw faster when they know that nothing but the view changes. `inputs` must outlive it.
   * Its tensors belong to the scope that is open now.
   */
  createCanvas?(inputs: RasterInputs, size: { width: number; height: number }, background?: Background): Canvas
}

/** Every backend package exports one, by the name `createRasterizer`. Options that are left out have their defaults. */
export type RasterizerFactory = (device: Device, config?: Partial<RasterizerConfig>) => Promise<Rasterizer>
