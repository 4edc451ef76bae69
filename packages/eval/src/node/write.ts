import { join } from 'node:path'
import { writeAtomic } from '@clipgstream/io/node'
import { ArgumentError } from '@clipgstream/tensor'
import type { ClipRange } from '../clips.js'
import type { Evaluation } from '../evaluation.js'
import { summaryJson, viewCsv } from '../tables.js'
import { reportHtml } from './report/html.js'
import { picturesOf } from './report/pictures.js'

export interface WriteOptions {
  /** Heading of the report. Default `Evaluation`. */
  title?: string
  /** Clip borders in the charts; those that the evaluation was made with. */
  clips?: readonly ClipRange[]
}

/** Paths of the files that were written. */
export interface WrittenEvaluation {
  readonly csv: readonly string[]
  readonly json: string
  readonly html: string
}

/**
 * Writes `<view>.csv` for each view, `summary.json` and `report.html` into a folder, each at once under its final name.
 * Throws when the name of a view cannot be the name of a file.
 */
export async function writeEvaluation(
  folder: string,
  evaluation: Evaluation,
  { title = 'Evaluation', clips = [] }: WriteOptions = {},
): Promise<WrittenEvaluation> {
  const summary = evaluation.summary()
  const rows = evaluation.rows()
  for (const { view } of summary.views) {
    if (!/^[^/\\:*?"<>|]+$/.test(view) || view.startsWith('.') || [...view].some((character) => character < ' ')) {
      throw new ArgumentError('writeEvaluation', 'name of a view', JSON.stringify(view), 'usable as the name of a file')
    }
  }
  const pictures = await Promise.all(evaluation.exhibits().map(picturesOf))
  const html = reportHtml({ title, summary, rows, clips, pictures })
  const csv: string[] = []
  for (const { view } of summary.views) {
    const path = join(folder, `${view}.csv`)
    await writeAtomic(path, viewCsv(rows, summary, view))
    csv.push(path)
  }
  const paths = { csv, json: join(folder, 'summary.json'), html: join(folder, 'report.html') }
  await writeAtomic(paths.json, summaryJson(summary))
  await writeAtomic(paths.html, html)
  return paths
}
