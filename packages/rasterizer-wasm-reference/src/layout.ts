import type { View } from '@clipgstream/camera'
import type { Background, RasterizerConfig } from '@clipgstream/rasterizer'
import type { Tensor } from '@clipgstream/tensor'
import type { WasmDevice } from '@clipgstream/tensor/wasm'

/** Gaussians a chunk of the per-Gaussian kernels, as in kernels/layout.ts. */
export const gaussiansPerChunk = 512
/** 4-byte words of a projected Gaussian. */
export const recordWords = 16
/** Floats of a (Gaussian, tile) pair's gradients. */
export const gradientWords = 12

/** The parameter block of kernels/layout.ts, in double precision. */
export function parameterBlock(
  device: WasmDevice,
  view: View,
  config: RasterizerConfig,
  background: Background,
): Tensor<'u8'> {
  const values = Float64Array.of(
    ...view.worldToCamera,
    ...[view.fx, view.fy, view.cx, view.cy, view.width, view.height],
    ...[config.near, config.dilation, config.alphaMax, config.alphaMin, config.transmittanceMin],
    config.extent === 'three-sigma' ? 1 : 0,
    ...background,
  )
  return device.from(new Uint8Array(values.buffer), undefined, 'rasterizer parameters')
}
