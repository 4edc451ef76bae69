export { createRasterizer } from './create.js'
export { WebgpuRasterizer, type WebgpuRasterizerOptions } from './webgpu.js'
