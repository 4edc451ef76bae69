import { type Device, OutOfMemoryError, type Tensor } from '@clipgstream/tensor'
import type { TrainingData } from './data.js'
import { TrainingDataError } from './errors.js'

export interface TargetOptions {
  /** Bytes of the device that photographs may take to stay there. */
  budget: number
  /** Photographs that are in use at once. */
  inUse: number
}

interface Slots {
  tensors: Tensor<'u8'>[]
  next: number
}

/** Images that are decoded ahead take at most this, but for four of them. */
const aheadBytes = 128 << 20
const aheadLeast = 4
const aheadMost = 16

/**
 * Photographs on the device. Those of a clip stay there as long as they fit into the budget; the others are written, each
 * time, over those of the same size that were asked for longest ago.
 */
export class Targets implements Disposable {
  readonly #kept = new Map<string, Tensor<'u8'>>()
  readonly #slots = new Map<string, Slots>()
  #budget: number
  #bytes = 0

  constructor(
    private readonly device: Device,
    private readonly data: TrainingData,
    private readonly options: TargetOptions,
  ) {
    this.#budget = options.budget
  }

  /** Bytes of photographs that stay. */
  get bytes(): number {
    return this.#bytes
  }

  /** How many views it pays to name to `prefetch` before they are loaded. */
  get ahead(): number {
    const largest = Math.max(1, ...this.data.cameras.map(({ view }) => view.width * view.height * 3))
    return Math.min(aheadMost, Math.max(aheadLeast, Math.floor(aheadBytes / largest)))
  }

  /** The image // [H, W, 3]; valid until `inUse` others were loaded. */
  load(camera: number, frame: number): Tensor<'u8'> | Promise<Tensor<'u8'>> {
    return this.#kept.get(`${camera} ${frame}`) ?? this.#load(camera, frame)
  }

  /** Has those decoded that are not here. */
  prefetch(views: readonly { camera: number; frame: number }[]): void {
    if (!this.data.prefetch) return
    const missing = views.filter(({ camera, frame }) => !this.#kept.has(`${camera} ${frame}`))
    if (missing.length > 0) this.data.prefetch(missing)
  }

  /** Forgets the photographs that stayed; those of another clip come. */
  clear(): void {
    for (const tensor of this.#kept.values()) tensor.dispose()
    this.#kept.clear()
    this.#bytes = 0
    this.#budget = this.options.budget
  }

  [Symbol.dispose](): void {
    this.clear()
    for (const { tensors } of this.#slots.values()) for (const tensor of tensors) tensor.dispose()
    this.#slots.clear()
  }

  async #load(camera: number, frame: number): Promise<Tensor<'u8'>> {
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
    const tensor = this.#place(`${camera} ${frame}`, height, width)
    this.device.write(tensor, bytes)
    return tensor
  }

  #place(key: string, height: number, width: number): Tensor<'u8'> {
    const bytes = height * width * 3
    if (this.#bytes + bytes <= this.#budget) {
      try {
        const tensor = this.device.empty([height, width, 3], 'u8', `photograph ${key}`)
        this.#kept.set(key, tensor)
        this.#bytes += tensor.byteLength
        return tensor
      } catch (error) {
        if (!(error instanceof OutOfMemoryError)) throw error
        // Others have taken what was free when the budget was made.
        this.#budget = this.#bytes
      }
    }
    const size = `${width}x${height}`
    let slots = this.#slots.get(size)
    if (!slots) {
      slots = { tensors: [], next: 0 }
      this.#slots.set(size, slots)
    }
    const at = slots.next
    slots.next = (at + 1) % this.options.inUse
    const tensor = slots.tensors[at] ?? this.device.empty([height, width, 3], 'u8', `photograph ${size}`)
    slots.tensors[at] = tensor
    return tensor
  }
}

/** Bytes for photographs that stay on the device: as configured, or half of what is free on cuda and none elsewhere. */
export async function imageBudget(device: Device, configured: number | null): Promise<number> {
  if (configured !== null) return configured
  if (device.kind !== 'cuda') return 0
  const { CudaDevice } = await import('@clipgstream/tensor/cuda')
  return device instanceof CudaDevice ? Math.floor(device.memory.free / 2) : 0
}
