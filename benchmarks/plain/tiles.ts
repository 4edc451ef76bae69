// Splats in order of depth, and the list of each tile of 16x16 pixels, in plain JavaScript.
import type { View } from '@clipgstream/camera'
import type { Splats } from './splats.js'

export interface TileLists {
  /** First entry of each tile, and the end of the last. */
  starts: Uint32Array
  /** Splats of the tiles, nearest first. */
  entries: Uint32Array
}

/** Radix sort of the visible splats by the bits of z, which is positive; least significant 11 bits first. */
function sortByDepth({ z, reach }: Splats): Uint32Array {
  const visible: number[] = []
  for (let i = 0; i < reach.length; i++) if (reach[i]! > 0) visible.push(i)
  const bits = new Uint32Array(z.buffer, z.byteOffset, z.length)
  let from = Uint32Array.from(visible)
  let to = new Uint32Array(from.length)
  const places = new Uint32Array(2048)
  for (let shift = 0; shift < 33; shift += 11) {
    places.fill(0)
    for (let i = 0; i < from.length; i++) places[(bits[from[i]!]! >>> shift) & 2047]!++
    let sum = 0
    for (let d = 0; d < 2048; d++) {
      const count = places[d]!
      places[d] = sum
      sum += count
    }
    for (let i = 0; i < from.length; i++) to[places[(bits[from[i]!]! >>> shift) & 2047]!++] = from[i]!
    const swapped = from
    from = to
    to = swapped
  }
  return from
}

export function listTiles(splats: Splats, { width, height }: View): TileLists {
  const order = sortByDepth(splats)
  const columns = Math.ceil(width / 16)
  const rows = Math.ceil(height / 16)
  const starts = new Uint32Array(columns * rows + 1)
  eachTile(splats, order, columns, rows, (tile) => {
    starts[tile + 1]!++
  })
  for (let tile = 0; tile < columns * rows; tile++) starts[tile + 1]! += starts[tile]!
  const entries = new Uint32Array(starts[columns * rows]!)
  const cursors = starts.slice()
  eachTile(splats, order, columns, rows, (tile, splat) => {
    entries[cursors[tile]!++] = splat
  })
  return { starts, entries }
}

/** The tiles that a splat's ellipse meets, row by row: its extremes inside the slab of pixel centres of the row. */
function eachTile(
  { u, v, conic, reach, halfWidth, halfHeight }: Splats,
  order: Uint32Array,
  columns: number,
  rows: number,
  visit: (tile: number, splat: number) => void,
): void {
  for (let i = 0; i < order.length; i++) {
    const splat = order[i]!
    const x = u[splat]! - 0.5
    const y = v[splat]! - 0.5
    const half = halfHeight[splat]!
    const a = conic[3 * splat]!
    const b = conic[3 * splat + 1]!
    const slope = b / a
    const rest = conic[3 * splat + 2]! - b * slope
    // Where, along y, the ellipse has its rightmost point.
    const skew = -(b / conic[3 * splat + 2]!) * halfWidth[splat]!
    const firstRow = Math.max(0, Math.floor((y - half) / 16))
    const lastRow = Math.min(rows - 1, Math.floor((y + half) / 16))
    for (let row = firstRow; row <= lastRow; row++) {
      const low = Math.max(16 * row - y, -half)
      const high = Math.min(16 * row + 15 - y, half)
      if (low > high) continue
      const right = Math.max(low, Math.min(high, skew))
      const left = Math.max(low, Math.min(high, -skew))
      const toRight = Math.sqrt(Math.max(0, reach[splat]! - rest * right * right) / a) - slope * right + 0.01
      const toLeft = -Math.sqrt(Math.max(0, reach[splat]! - rest * left * left) / a) - slope * left - 0.01
      const first = Math.max(0, Math.ceil(x + toLeft)) >> 4
      const last = Math.min(columns - 1, Math.floor(x + toRight) >> 4)
      for (let column = first; column <= last; column++) visit(row * columns + column, splat)
    }
  }
}
