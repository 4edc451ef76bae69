import type { Seen } from './visible.js'

/** Where an image has points. */
export interface Coverage {
  /** Share of the image with a point near. */
  readonly share: number
  /** Largest parts of the image without points, largest first. */
  readonly holes: readonly { readonly place: string; readonly share: number }[]
}

/** Cells of the image's width; a cell is covered when it or one next to it has a point. */
const columns = 40
const leastHole = 0.03

/** aspect: height of the image over its width */
export function coverageOf({ places }: Seen, aspect: number): Coverage {
  const rows = Math.max(1, Math.round(columns * aspect))
  const covered = new Uint8Array(columns * rows)
  for (let i = 0; i < places.length; i += 2) {
    const x = Math.floor(places[i]! * columns)
    const y = Math.floor(places[i + 1]! * rows)
    for (let v = Math.max(0, y - 1); v <= Math.min(rows - 1, y + 1); v++) {
      for (let u = Math.max(0, x - 1); u <= Math.min(columns - 1, x + 1); u++) covered[v * columns + u] = 1
    }
  }
  const cells = columns * rows
  const holes = findHoles(covered, rows).filter(({ share }) => share >= leastHole)
  const share = covered.reduce((sum, value) => sum + value, 0) / cells
  return { share, holes: holes.sort((a, b) => b.share - a.share).slice(0, 3) }
}

/** Empty cells that hang together by their sides. */
function findHoles(covered: Uint8Array, rows: number): { place: string; share: number }[] {
  const done = covered.slice()
  const holes: { place: string; share: number }[] = []
  for (let start = 0; start < done.length; start++) {
    if (done[start]) continue
    const cells = [start]
    done[start] = 1
    let [x, y] = [0, 0]
    for (let next = 0; next < cells.length; next++) {
      const at = cells[next] ?? 0
      const [u, v] = [at % columns, Math.floor(at / columns)]
      x += (u + 0.5) / columns
      y += (v + 0.5) / rows
      for (const [du, dv] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ] as const) {
        const [a, b] = [u + du, v + dv]
        const neighbour = b * columns + a
        if (a < 0 || b < 0 || a >= columns || b >= rows || done[neighbour]) continue
        done[neighbour] = 1
        cells.push(neighbour)
      }
    }
    holes.push({ place: placeOf(x / cells.length, y / cells.length), share: cells.length / done.length })
  }
  return holes
}

/** `upper left`, `middle`, `right`; x and y in shares of the image. */
export function placeOf(x: number, y: number): string {
  const across = x < 1 / 3 ? 'left' : x > 2 / 3 ? 'right' : ''
  const down = y < 1 / 3 ? 'upper' : y > 2 / 3 ? 'lower' : ''
  if (down === '' && across === '') return 'middle'
  if (across === '') return down === 'upper' ? 'top' : 'bottom'
  return `${down} ${across}`.trim()
}

/** How many points are seen by no camera, by 1, 2, 3 to 5, and by more. */
export function seenBy(count: number, cameras: readonly Seen[]): { label: string; points: number }[] {
  const times = new Uint16Array(count)
  for (const { points } of cameras) for (const point of points) times[point]!++
  const groups = [
    { label: 'none', from: 0, to: 0 },
    { label: '1', from: 1, to: 1 },
    { label: '2', from: 2, to: 2 },
    { label: '3 to 5', from: 3, to: 5 },
    { label: '6 and more', from: 6, to: 65535 },
  ]
  return groups.map(({ label, from, to }) => ({
    label,
    points: times.reduce((sum, value) => sum + (value >= from && value <= to ? 1 : 0), 0),
  }))
}
