import { MultiBar, Presets } from 'cli-progress'

/** Where a command says things: people read `line` and progress, programs read `event` with --json. */
export interface Terminal {
  readonly json: boolean
  line(text?: string): void
  /** One JSON object a line, only with --json. */
  event(value: object): void
  progress(title: string, total: number): Progress
}

export interface Progress {
  /** `note` is what to show beside the bar. */
  update(done: number, note?: string): void
  stop(note?: string): void
}

interface Output {
  write(text: string): unknown
  isTTY?: boolean | undefined
}

/**
 * Bars with rate and time left on a terminal, one below the other while several are open, lines above them; elsewhere
 * plain lines.
 */
export function createTerminal(json: boolean, out: Output = process.stdout): Terminal {
  const bars = !json && out.isTTY ? new Bars() : null
  const line = (text = '') => {
    if (json) return
    if (!bars?.log(text)) out.write(`${text}\n`)
  }
  return {
    json,
    line,
    event(value) {
      if (json) out.write(`${JSON.stringify(value)}\n`)
    },
    progress(title, total) {
      if (json) return { update() {}, stop() {} }
      return bars ? bars.open(title, total) : plain(title, total, line)
    },
  }
}

/** The bars that are open now. */
class Bars {
  #shown: MultiBar | null = null
  #open = 0
  // A killed process would leave the terminal without cursor and without wrapped lines.
  readonly #killed = (signal: NodeJS.Signals) => {
    if (process.listenerCount(signal) > 1) return // someone else ends the process, in good order
    this.#end()
    process.kill(process.pid, signal)
  }

  /** False when no bar is shown. */
  log(text: string): boolean {
    this.#shown?.log(`${text}\n`)
    return this.#shown !== null
  }

  open(title: string, total: number): Progress {
    const started = performance.now()
    const format = `${title} {bar} {value}/{total}  {rate}/s  {eta_formatted} left  {note}`
    const shown = this.#shown ?? this.#begin()
    const bar = shown.create(total, 0, { rate: '-', note: '' }, { format })
    this.#open++
    let latest = ''
    let stopped = false
    return {
      update: (done, note = latest) => {
        latest = note
        bar.update(done, { rate: rateOf(done, started), note })
      },
      stop: (note) => {
        if (stopped) return
        stopped = true
        if (note !== undefined) bar.update({ note })
        this.#open--
        // The last bar stays where it is; others make room.
        if (this.#open > 0) {
          shown.remove(bar)
          return
        }
        this.#end()
      },
    }
  }

  #begin(): MultiBar {
    this.#shown = new MultiBar({ hideCursor: true, etaBuffer: 50, linewrap: false }, Presets.rect)
    for (const signal of endings) process.on(signal, this.#killed)
    return this.#shown
  }

  #end(): void {
    for (const signal of endings) process.off(signal, this.#killed)
    // Writes lines that wait to be logged, which stop would lose.
    this.#shown?.update()
    this.#shown?.stop()
    this.#shown = null
  }
}

const endings = ['SIGINT', 'SIGTERM'] as const

/** Without a terminal, a line comes with every tenth of the way, and with news so many seconds after the last one. */
const mostSilence = 30

function plain(title: string, total: number, line: (text: string) => void): Progress {
  const started = performance.now()
  let said = -1
  let saidAt = 0
  return {
    update(done, note = '') {
      const tenth = total > 0 ? Math.floor((done / total) * 10) : 10
      const seconds = (performance.now() - started) / 1000
      if (tenth <= said && seconds - saidAt < mostSilence) return
      said = tenth
      saidAt = seconds
      const left = done > 0 ? Math.round((seconds * (total - done)) / done) : 0
      line(`${title} ${done}/${total}  ${rateOf(done, started)}/s  ${left} s left  ${note}`.trimEnd())
    },
    stop(note) {
      if (note) line(`${title} ${note}`)
    },
  }
}

function rateOf(done: number, started: number): string {
  const rate = done / Math.max(1e-3, (performance.now() - started) / 1000)
  return rate >= 100 ? rate.toFixed(0) : rate.toPrecision(2)
}

/** `1.5 MiB` */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** `2 min 5 s` */
export function durationText(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** Columns padded to their widest cell, two spaces apart. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), [])
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
