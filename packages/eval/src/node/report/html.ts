import type { ClipRange } from '../../clips.js'
import type { FrameMetrics } from '../../measured.js'
import type { Summary } from '../../summary.js'
import { colorRows, formatRatio, formatValue, tableRows, viewLabel } from '../../tables.js'
import { type Chart, chartSvg } from './charts.js'
import { pageScript, pageStyle } from './page.js'
import { brightestError, type Pictures } from './pictures.js'

export interface ReportContent {
  readonly title: string
  readonly summary: Summary
  readonly rows: readonly FrameMetrics[]
  readonly clips: readonly ClipRange[]
  readonly pictures: readonly Pictures[]
}

/** One HTML page that needs nothing else: figures, charts over frames, and images to compare. */
export function reportHtml({ title, summary, rows, clips, pictures }: ReportContent): string {
  const nets = summary.columns.filter(({ key }) => key.startsWith('lpips'))
  const charts: Chart[] = [
    { title: 'PSNR', keys: ['psnr'], unit: 'dB' },
    { title: '(1 - SSIM) / 2', keys: ['dssim1'], unit: '' },
    ...nets.map(({ key, title }) => ({ title, keys: [key], unit: '' })),
    {
      title: 'Flicker of static pixels; large dots are clip borders',
      keys: ['flicker', 'flicker_border'],
      unit: '/255',
    },
  ]
  const drawn = charts.flatMap((chart) => {
    const svg = chartSvg(rows, clips, chart)
    return svg ? [`<section><h2>${escapeHtml(chart.title)}</h2>${svg}</section>`] : []
  })
  const { average } = summary
  const exact = average.exact
    ? [`${average.exact} of ${average.frames} frames equal the truth; mean PSNR is without them`]
    : []
  const notes = [...exact, ...summary.notes].map((note) => `<li>${escapeHtml(note)}</li>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<section>${table(summary)}${notes.length ? `<ul class="notes">${notes.join('')}</ul>` : ''}</section>
<section><h2>Colours: what the map that fits a view best over a clip does to grey</h2>${colorTable(summary)}</section>
${drawn.join('\n')}
${pictures.length ? `<section><h2>Images</h2><p>Left of the line the render, right the ground truth. Below, the difference: white from ${brightestError} levels of 255 on.</p><div class="exhibits">${pictures.map(figure).join('')}</div></section>` : ''}
<script>${pageScript}</script>
</body>
</html>
`
}

function table(summary: Summary): string {
  const head = summary.columns.map(
    ({ key, title, unit, better }) =>
      `<th title="${escapeHtml(title)}, ${better} is better">${escapeHtml(key)}${unit ? ` <small>${escapeHtml(unit)}</small>` : ''}</th>`,
  )
  const body = tableRows(summary).map(({ label, means }) => {
    const cells = summary.columns.map((column) => `<td>${formatValue(means.values[column.key], column)}</td>`)
    const kind = label === 'average' ? ' class="average"' : ''
    return `<tr${kind}><th>${escapeHtml(label)}</th><td>${means.frames}</td>${cells.join('')}<td>${formatRatio(means)}</td></tr>`
  })
  return `<div class="wide"><table><thead><tr><th></th><th>frames</th>${head.join('')}<th title="flicker across clip borders divided by flicker within clips">border/within</th></tr></thead><tbody>${body.join('')}</tbody></table></div>`
}

function colorTable(summary: Summary): string {
  const [head = [], ...rows] = colorRows(summary)
  const body = rows.map(
    ([view = '', ...cells]) =>
      `<tr><th>${escapeHtml(view)}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`,
  )
  return `<div class="wide"><table><thead><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
}

function figure({ exhibit, render, truth, error }: Pictures): string {
  const { view, frame, psnr } = exhibit
  const name = `${viewLabel(view)}, frame ${frame}`
  const { width, height } = exhibit.render
  const size = `width="${width}" height="${height}"`
  return `<figure><div class="compare"><img src="${truth}" ${size} alt="${escapeHtml(name)}, ground truth"><img class="render" src="${render}" ${size} alt="${escapeHtml(name)}, render"><input type="range" min="0" max="100" value="50" step="0.1" aria-label="${escapeHtml(name)}: from ground truth to render"></div><img class="error" src="${error}" ${size} alt="${escapeHtml(name)}, difference"><figcaption>${escapeHtml(name)}, PSNR ${formatValue(psnr, { unit: 'dB' })} dB</figcaption></figure>`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
