export { checkBackward, checkForward, maxImageSide } from './check.js'
export { defaultRasterizerConfig, rasterizerConfig } from './config.js'
export type {
  Background,
  Canvas,
  RasterGradients,
  RasterInputs,
  Rasterizer,
  RasterizerConfig,
  RasterizerFactory,
  RasterOutputGradients,
  RasterResult,
} from './contract.js'
export { createRasterizer, type RasterizerBackend, type RasterizerBackends } from './create.js'
