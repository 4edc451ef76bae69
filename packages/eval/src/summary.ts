import type { ClipRange } from './clips.js'
import type { Column } from './columns.js'
import { type FrameMetrics, isNumber, type Measured, notAvailable } from './measured.js'
import type { ViewColors } from './metrics/colors.js'

/** Means of the columns over some frames. */
export interface Means {
  readonly frames: number
  /** Frames that equal the truth; their infinite PSNR is left out of the mean, unless all are. */
  readonly exact: number
  readonly values: Readonly<Record<string, Measured>>
  /** Flicker across clip borders divided by flicker within clips; 1 says that borders cannot be seen. */
  readonly flickerRatio: Measured
}

/** Everything that was measured, averaged. */
export interface Summary {
  readonly columns: readonly Column[]
  readonly views: readonly (Means & { readonly view: string })[]
  /** Means over views of the means over frames. */
  readonly average: Means
  /** Means over all frames of all views in one clip; a border counts for the clip that begins there. */
  readonly clips: readonly (Means & { readonly clip: number; readonly first: number; readonly count: number })[]
  /**
   * The average without the frames at positions 330 to 359, which the original implementation leaves out of its figures;
   * null when there are none of these.
   */
  readonly withoutFrames330To359: Means | null
  /** What the colour maps behind `psnr_fitted` do, of each view and clip. */
  readonly colors: readonly ViewColors[]
  /** Why columns have no value. */
  readonly notes: readonly string[]
}

export function summarize(
  rows: readonly FrameMetrics[],
  columns: readonly Column[],
  clips: readonly ClipRange[] = [],
  remarks: readonly string[] = [],
): Omit<Summary, 'colors'> {
  const byView = new Map<string, FrameMetrics[]>()
  for (const row of rows) {
    const frames = byView.get(row.view)
    if (frames) frames.push(row)
    else byView.set(row.view, [row])
  }
  const views = [...byView].map(([view, frames]) => ({ view, ...meansOf(frames, columns) }))
  const kept = [...byView.values()].map((frames) => frames.filter((_, i) => i < 330 || i > 359))
  const skipped = kept.some((frames, i) => frames.length < (views[i]?.frames ?? 0))
  const notes = new Set(remarks)
  for (const { values } of rows) {
    for (const [key, value] of Object.entries(values)) {
      if (!isNumber(value)) notes.add(`${key}: ${value.notAvailable}`)
    }
  }
  return {
    columns,
    views,
    average: averageOf(views, columns),
    clips: clips.map(({ index, first, count }) => ({
      ...{ clip: index, first, count },
      ...meansOf(
        rows.filter(({ clip }) => clip === index),
        columns,
      ),
    })),
    withoutFrames330To359: skipped
      ? averageOf(
          kept.map((frames) => meansOf(frames, columns)),
          columns,
        )
      : null,
    notes: [...notes],
  }
}

function meansOf(rows: readonly FrameMetrics[], columns: readonly Column[]): Means {
  const values: Record<string, Measured> = {}
  for (const { key } of columns) {
    values[key] = mean(rows.flatMap((row) => (row.values[key] === undefined ? [] : [row.values[key]])))
  }
  const exact = rows.filter((row) => row.values['psnr'] === Number.POSITIVE_INFINITY).length
  return { frames: rows.length, exact, values, flickerRatio: ratio(values) }
}

function averageOf(parts: readonly Means[], columns: readonly Column[]): Means {
  const values: Record<string, Measured> = {}
  for (const { key } of columns) {
    values[key] = mean(parts.flatMap((part) => (part.values[key] === undefined ? [] : [part.values[key]])))
  }
  const total = (key: 'frames' | 'exact') => parts.reduce((sum, part) => sum + part[key], 0)
  return { frames: total('frames'), exact: total('exact'), values, flickerRatio: ratio(values) }
}

/** The mean of the finite numbers; infinity when there are only infinite ones; otherwise the first reason. */
function mean(values: readonly Measured[]): Measured {
  const numbers = values.filter(isNumber)
  const finite = numbers.filter(Number.isFinite)
  if (finite.length) return finite.reduce((sum, value) => sum + value, 0) / finite.length
  return numbers[0] ?? values[0] ?? notAvailable('nothing to measure')
}

function ratio(values: Readonly<Record<string, Measured>>): Measured {
  const within = values['flicker']
  const border = values['flicker_border']
  if (!isNumber(within) || !isNumber(border)) return notAvailable('needs frame pairs within clips and across a border')
  return within > 0 ? border / within : notAvailable('nothing flickers within clips')
}
