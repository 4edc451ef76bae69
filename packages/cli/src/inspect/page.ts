import type { CaptureKind } from '@clipgstream/io'
import type { Checks } from './checks.js'
import { type Finding, sortFindings, type Verdict } from './finding.js'
import { escapeHtml } from './markup.js'
import { mean, median, percent } from './statistics.js'
import type { Subject } from './subject.js'
import { isBehind } from './sync.js'
import { rateText, type SubjectVideo } from './videos.js'

export interface PageContent {
  readonly title: string
  readonly verdict: Verdict
  readonly findings: readonly Finding[]
  readonly summary: string
  readonly subject: Subject | null
  readonly checks: Checks | null
  readonly sheets: readonly string[]
  readonly overlays: readonly string[]
  readonly scene: string | null
}

const style = `
:root { color-scheme: light dark; --line: light-dark(#ccc, #444); --soft: light-dark(#f4f4f2, #222); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .3rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.verdict { font-size: 1.15rem; font-weight: 600; padding: .6rem .9rem; border-radius: 6px; margin: .6rem 0 1.2rem; border-left: 6px solid; background: var(--soft); }
.ok { border-color: #2e9e5b; } .look { border-color: #d99000; } .stop { border-color: #d03030; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; font-weight: 400; }
thead th { font-weight: 600; } td.n { text-align: right; white-space: nowrap; } tr.look td:first-child, tr.look th:first-child { box-shadow: inset 4px 0 #d99000; } tr.stop td:first-child { box-shadow: inset 4px 0 #d03030; }
img { max-width: 100%; height: auto; display: block; margin: .5rem 0; } pre { overflow-x: auto; background: var(--soft); padding: .7rem .9rem; border-radius: 6px; font-size: .85rem; }
iframe { width: 100%; height: 32rem; border: 0; border-radius: 6px; }
`

const verdicts = {
  ok: { class: 'ok', text: 'ok: nothing speaks against training' },
  'look at': { class: 'look', text: 'look at: it can be trained, but what is named below costs quality' },
  'will not train': { class: 'stop', text: 'will not train: fix what is marked stop first' },
} satisfies Record<Verdict, { class: string; text: string }>

/** A verdict in words; other captures are converted before they are trained. */
export function verdictText(verdict: Verdict, kind: CaptureKind | null): string {
  const { text } = verdicts[verdict]
  if (kind === null || kind === 'clip-stream') return text
  if (verdict === 'will not train') return 'cannot be converted: fix what is marked stop first'
  return text.replace('training', 'converting it, as far as it was checked').replace('trained', 'converted')
}

/** The report as one page beside its images. */
export function reportPage(content: PageContent): string {
  const { title, verdict, findings, summary, checks, sheets, overlays, scene } = content
  const unchecked = checks?.unchecked ?? []
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}: before training</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<div class="verdict ${verdicts[verdict].class}">${escapeHtml(verdictText(verdict, content.subject?.kind ?? null))}</div>
${findingTable(findings)}
${unchecked.length > 0 ? `<p>Not checked: ${unchecked.map(escapeHtml).join('; ')}.</p>` : ''}
<h2>What there is</h2><pre>${escapeHtml(summary)}</pre>
${scene ? `<h2>Cameras and points</h2><p><a href="${scene}">Open alone</a></p><iframe src="${scene}" title="cameras and points"></iframe>` : ''}
${videoTable(content.subject?.videos ?? [])}
${cameraTable(content)}
${clipTable(checks)}
${images('Cameras over time: first, middle and last frame', sheets)}
${images('Points in views: the photograph; the points in their colours; the same, green where they agree and red where not', overlays)}
</body>
</html>
`
}

function findingTable(findings: readonly Finding[]): string {
  if (findings.length === 0) return '<p>Nothing was found.</p>'
  const rows = sortFindings(findings).map(
    ({ severity, check, what, where, figure, remedy }) =>
      `<tr class="${severity}"><td>${severity}</td><td>${check}</td><td>${[what, where, figure, remedy].map(escapeHtml).join('</td><td>')}</td></tr>`,
  )
  return `<div class="wide"><table><thead><tr><th></th><th>check</th><th>what</th><th>where</th><th>figure</th><th>what to do</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function images(title: string, files: readonly string[]): string {
  if (files.length === 0) return ''
  return `<h2>${escapeHtml(title)}</h2>${files.map((file) => `<a href="${file}"><img src="${file}" loading="lazy" alt="${escapeHtml(file)}"></a>`).join('')}`
}

const dash = '–'
const number = (value: number | undefined | null, digits: number) =>
  value === undefined || value === null || Number.isNaN(value) ? dash : value.toFixed(digits)

function cameraTable({ subject, checks, findings }: PageContent): string {
  if (!subject || !checks) return ''
  const head = [
    ['camera', ''],
    ['images', 'that could be read'],
    ['brightness', 'mean level of 255'],
    ['change', 'median of the mean difference of consecutive frames, levels'],
    ['sharpness', 'fine over coarse structure, of the middle frame'],
    ['agreement', "correlation of the points' colours with the photographs, median of the clips"],
    ['error', 'median difference of colours, levels'],
    ['agreeing', 'share of points within 24 levels'],
    ['covered', 'share of the image with points near'],
    ['gain', 'of red, green, blue against what the cameras see together'],
    ['offset', 'levels'],
    ['lag', 'frames behind the others, and the correlation of motion'],
  ]
  const rows = subject.cameras.map(({ index, name, test }) => {
    const notes = checks.watched?.notes[index]?.filter((note) => note !== null) ?? []
    const own = checks.clips.flatMap((clip) => clip.cameras[index] ?? [])
    const agreements = own.flatMap(({ agreement }) => (agreement ? [agreement] : []))
    const tint = own.find((camera) => camera.tint)?.tint
    const lag = checks.lags[index]
    const changes = notes.flatMap(({ change }) => (change === null ? [] : [change]))
    const cells = [
      `${notes.length}`,
      number(notes.length > 0 ? mean(notes.map(({ brightness }) => brightness)) : null, 0),
      number(median(changes), 2),
      number(checks.portraits[index]?.sharpness, 2),
      number(median(agreements.map(({ score }) => score)), 2),
      number(median(agreements.map(({ error }) => error)), 0),
      agreements.length > 0 ? percent(median(agreements.map(({ share }) => share))) : dash,
      own.some(({ coverage }) => coverage)
        ? percent(median(own.flatMap(({ coverage }) => (coverage ? [coverage.share] : []))))
        : dash,
      tint ? tint.gain.map((value) => value.toFixed(2)).join(' ') : dash,
      tint ? tint.offset.map((value) => value.toFixed(1)).join(' ') : dash,
      lag ? (isBehind(lag) ? `${lag.lag} (${lag.best.toFixed(2)})` : `0 (${lag.now.toFixed(2)})`) : dash,
    ]
    const named = findings.some((finding) => finding.severity !== 'note' && namesCamera(finding, name))
    return `<tr${named ? ' class="look"' : ''}><th>${escapeHtml(name)}${test ? ' <small>test</small>' : ''}</th>${cells.map((cell) => `<td class="n">${cell}</td>`).join('')}</tr>`
  })
  const titles = head.map(([text = '', title = '']) => `<th title="${escapeHtml(title)}">${text}</th>`).join('')
  return `<h2>Cameras</h2><div class="wide"><table><thead><tr>${titles}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function videoTable(videos: readonly SubjectVideo[]): string {
  if (videos.length === 0) return ''
  const head = [
    'camera',
    'codec',
    'size',
    'frames',
    'a second',
    'seconds',
    'frame times',
    'missing',
    'doubled',
    'sound',
    'turned',
    'state',
  ]
  const rows = videos.map(({ name, info, reason }) => {
    const cells = info
      ? [
          ...[
            info.codec,
            `${info.width}x${info.height}`,
            `${info.frames}`,
            info.fps === null ? dash : rateText(info.fps),
          ],
          ...[number(info.seconds, 2), info.variable ? 'vary' : 'even', `${info.missing}`, `${info.repeated}`],
          ...[info.audio ? 'yes' : 'no', info.turned ?? 'no', info.damage ?? 'whole'],
        ]
      : [...new Array<string>(10).fill(dash), reason]
    const bad = !info || info.damage !== null
    return `<tr${bad ? ' class="look"' : ''}><th>${escapeHtml(name)}</th>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`
  })
  return `<h2>Videos</h2><div class="wide"><table><thead><tr>${head.map((title) => `<th>${title}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function clipTable(checks: Checks | null): string {
  if (!checks || checks.clips.length === 0) return ''
  const labels = checks.clips[0]?.seenBy.map(({ label }) => `<th>seen by ${label}</th>`).join('') ?? ''
  const rows = checks.clips.map(({ clip, points, usual, seenBy }) => {
    const total = seenBy.reduce((sum, group) => sum + group.points, 0)
    const seen = seenBy.map((group) => `<td class="n">${percent(group.points / Math.max(1, total))}</td>`).join('')
    return `<tr><th>${clip}</th><td class="n">${points}</td><td class="n">${number(usual, 2)}</td>${seen}</tr>`
  })
  return `<h2>Clips: their whole clouds against the images of their middle frames</h2><div class="wide"><table><thead><tr><th>clip</th><th>points</th><th title="median over cameras">agreement</th>${labels}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

/** Whether a finding is about a camera: the name stands alone in what it says of the place. */
export function namesCamera({ where }: Finding, name: string): boolean {
  const at = where.indexOf(name)
  return at >= 0 && !/[\w-]/.test(where[at + name.length] ?? ' ') && !/[\w-]/.test(where[at - 1] ?? ' ')
}
