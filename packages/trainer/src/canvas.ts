import type { View } from '@clipgstream/camera'
import type { Background, Canvas, RasterInputs, Rasterizer } from '@clipgstream/rasterizer'
import { ArgumentError, DisposedError, type Tensor } from '@clipgstream/tensor'

export interface CanvasSize {
  width: number
  height: number
}

/** The rasterizer's own canvas where its backend has one, else one that calls `forward`. */
export function createCanvas(
  rasterizer: Rasterizer,
  inputs: RasterInputs,
  size: CanvasSize,
  background: Background,
): Canvas {
  return rasterizer.createCanvas?.(inputs, size, background) ?? new PlainCanvas(rasterizer, inputs, size, background)
}

class PlainCanvas implements Canvas {
  readonly image: Tensor<'f32'>

  constructor(
    private readonly rasterizer: Rasterizer,
    private readonly inputs: RasterInputs,
    private readonly size: CanvasSize,
    private readonly background: Background,
  ) {
    this.image = rasterizer.device.empty([size.height, size.width, 3], 'f32', 'image of a canvas')
  }

  draw(view: View): void {
    const { device } = this.rasterizer
    const { width, height } = this.size
    if (this.image.disposed) throw new DisposedError('the canvas')
    if (view.width !== width || view.height !== height) {
      const size = `${view.width}x${view.height}`
      throw new ArgumentError('canvas.draw', 'size of the view', size, `${width}x${height}, as that of the canvas`)
    }
    using _scope = device.scope()
    device.copy(this.rasterizer.forward(this.inputs, view, this.background).image, this.image)
  }

  [Symbol.dispose](): void {
    this.image.dispose()
  }
}
