import type { View } from '@clipgstream/camera'
import type { Device, Tensor } from '@clipgstream/tensor'

export interface RasterizerConfig {
  /** Nearer Gaussians are culled; world units. */
  near: number
  /** Added to the diagonal of the 2D covariance, px^2. */
  dilation: number
  /** Upper bound of a Gaussian's alpha. */
  alphaMax: number
  /** Contributions below are skipped. */
  alphaMin: number
  /** A pixel is finished when its transmittance would fall below. */
  transmittanceMin: number
  /**
   * Where a Gaussian can contribute: `exact` wherever its alpha reaches alphaMin; `three-sigma` only in 16x16 tiles that
   * meet the square of radius ceil(3 sqrt(largest eigenvalue)), as the original's rasterizer.
   */
  extent: 'exact' | 'three-sigma'
}

export interface RasterInputs {
  means: Tensor<'f32'> // [G, 3] world units
  quats: Tensor<'f32'> // [G, 4] w x y z; not normalised here
  scales: Tensor<'f32'> // [G, 3] world units
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

export interface RasterGradients {
  vMeans: Tensor<'f32'> // [G, 3]
  vQuats: Tensor<'f32'> // [G, 4]
  vScales: Tensor<'f32'> // [G, 3]
  vOpacities: Tensor<'f32'> // [G]
  vColors: Tensor<'f32'> // [G, 3]
  /** [G, 2] with respect to the projected mean in normalised device coordinates, for densification. */
  vMeans2d: Tensor<'f32'>
}

export interface Rasterizer {
  readonly device: Device
  readonly config: RasterizerConfig
  /** background is the RGB behind everything. */
  forward(inputs: RasterInputs, view: View, background?: readonly [number, number, number]): RasterResult
  /** Gradients of rows behind `count`, and of culled Gaussians, are zero. */
  backward(
    inputs: RasterInputs,
    view: View,
    result: RasterResult,
    vOutputs: { vImage: Tensor<'f32'>; vAlpha?: Tensor<'f32'>; vDepth?: Tensor<'f32'> },
    background?: readonly [number, number, number],
  ): RasterGradients
}

/** Every backend package exports one, by the name `createRasterizer`. */
export type RasterizerFactory = (device: Device, config?: Partial<RasterizerConfig>) => Promise<Rasterizer>
