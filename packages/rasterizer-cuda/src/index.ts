export { CudaCanvas } from './canvas.js'
export { createRasterizer } from './create.js'
export { CudaRasterizer } from './cuda.js'
export { CudaView } from './view.js'
