import type { CameraScore, TrainEvent } from '@clipgstream/trainer'
import { bytesText, durationText, type Progress, type Terminal } from './terminal.js'

export interface TrainDisplay extends Disposable {
  show(event: TrainEvent): void
}

/** Turns events into lines, and one progress bar for each clip in training: one a device. */
export function createTrainDisplay(terminal: Terminal, runPath: string): TrainDisplay {
  const bars = new Map<number, Progress>()
  const stop = (clip: number) => {
    bars.get(clip)?.stop()
    bars.delete(clip)
  }
  const show = (event: TrainEvent) => {
    terminal.event(event.type === 'evaluation' ? { ...event, sample: undefined } : event)
    switch (event.type) {
      case 'start':
        terminal.line(
          `${event.device}: ${event.clips.length} clips, ${event.frames} frames, ` +
            `${event.cameras.train} training and ${event.cameras.test} test cameras`,
        )
        return
      case 'clip-skip':
        terminal.line(`clip ${event.clip} is complete`)
        return
      case 'clip-start': {
        const { inherited, own } = event.anchors
        const anchors = inherited > 0 ? `${inherited} inherited + ${own} new anchors` : `${own} anchors`
        const resumed = event.resumedAt > 0 ? `, resumed at ${event.resumedAt}` : ''
        const range = `frames ${event.frames.start}-${event.frames.end - 1}`
        const where = event.device === undefined ? '' : ` on ${event.device}`
        terminal.line(`clip ${event.clip} (${event.kind}, ${range})${where}: ${anchors}${resumed}`)
        const title = event.device === undefined ? `clip ${event.clip}` : `${event.device}: clip ${event.clip}`
        bars.set(event.clip, terminal.progress(title, event.steps))
        return
      }
      case 'step':
        bars
          .get(event.clip)
          ?.update(
            event.iteration,
            `loss ${event.loss.toFixed(4)}  ${event.psnr.toFixed(2)} dB  ${bytesText(event.bytes)}`,
          )
        return
      case 'evaluation':
        terminal.line(
          `clip ${event.clip} at ${event.iteration}: test ${event.psnr.toFixed(2)} dB ` +
            `(${event.psnrCompensated.toFixed(2)} dB with colours fitted), SSIM ${event.ssim.toFixed(4)}`,
        )
        for (const score of event.cameras) terminal.line(`  ${cameraLine(score)}`)
        return
      case 'checkpoint':
        return
      case 'growth':
        terminal.line(
          `clip ${event.clip} at ${event.iteration}: ${event.added} anchors added, ${event.removed} removed`,
        )
        return
      case 'clip-end':
        stop(event.clip)
        terminal.line(
          `clip ${event.clip} done in ${durationText(event.seconds)}: ${bytesText(event.bytes)} on disk, ` +
            `${bytesText(event.peakBytes)} of device memory at most`,
        )
        return
      case 'clip-failed':
        stop(event.clip)
        terminal.line(
          `clip ${event.clip} failed on ${event.device}${event.again ? ', it is tried once more' : ''}: ${event.reason}`,
        )
        return
      case 'warning':
        terminal.line(`warning: ${event.message}`)
        return
      case 'aborted':
        stop(event.clip)
        terminal.line(`stopped in clip ${event.clip} at ${event.iteration}; go on with --resume`)
        return
      case 'done':
        for (const clip of bars.keys()) stop(clip)
        for (const { clip, reason } of event.failed ?? []) terminal.line(`clip ${clip} is missing: ${reason}`)
        terminal.line(
          `${event.clips.length} clips in ${durationText(event.seconds)}, ${bytesText(event.bytes)}: ${runPath}`,
        )
        return
      default:
        event satisfies never
    }
  }
  return {
    show,
    /** A bar that stays open would keep the process alive. */
    [Symbol.dispose]() {
      for (const clip of bars.keys()) stop(clip)
    },
  }
}

/** How a test camera fares, and how its colours differ from those of the model. */
function cameraLine({ camera, psnr, psnrCompensated, ssim, colors }: CameraScore): string {
  const gain = colors.gain.map((value) => value.toFixed(2)).join(' ')
  const offset = colors.offset.map((value) => (255 * value).toFixed(0)).join(' ')
  return (
    `${camera}: ${psnr.toFixed(2)} dB, SSIM ${ssim.toFixed(4)}; ` +
    `${psnrCompensated.toFixed(2)} dB with colours fitted: gain ${gain}, offset ${offset} of 255`
  )
}
