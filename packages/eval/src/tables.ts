import type { Column } from './columns.js'
import { type FrameMetrics, isNumber, type Measured } from './measured.js'
import type { Means, Summary } from './summary.js'

/** A value in a CSV file: seven digits, `inf`, `n/a`, or nothing where there was nothing to measure. */
function cell(value: Measured | undefined): string {
  if (value === undefined) return ''
  if (!isNumber(value)) return 'n/a'
  return Number.isFinite(value) ? String(Number(value.toPrecision(7))) : 'inf'
}

/** One view as CSV: a header, one line a frame with its number in the sequence, and a last line `avg` of means. */
export function viewCsv(rows: readonly FrameMetrics[], summary: Summary, view: string): string {
  const keys = summary.columns.map(({ key }) => key)
  const means = summary.views.find((part) => part.view === view)
  const lines = [
    ['frame', 'clip', ...keys],
    ...rows
      .filter((row) => row.view === view)
      .map(({ frame, clip, values }) => [frame, clip, ...keys.map((key) => cell(values[key]))]),
    ['avg', '', ...keys.map((key) => cell(means?.values[key]))],
  ]
  return `${lines.map((line) => line.join(',')).join('\n')}\n`
}

/** The summary as JSON; infinity becomes the text `inf`, a missing value null. Reasons are in `notes`. */
export function summaryJson(summary: Summary): string {
  const plain = (_: string, value: unknown) => {
    if (value === Number.POSITIVE_INFINITY) return 'inf'
    if (typeof value === 'object' && value !== null && 'notAvailable' in value) return null
    return value
  }
  return `${JSON.stringify({ format: 'clipgstream-evaluation', version: 1, ...summary }, plain, 2)}\n`
}

/** A value for people: decibels with two digits, everything else with four. */
export function formatValue(value: Measured | undefined, { unit }: Pick<Column, 'unit'>): string {
  if (value === undefined || !isNumber(value)) return 'n/a'
  if (!Number.isFinite(value)) return 'inf'
  return value.toFixed(unit === 'dB' ? 2 : unit === '' ? 4 : 3)
}

/** Flicker across borders over flicker within clips, for people. */
export function formatRatio({ flickerRatio }: Means): string {
  return formatValue(flickerRatio, { unit: 'dB' })
}

/** Rows of the table that people see: views, their average, and clips when there are several. */
export function tableRows(summary: Summary): { label: string; means: Means }[] {
  const clips = summary.clips.filter(({ frames }) => frames > 0)
  return [
    ...summary.views.map((means) => ({ label: viewLabel(means.view), means })),
    { label: 'average', means: summary.average },
    ...(clips.length > 1 ? clips.map((means) => ({ label: `clip ${means.clip}`, means })) : []),
    ...(summary.withoutFrames330To359
      ? [{ label: 'average without 330-359', means: summary.withoutFrames330To359 }]
      : []),
  ]
}

/** `view 0` for names that are numbers, other names as they are. */
export function viewLabel(view: string): string {
  return /^\d+$/.test(view) ? `view ${view}` : view
}

/** The summary as aligned plain text with its notes below. */
export function formatTable(summary: Summary): string {
  const lines = [
    ['', 'frames', ...summary.columns.map(({ key }) => key), 'border/within'],
    ...tableRows(summary).map(({ label, means }) => [
      label,
      String(means.frames),
      ...summary.columns.map((column) => formatValue(means.values[column.key], column)),
      formatRatio(means),
    ]),
  ]
  const text = aligned(lines)
  const exact = summary.average.exact
  const notes = [
    ...(exact ? [`${exact} of ${summary.average.frames} frames equal the truth; mean PSNR is without them`] : []),
    ...summary.notes,
  ]
  return [...text, ...(notes.length ? ['', ...notes.map((note) => `  ${note}`)] : [])].join('\n')
}

/** Gain and offset of the colour maps behind `psnr_fitted`, as cells with a heading row; offsets in levels of 255. */
export function colorRows({ colors }: Summary): string[][] {
  const triple = (values: readonly number[], digits: number) => values.map((value) => value.toFixed(digits))
  return [
    ['', 'clip', 'gain red', 'green', 'blue', 'offset red', 'green', 'blue'],
    ...colors.map(({ view, clip, gain, offset }) => [
      ...[viewLabel(view), String(clip), ...triple(gain, 3)],
      ...triple(
        offset.map((value) => 255 * value),
        1,
      ),
    ]),
  ]
}

/** The table of `colorRows` as aligned plain text. */
export function formatColors(summary: Summary): string {
  return aligned(colorRows(summary)).join('\n')
}

function aligned(lines: readonly (readonly string[])[]): string[] {
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0))) ?? []
  return lines.map((line) =>
    line
      .map((entry, i) => (i === 0 ? entry.padEnd(widths[i] ?? 0) : entry.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}
