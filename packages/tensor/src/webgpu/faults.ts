import { type ClipgstreamError, OutOfMemoryError } from '../errors.js'
import type { BufferPool } from './pool.js'
import { DeviceLostError, webgpuError } from './webgpu-error.js'

/**
 * What went wrong on the GPU's side since somebody last waited. WebGPU tells it late: it is thrown by the next call that
 * waits, and never lost.
 */
export class Faults {
  readonly #errors: ClipgstreamError[] = []
  readonly #pending: Promise<void>[] = []
  #lost: DeviceLostError | undefined
  #disposed = false

  constructor(
    private readonly gpu: GPUDevice,
    private readonly label: string,
    private readonly pool: () => BufferPool,
  ) {
    gpu.addEventListener('uncapturederror', (event) => {
      event.preventDefault()
      this.add(event.error)
    })
    gpu.lost.then(({ reason, message }) => {
      if (!this.#disposed) this.#lost = new DeviceLostError(label, message || reason || 'unknown')
    })
  }

  get lost(): DeviceLostError | undefined {
    return this.#lost
  }

  add(error: GPUError, kernel?: string, bindings?: string): void {
    if (error.constructor.name === 'GPUOutOfMemoryError') {
      const { bytesInUse, limit } = this.pool()
      this.#errors.push(new OutOfMemoryError(this.label, 0, bytesInUse, limit, 0))
    } else this.#errors.push(webgpuError(error.message, kernel, bindings))
  }

  /** What `work` does wrong is told with the kernel's name. */
  watch(kernel: string, bindings: string, work: () => void): void {
    this.gpu.pushErrorScope('validation')
    try {
      work()
    } finally {
      this.#pending.push(
        this.gpu.popErrorScope().then(
          (error) => {
            if (error) this.add(error, kernel, bindings)
          },
          () => {},
        ),
      )
    }
  }

  /** Resolves when everything that was told so far has come. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0))
    this.raise()
  }

  /** Throws the first error that nobody has seen. */
  raise(): void {
    if (this.#lost) throw this.#lost
    const [first, ...others] = this.#errors.splice(0)
    if (!first) return
    // One mistake often leads to more; all are told.
    if (others.length > 0)
      first.message += `\n(and ${others.length} more: ${others.map((one) => one.message).join('\n')})`
    throw first
  }

  /** What is left when the device goes is told on the console. */
  dispose(): void {
    this.#disposed = true
    for (const error of this.#errors.splice(0)) console.error(error.message)
  }
}
