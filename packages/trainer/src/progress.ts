import type { Device, Tensor } from '@clipgstream/tensor'
import type { Config } from './config.js'
import { NonFiniteError } from './errors.js'
import { mean } from './evaluate.js'
import type { StepEvent } from './events.js'
import { psnrOf, squaredError } from './image-error.js'
import type { ClipOptimizer } from './optimizer.js'
import type { StepResult } from './step.js'
import type { Keep } from './step-graphs.js'

interface Terms {
  terms: readonly Tensor<'f32'>[]
  volume: Tensor<'f32'>
}

interface Sample {
  image: Tensor<'f32'>
  visible: Tensor<'u32'>
  gaussians: Tensor<'u32'>
  target: Promise<Uint8Array>
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
  #last: Sample | null = null
  /** Steps whose events were made, and whose terms were read. */
  #stepped: number
  #flushed: number
  #since = performance.now()

  constructor(
    private readonly device: Device,
    private readonly clip: number,
    private readonly steps: number,
    first: number,
  ) {
    this.#stepped = first
    this.#flushed = first
  }

  /** Keeps the step's terms; with `target`, the first photograph, its image as well. */
  add({ volume, visible, gaussians, shots }: StepResult, keep: Keep, target: Tensor<'u8'> | null): void {
    this.#pending.push({ terms: shots.map(({ terms }) => keep(terms)), volume: keep(volume) })
    const [shot] = shots
    if (!target || !shot) return
    const read = target.read()
    // A failure is reported where it is waited for.
    read.catch(() => {})
    this.#last = {
      image: keep(shot.image),
      visible: keep(visible.count),
      gaussians: keep(gaussians.count),
      target: read,
    }
  }

  /** Reads what is pending. What is enqueued after the call does not change it. */
  async flush(): Promise<ProgressMeans> {
    const pending = this.#pending
    const last = this.#last
    const first = this.#flushed
    this.#pending = []
    this.#last = null
    this.#flushed += pending.length
    const numbers = pending.map(({ terms, volume }) =>
      Promise.all([volume.read(), ...terms.map((tensor) => tensor.read())]),
    )
    const sample = last && Promise.all([last.image.read(), last.visible.read(), last.gaussians.read(), last.target])
    for (const { terms, volume } of pending) for (const tensor of [...terms, volume]) tensor.dispose()
    if (last) for (const tensor of [last.image, last.visible, last.gaussians]) tensor.dispose()
    // Both at once, so that neither fails unheard when the device is lost.
    const [measured, looked] = await Promise.all([Promise.all(numbers), sample])
    const losses = measured.map(([volume, ...terms], i) => ({
      iteration: first + i + 1,
      l1: mean(terms.map((values) => values[0] ?? Number.NaN)),
      ssim: mean(terms.map((values) => values[1] ?? Number.NaN)),
      volume: volume[0] ?? Number.NaN,
    }))
    if (!looked) return { losses, psnr: Number.NaN, visible: 0, gaussians: 0 }
    const [image, visible, gaussians, target] = looked
    return {
      losses,
      psnr: psnrOf(squaredError(image, target)),
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
