import { readFile, stat } from 'node:fs/promises'
import { formatInspection } from '@clipgstream/io'
import { type ProcessEvent, processRecordings, type StepName } from '@clipgstream/process'
import { type ProcessFlags, parseOffsets, processOptions } from '../process-options.js'
import { stopOnSignals } from '../signals.js'
import { bytesText, durationText, type Progress, type Terminal } from '../terminal.js'

/**
 * Recordings of a rig to a dataset; run again, it goes on where it stopped. The first Ctrl-C or SIGTERM ends it, and COLMAP with
 * it, as soon as files under way are whole; 130 or 143 then.
 */
export async function processCommand(
  terminal: Terminal,
  source: string,
  dataset: string,
  flags: ProcessFlags,
): Promise<number> {
  const options = processOptions(flags, await readOffsets(flags.offsets))
  const display = createDisplay(terminal)
  using stop = stopOnSignals()
  try {
    const report = await processRecordings(source, dataset, { ...options, signal: stop.signal }, display.show)
    display.close()
    terminal.line(formatInspection(report))
    terminal.event({ type: 'inspection', ...report })
    return 0
  } catch (error) {
    if (!stop.signal.aborted) throw error
    display.close()
    terminal.line(`stopped: what is complete stays in ${dataset}; the same command goes on from there`)
    terminal.event({ type: 'stopped' })
    return stop.exitCode()
  } finally {
    display.close()
  }
}

/** A list, or the path of a file with one. */
async function readOffsets(text: string | undefined): Promise<Record<string, number>> {
  if (text === undefined) return {}
  const info = await stat(text).catch(() => null)
  return parseOffsets(info?.isFile() ? await readFile(text, 'utf8') : text)
}

const mostNames = 40

function listed(names: readonly string[]): string {
  const more = names.length - mostNames
  return names.slice(0, mostNames).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

/** A line for what began and ended, a bar for the step that is under way, with what COLMAP prints beside it. */
function createDisplay(terminal: Terminal): { show(event: ProcessEvent): void; close(): void } {
  let bar: { step: StepName; total: number; done: number; progress: Progress } | null = null
  const close = () => {
    bar?.progress.stop()
    bar = null
  }
  return {
    close,
    show(event) {
      terminal.event(event)
      switch (event.type) {
        case 'source':
          terminal.line(
            `${event.kind}: ${event.cameras.length} cameras, ${event.frames} frames (${listed(event.cameras)})`,
          )
          break
        case 'estimate':
          for (const { what, bytes, seconds } of event.parts) {
            const time = seconds === null ? '' : `, ${durationText(seconds)}`
            terminal.line(`  about ${bytesText(bytes)}${time} for ${what}`)
          }
          terminal.line(`  ${bytesText(event.free)} are free`)
          break
        case 'note':
          terminal.line(event.message)
          break
        case 'warning':
          terminal.line(`warning: ${event.message}`)
          break
        case 'step':
          close()
          terminal.line(stepText(event))
          break
        case 'progress':
          if (bar?.step !== event.step || bar.total !== event.total) {
            close()
            bar = { ...event, progress: terminal.progress(event.step.padEnd(7), event.total) }
          }
          bar.done = event.done
          bar.progress.update(event.done, event.note)
          break
        case 'output':
          bar?.progress.update(bar.done, event.text.slice(0, 60))
          break
        default:
          event satisfies never
      }
    },
  }
}

function stepText(event: ProcessEvent & { type: 'step' }): string {
  if (event.state === 'done') {
    const { step, seconds, files, bytes } = event
    return `${step.padEnd(7)} done in ${durationText(seconds)}: ${files} files, ${bytesText(bytes)}`
  }
  const reason = event.reason === '' ? '' : ` (${event.reason})`
  const what = { start: 'begins', resume: 'goes on', skip: 'is passed over' }[event.state]
  return `${event.step.padEnd(7)} ${what}${reason}`
}
