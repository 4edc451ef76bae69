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
 * Bars with rate and time left on a terminal, one below the other while several are open, lines above them; elsewhere a
 * plain line every tenth of the way.
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

  /** False when no bar is shown. */
  log(text: string): boolean {
    this.#shown?.log(`${text}\n`)
    return this.#shown !== null
  }

  open(title: string, total: number): Progress {
    const started = performance.now()
    const format = `${title} {bar} {value}/{total}  {rate}/s  {eta_formatted} left  {note}`
    this.#shown ??= new MultiBar({ hideCursor: true, etaBuffer: 50, linewrap: false }, Presets.rect)
    const shown = this.#shown
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
        // Writes lines that wait to be logged, which stop would lose.
        shown.update()
        shown.stop()
        this.#shown = null
      },
    }
  }
}

function plain(title: string, total: number, line: (text: string) => void): Progress {
  const started = performance.now()
  let said = -1
  return {
    update(done, note = '') {
      const tenth = total > 0 ? Math.floor((done / total) * 10) : 10
      if (tenth <= said) return
      said = tenth
      const seconds = (performance.now() - started) / 1000
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
