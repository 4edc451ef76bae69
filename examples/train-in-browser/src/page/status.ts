import type { TrainEvent } from '@clipgstream/trainer'

/** What an event says to people, or null. */
export function statusOf(event: TrainEvent): string | null {
  switch (event.type) {
    case 'clip-start':
      return `Clip ${event.clip}, ${event.anchors.inherited + event.anchors.own} anchors, ${event.steps} steps`
    case 'step': {
      const { clip, iteration, steps, loss, psnr, rate, eta } = event
      const speed = rate >= 1 ? `${rate.toFixed(1)} steps/s` : `${(1 / rate).toFixed(1)} s a step`
      return `Clip ${clip}, step ${iteration} of ${steps}: loss ${loss.toFixed(4)}, PSNR ${psnr.toFixed(2)} dB, ${speed}, ${eta.toFixed(0)} s left`
    }
    case 'evaluation':
      return `Test views after ${event.iteration} steps: PSNR ${event.psnr.toFixed(2)} dB, SSIM ${event.ssim.toFixed(4)}`
    case 'warning':
      return event.message
    case 'aborted':
      return `Stopped after ${event.iteration} steps of clip ${event.clip}; it can go on from there.`
    case 'done':
      return `Done: clips ${event.clips.join(', ')}, ${(event.bytes / 1e6).toFixed(1)} MB`
    default:
      return null
  }
}
