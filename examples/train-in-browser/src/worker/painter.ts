import type { Device, Tensor } from '@clipgstream/tensor'
import { WebgpuDevice } from '@clipgstream/tensor/webgpu'
import shader from './paint.wgsl?raw'

/** Puts images // [H, W, 3] on a canvas, which takes their size. */
export interface Painter {
  /** Resolves when the device has drawn it. */
  paint(image: Tensor<'f32'>): Promise<void>
}

/** A WebGPU canvas where the image is on a GPU already, a plain one otherwise. */
export function createPainter(device: Device, canvas: OffscreenCanvas): Painter {
  return device instanceof WebgpuDevice ? createGpuPainter(device, canvas) : createPlainPainter(canvas)
}

function createGpuPainter(device: WebgpuDevice, canvas: OffscreenCanvas): Painter {
  const { gpu } = device
  const context = canvas.getContext('webgpu')
  if (!context) throw new Error('this browser gives no WebGPU canvas to a worker')
  const format = navigator.gpu.getPreferredCanvasFormat()
  context.configure({ device: gpu, format, alphaMode: 'opaque' })
  const module = gpu.createShaderModule({ code: shader })
  const pipeline = gpu.createRenderPipeline({
    layout: 'auto',
    vertex: { module },
    fragment: { module, targets: [{ format }] },
  })
  const size = gpu.createBuffer({ size: 8, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST })
  return {
    async paint(image) {
      const { width, height } = fit(canvas, image)
      // What renders the image goes first.
      device.submit()
      gpu.queue.writeBuffer(size, 0, new Uint32Array([width, height]))
      const bindings = [size, device.buffer(image)].map((buffer, binding) => ({ binding, resource: { buffer } }))
      const encoder = gpu.createCommandEncoder()
      const pass = encoder.beginRenderPass({
        colorAttachments: [{ view: context.getCurrentTexture().createView(), loadOp: 'clear', storeOp: 'store' }],
      })
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: bindings }))
      pass.draw(3)
      pass.end()
      gpu.queue.submit([encoder.finish()])
      await device.synchronize()
    },
  }
}

function createPlainPainter(canvas: OffscreenCanvas): Painter {
  const context = canvas.getContext('2d')
  if (!context) throw new Error('this browser gives no canvas to a worker')
  return {
    async paint(image) {
      const { width, height } = fit(canvas, image)
      const values = await image.read()
      const pixels = new ImageData(width, height)
      for (let i = 0, at = 0; i < values.length; at++) {
        for (let c = 0; c < 3; c++) pixels.data[4 * at + c] = 255 * values[i++]!
        pixels.data[4 * at + 3] = 255
      }
      context.putImageData(pixels, 0, 0)
    },
  }
}

function fit(canvas: OffscreenCanvas, { shape }: Tensor): { width: number; height: number } {
  const [height = 0, width = 0] = shape
  if (canvas.width !== width) canvas.width = width
  if (canvas.height !== height) canvas.height = height
  return { width, height }
}
