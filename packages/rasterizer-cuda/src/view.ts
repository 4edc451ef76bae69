import type { View } from '@clipgstream/camera'
import type { Background, RasterizerConfig } from '@clipgstream/rasterizer'
import { ArgumentError, type Tensor } from '@clipgstream/tensor'
import type { CudaDevice } from '@clipgstream/tensor/cuda'
import { parametersOf } from './layout.js'

/**
 * A view and a background that stay on the device. A captured step reads them from there: set other ones between two
 * launches of the graph.
 */
export class CudaView implements View {
  readonly width: number
  readonly height: number
  /** For the kernels. */
  readonly parameters: Tensor<'u8'>
  readonly #device: CudaDevice
  readonly #config: RasterizerConfig
  #view: View

  constructor(device: CudaDevice, config: RasterizerConfig, view: View, background: Background) {
    this.width = view.width
    this.height = view.height
    this.#device = device
    this.#config = config
    this.#view = view
    this.parameters = device.from(parametersOf(view, config, background), undefined, 'rasterizer parameters')
  }

  get fx(): number {
    return this.#view.fx
  }

  get fy(): number {
    return this.#view.fy
  }

  get cx(): number {
    return this.#view.cx
  }

  get cy(): number {
    return this.#view.cy
  }

  get worldToCamera(): readonly number[] {
    return this.#view.worldToCamera
  }

  /** Takes effect for what is enqueued from now on. The size of the image stays. */
  set(view: View, background: Background): void {
    if (view.width !== this.width || view.height !== this.height) {
      const size = `${view.width}x${view.height}`
      throw new ArgumentError('CudaView.set', 'size of the view', size, `${this.width}x${this.height}, as at first`)
    }
    this.#view = view
    this.#device.write(this.parameters, parametersOf(view, this.#config, background))
  }
}
