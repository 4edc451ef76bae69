import type { Device, Tensor } from '@clipgstream/tensor'
import type { TrainingData } from './data.js'
import { TrainingDataError } from './errors.js'

/** Photographs on the device, one tensor a size, written over by the next image of that size. */
export class Targets implements Disposable {
  readonly #tensors = new Map<string, Tensor<'u8'>>()

  constructor(
    private readonly device: Device,
    private readonly data: TrainingData,
  ) {}

  /** The image // [H, W, 3]; valid until the next call. */
  async load(camera: number, frame: number): Promise<Tensor<'u8'>> {
    const source = this.data.cameras[camera]
    if (!source) throw new TrainingDataError(`there is no camera ${camera}`, `There are ${this.data.cameras.length}`)
    const { width, height } = source.view
    const bytes = await this.data.image(camera, frame)
    if (bytes.length !== width * height * 3) {
      throw new TrainingDataError(
        `image of camera ${source.name}, frame ${frame} has ${bytes.length} bytes, ${width} x ${height} x 3 were expected`,
        'Check that the camera file belongs to these images',
      )
    }
    const key = `${width}x${height}`
    let tensor = this.#tensors.get(key)
    if (!tensor) {
      tensor = this.device.empty([height, width, 3], 'u8', `target ${key}`)
      this.#tensors.set(key, tensor)
    }
    this.device.write(tensor, bytes)
    return tensor
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#tensors.values()) tensor.dispose()
    this.#tensors.clear()
  }
}
