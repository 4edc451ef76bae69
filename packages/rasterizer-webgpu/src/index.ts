export { createRasterizer } from './create.js'
export type { Reduction } from './kernels.js'
export { WebgpuRasterizer, type WebgpuRasterizerOptions } from './webgpu.js'
