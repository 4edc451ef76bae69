import { join } from 'node:path'
import { nodeFolder } from '@clipgstream/io/node'
import type { DataFlags } from '../data.js'
import { findingText, sortFindings, verdictOf } from '../inspect/finding.js'
import { openSubject } from '../inspect/open.js'
import { verdictText } from '../inspect/page.js'
import { writeReport } from '../inspect/report.js'
import { durationText, type Terminal } from '../terminal.js'

export interface InspectFlags extends DataFlags {
  report?: string
  quick?: boolean
}

const mostLines = 30

/**
 * Says what a dataset or capture has and what is wrong with it; 1 when it will not train. With `report` every image and
 * the clouds are looked at, and a folder of pages and pictures is written.
 */
export async function inspect(terminal: Terminal, path: string, flags: InspectFlags): Promise<number> {
  const started = performance.now()
  const vfs = nodeFolder(path)
  const { report, quick = false } = flags
  const opened = await openSubject(vfs, path, flags, report !== undefined)
  terminal.line(opened.summary)
  const written = report === undefined ? null : await writeReport(terminal, vfs.label, opened, report, quick)
  const findings = sortFindings(written?.findings ?? opened.findings)
  const verdict = verdictOf(findings)
  const unchecked = written?.checks?.unchecked ?? []
  terminal.event({
    type: 'inspection',
    ...(opened.report ?? { name: vfs.label, kind: opened.capture?.kind ?? null }),
    ...(opened.capture && { cameras: opened.capture.cameras.map(({ name, test }) => ({ name, test })) }),
    ...(opened.subject &&
      opened.subject.videos.length > 0 && {
        videos: opened.subject.videos.map(({ name, info, reason }) => (info ? { name, ...info } : { name, reason })),
      }),
    verdict,
    findings,
    unchecked,
    ...(report !== undefined && { report }),
  })
  // The summary of this project's own layout has its problems already.
  const told = opened.report ? findings.filter(({ check }) => check !== 'files') : findings
  for (const finding of told.slice(0, mostLines)) terminal.line(`${finding.severity.padEnd(12)}${findingText(finding)}`)
  if (told.length > mostLines) terminal.line(`${''.padEnd(12)}and ${told.length - mostLines} more in the report`)
  for (const line of unchecked) terminal.line(`${'not checked'.padEnd(12)}${line}`)
  if (report !== undefined || !opened.report)
    terminal.line(`${'verdict'.padEnd(12)}${verdictText(verdict, opened.capture?.kind ?? null)}`)
  if (report !== undefined) {
    const seconds = (performance.now() - started) / 1000
    terminal.line(`${'report'.padEnd(12)}${join(report, 'report.html')} in ${durationText(seconds)}`)
  }
  return verdict === 'will not train' ? 1 : 0
}
