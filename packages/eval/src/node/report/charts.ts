import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import type { ClipRange } from '../../clips.js'
import { type FrameMetrics, isNumber } from '../../measured.js'

export interface Chart {
  readonly title: string
  /** Columns in one chart. Those of flicker are of pairs of frames and drawn between them. */
  readonly keys: readonly string[]
  readonly unit: string
}

/** A line for each view over the frames, as SVG; clip borders are dashed. Null when no frame has a finite value. */
export function chartSvg(
  rows: readonly FrameMetrics[],
  clips: readonly ClipRange[],
  { keys, unit }: Chart,
): string | null {
  const points = rows.flatMap(({ view, frame, values }) =>
    keys.flatMap((key) => {
      const value = values[key]
      return isNumber(value) && Number.isFinite(value)
        ? [{ view, frame: key.startsWith('flicker') ? frame - 0.5 : frame, value, border: key.endsWith('_border') }]
        : []
    }),
  )
  if (!points.length) return null
  const borders = clips.map(({ first }) => first - 0.5).filter((x) => rows.some(({ frame }) => frame < x))
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const many = points.length > 400
  const svg = Plot.plot({
    document,
    width: 860,
    height: 240,
    marginLeft: 50,
    x: { label: 'frame', tickFormat: (frame: number) => (Number.isInteger(frame) ? String(frame) : '') },
    y: { label: unit || null, grid: true, nice: true },
    color: { legend: true, type: 'categorical', domain: [...new Set(rows.map(({ view }) => view))] },
    marks: [
      Plot.ruleX(borders, { strokeDasharray: '4 3', strokeOpacity: 0.4 }),
      Plot.lineY(points, { x: 'frame', y: 'value', z: 'view', stroke: 'view', strokeWidth: 1.2, strokeOpacity: 0.8 }),
      ...(many ? [] : [Plot.dot(points, { x: 'frame', y: 'value', stroke: 'view', r: 1.6 })]),
      Plot.dot(
        points.filter(({ border }) => border),
        { x: 'frame', y: 'value', fill: 'view', r: 4 },
      ),
    ],
  })
  // Namespaces are implied in HTML, and a report names no address.
  return svg.outerHTML.replace(/ xmlns(:\w+)?="[^"]*"/g, '')
}
