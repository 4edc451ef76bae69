import type { Device, Scope, Tensor } from '@clipgstream/tensor'
import type { Config } from './config.js'
import { NonFiniteError } from './errors.js'
import { mean } from './evaluate.js'
import type { StepEvent } from './events.js'
import { psnrOf, squaredError } from './image-error.js'
import type { ClipOptimizer } from './optimizer.js'
import type { StepResult } from './step.js'

interface Terms {
  terms: Tensor<'f32'>
  volume: Tensor<'f32'>
}

/** What the steps since the last flush measured. */
export interface ProgressMeans {
  /** Of each step; the first that is not finite ends the run. */
  losses: { iteration: number; l1: number; ssim: number; volume: number }[]
  psnr: number
  visible: number
  gaussians: number
}

/** Keeps the small results of steps on the device until somebody wants to know, and the time that steps take. */
export class Progress {
  /** Of the last step that was flushed. */
  lastLoss: number | null = null
  #pending: Terms[] = []
  #last: { image: Tensor<'f32'>; visible: Tensor<'u32'>; gaussians: Tensor<'u32'>; target: Uint8Array } | null = null
  #stepped: number
  #since = performance.now()

  constructor(
    private readonly device: Device,
    private readonly clip: number,
    private readonly steps: number,
    first: number,
  ) {
    this.#stepped = first
  }

  /** Keeps the step's terms beyond `scope`; with `target`, its image as well. */
  add(scope: Scope, { terms, volume, image, visible, gaussians }: StepResult, target: Uint8Array | null): void {
    this.#pending.push({ terms: scope.keep(terms), volume: scope.keep(volume) })
    if (!target) return
    this.#last = {
      image: scope.keep(image),
      visible: scope.keep(visible.count),
      gaussians: scope.keep(gaussians.count),
      target,
    }
  }

  /** Reads what is pending. */
  async flush(): Promise<ProgressMeans> {
    const pending = this.#pending
    this.#pending = []
    const read = await Promise.all(
      pending.map(async ({ terms, volume }) => ({ terms: await terms.read(), volume: await volume.read() })),
    )
    for (const { terms, volume } of pending) for (const tensor of [terms, volume]) tensor.dispose()
    const losses = read.map(({ terms, volume }, i) => ({
      iteration: this.#stepped + i + 1,
      l1: terms[0] ?? Number.NaN,
      ssim: terms[1] ?? Number.NaN,
      volume: volume[0] ?? Number.NaN,
    }))
    const last = this.#last
    this.#last = null
    if (!last) return { losses, psnr: Number.NaN, visible: 0, gaussians: 0 }
    const [image, visible, gaussians] = [
      await last.image.read(),
      await last.visible.read(),
      await last.gaussians.read(),
    ]
    for (const tensor of [last.image, last.visible, last.gaussians]) tensor.dispose()
    return {
      losses,
      psnr: psnrOf(squaredError(image, last.target)),
      visible: visible[0] ?? 0,
      gaussians: gaussians[0] ?? 0,
    }
  }

  requireFinite(means: ProgressMeans, lastGood: number | null): ProgressMeans {
    const bad = means.losses.find(({ l1, ssim, volume }) => !Number.isFinite(l1 + ssim + volume))
    if (bad) throw new NonFiniteError(this.clip, bad.iteration, 'the loss', lastGood)
    return means
  }

  event(config: Config, optimizer: ClipOptimizer, iteration: number, means: ProgressMeans): StepEvent {
    const now = performance.now()
    const measured = (iteration - this.#stepped) / Math.max((now - this.#since) / 1000, 1e-9)
    this.#stepped = iteration
    this.#since = now
    const { dssim, volume: volumeWeight } = config.loss
    const l1 = mean(means.losses.map((loss) => loss.l1))
    const ssim = mean(means.losses.map((loss) => loss.ssim))
    const volume = mean(means.losses.map((loss) => loss.volume))
    const total = (terms: { l1: number; ssim: number; volume: number }) =>
      (1 - dssim) * terms.l1 + dssim * (1 - terms.ssim) + volumeWeight * terms.volume
    const last = means.losses.at(-1)
    this.lastLoss = last ? total(last) : null
    const rateOf = (name: string) => optimizer.groups.find((group) => group.name === name)?.learningRate(iteration) ?? 0
    return {
      type: 'step',
      clip: this.clip,
      iteration,
      steps: this.steps,
      loss: total({ l1, ssim, volume }),
      l1,
      ssim,
      psnr: means.psnr,
      rate: measured,
      eta: (this.steps - iteration) / measured,
      visible: means.visible,
      gaussians: means.gaussians,
      bytes: this.device.bytesInUse,
      peakBytes: this.device.peakBytes,
      rates: { field: rateOf('field.table'), staticFeatures: rateOf('staticFeatures'), color: rateOf('color.w2') },
    }
  }

  /** Milliseconds spent on something else since the last event. */
  exclude(milliseconds: number): void {
    this.#since += milliseconds
  }
}
