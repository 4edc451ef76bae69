import { bufferUsage } from './pool.js'
import type { UploadRing } from './staging.js'

/** Uniforms of the launches between two submissions. */
const uniformBytes = 256 << 10
/** No uniform of a kernel is larger. */
const uniformRoom = 4 << 10
/** Uploads are submitted when so many bytes wait. */
const mostPendingUploads = 64 << 20
/** Where uniforms may start. */
const uniformStep = 256

/**
 * Commands in the order of the program. Launches share one compute pass until a copy or the submission ends it; what was
 * recorded is submitted when somebody waits, when uniforms run out, and when the caller gives control back.
 */
export class Commands {
  readonly uniforms: GPUBuffer
  readonly #data = new ArrayBuffer(uniformBytes)
  /** The same memory, for the three kinds of scalars. */
  readonly words = new Uint32Array(this.#data)
  readonly integers = new Int32Array(this.#data)
  readonly floats = new Float32Array(this.#data)
  #used = 0
  #encoder: GPUCommandEncoder | undefined
  #pass: GPUComputePassEncoder | undefined
  #pipeline: GPUComputePipeline | undefined
  #scheduled = false
  #closed = false

  constructor(
    private readonly gpu: GPUDevice,
    private readonly uploads: UploadRing,
  ) {
    const usage = bufferUsage.UNIFORM | bufferUsage.COPY_DST
    this.uniforms = gpu.createBuffer({ label: 'uniforms', size: uniformBytes, usage })
  }

  /** The encoder outside of a pass, for copies. */
  readonly encoder = (): GPUCommandEncoder => {
    this.endPass()
    return this.#open()
  }

  /** The pass that is open, or a new one. */
  pass(): GPUComputePassEncoder {
    this.#pass ??= this.#open().beginComputePass()
    return this.#pass
  }

  /** A pass of its own for what is recorded until it ends. */
  beginPass(descriptor: GPUComputePassDescriptor): void {
    this.endPass()
    this.#pass = this.#open().beginComputePass(descriptor)
  }

  endPass(): void {
    this.#pass?.end()
    this.#pass = undefined
    this.#pipeline = undefined
  }

  /** Chooses the pipeline of the next dispatch. */
  use(pipeline: GPUComputePipeline): GPUComputePassEncoder {
    const pass = this.pass()
    if (pipeline !== this.#pipeline) pass.setPipeline(pipeline)
    this.#pipeline = pipeline
    return pass
  }

  /** The next launch will not submit on its own account. */
  makeRoom(): void {
    if (this.#used + uniformRoom > uniformBytes) this.submit()
  }

  /** Offset of `bytes` bytes for a launch, zeroed; they are sent with the submission. */
  reserveUniform(bytes: number): number {
    if (this.#used + bytes > uniformBytes) this.submit()
    const at = this.#used
    this.#used += Math.ceil(bytes / uniformStep) * uniformStep
    this.words.fill(0, at >> 2, (at + bytes) >> 2)
    return at
  }

  upload(target: GPUBuffer, at: number, data: Uint8Array): void {
    this.uploads.upload(this.encoder, target, at, data)
    if (this.uploads.pendingBytes >= mostPendingUploads) this.submit()
  }

  submit(): void {
    const encoder = this.#encoder
    if (!encoder) return
    this.endPass()
    this.#encoder = undefined
    this.uploads.beforeSubmit()
    const { queue } = this.gpu
    if (this.#used > 0) queue.writeBuffer(this.uniforms, 0, this.#data, 0, this.#used)
    this.#used = 0
    queue.submit([encoder.finish()])
    this.uploads.afterSubmit()
  }

  /** Forgets what was recorded. */
  dispose(): void {
    this.#closed = true
    this.#encoder = undefined
    this.#pass = undefined
    this.uniforms.destroy()
  }

  #open(): GPUCommandEncoder {
    if (!this.#encoder) {
      this.#encoder = this.gpu.createCommandEncoder()
      this.#schedule()
    }
    return this.#encoder
  }

  /** The GPU starts when the caller waits for something else. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      if (!this.#closed) this.submit()
    })
  }
}
