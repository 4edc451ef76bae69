import { type GridLevel, gridLayout, type HashGridConfig, originalGrid } from '@clipgstream/hashgrid'
import type { ClipState } from '../state.js'

type Indexing = HashGridConfig['indexing']

export interface TrainedTable {
  /** [N, 3] each: all anchors that the clip was trained with. */
  positions: readonly Float32Array[]
  bounds: ClipState['bounds']
  /** Times inside the clip that it was trained at. */
  times: readonly number[]
  /** [E, 4] */
  table: Float32Array
  log2TableSize: number
}

export interface IndexingEvidence {
  /** Null when the table does not tell. */
  indexing: Indexing | null
  /** What was seen, in words. */
  reason: string
}

/** The original fills tables from U(-1e-4, 1e-4); files may round to half precision. */
const largestInitial = 1.01e-4
/** Fewer entries than this show nothing. */
const enough = 100
/** Where less of the touched entries was trained, none is a reference for the others. */
const leastTrained = 0.2

interface Tally {
  entries: number
  trained: number
}

/**
 * Tells from a trained table how its corners found their entries. The gradient of an entry that no anchor touches at any
 * time is exactly zero, and Adam leaves it at its initial value. The two indexings touch different entries in the levels
 * where they differ: entries that only one of them touches are trained like the rest if it is the right one, and
 * untrained if it is not. Entries that neither touches have to be untrained; otherwise anchors, bounds or times are not
 * those of the training. Entries that are not finite are not looked at.
 */
export function indexingOf(trained: TrainedTable): IndexingEvidence {
  const levelsOf = (indexing: Indexing) => gridLayout(originalGrid(trained.log2TableSize, indexing)).levels
  const others = levelsOf('wrapping')
  const pairs = levelsOf('exact').flatMap((exact, l) => {
    const wrapping = others[l]
    return wrapping && wrapping.indexing !== exact.indexing ? [{ exact, wrapping }] : []
  })
  if (pairs.length === 0)
    return { indexing: 'exact', reason: `both indexings are the same for 2^${trained.log2TableSize} entries` }
  /** By which indexings touch an entry: 0 neither, 1 exact, 2 wrapping, 3 both. */
  const tallies = [0, 1, 2, 3].map((): Tally => ({ entries: 0, trained: 0 }))
  for (const pair of pairs) {
    const touched = new Uint8Array(pair.exact.entries)
    touch(touched, 1, pair.exact, trained)
    touch(touched, 2, pair.wrapping, trained)
    for (const [entry, by] of touched.entries()) {
      const largest = largestOf(trained.table, pair.exact.offset + entry)
      if (!Number.isFinite(largest)) continue
      const tally = tallies[by]!
      tally.entries++
      if (largest > largestInitial) tally.trained++
    }
  }
  return decide(tallies)
}

function decide([neither, exact, wrapping, both]: readonly Tally[]): IndexingEvidence {
  if (!neither || !exact || !wrapping || !both) throw new RangeError('four tallies are needed')
  const counted = [exact, wrapping, both].filter(({ entries }) => entries >= enough)
  const usual = Math.max(0, ...counted.map(rate))
  const reason = [
    `trained entries among those that only exact touches: ${said(exact)}`,
    `only wrapping: ${said(wrapping)}`,
    `both: ${said(both)}`,
    `neither: ${said(neither)}`,
  ].join('; ')
  if (usual < leastTrained) return { indexing: null, reason: `the table is hardly trained (${reason})` }
  const alike = (tally: Tally) => tally.entries < enough || rate(tally) > 0.75 * usual
  const untrained = (tally: Tally) => tally.entries < enough || rate(tally) < 0.25 * usual
  const candidates: readonly [Indexing, Tally, Tally][] = [
    ['exact', exact, wrapping],
    ['wrapping', wrapping, exact],
  ]
  const fitting = candidates.filter(([, own, other]) => alike(own) && untrained(other) && untrained(neither))
  if (fitting.length === 0) return { indexing: null, reason: `neither indexing fits (${reason})` }
  const [only, another] = fitting
  if (!only || another) return { indexing: null, reason: `both indexings touch nearly the same entries (${reason})` }
  return { indexing: only[0], reason }
}

function rate({ entries, trained }: Tally): number {
  return entries > 0 ? trained / entries : 0
}

function said({ entries, trained }: Tally): string {
  return `${trained} of ${entries}`
}

function largestOf(table: Float32Array, entry: number): number {
  let largest = 0
  for (let f = 0; f < 4; f++) largest = Math.max(largest, Math.abs(table[4 * entry + f]!))
  return largest
}

/**
 * Marks with `bit` the entries of the level's 16 corners around every anchor at every time. The level has 2^log2 entries,
 * as all levels have that the indexings differ in.
 */
function touch(touched: Uint8Array, bit: number, level: GridLevel, { positions, bounds, times }: TrainedTable): void {
  const [fx, fy, fz, ft] = level.factors
  const hashed = level.indexing === 'hashed'
  const mask = level.entries - 1
  const cell = (x: number, scale: number) => Math.floor(Math.fround(scale * x + 0.5))
  const moments = ft === 0 ? [0] : times.map((t) => cell(Math.fround(t), level.timeScale))
  const low = Float32Array.from(bounds.min)
  const high = Float32Array.from(bounds.max)
  const point = new Float32Array(3)
  for (const anchors of positions) {
    for (let n = 0; n < anchors.length; n += 3) {
      for (let a = 0; a < 3; a++) {
        const extent = Math.fround(high[a]! - low[a]!)
        point[a] = Math.fround(anchors[n + a]! - low[a]!) / extent
      }
      // As in the encoding: a row with a component outside touches nothing.
      if (!point.every((x) => x >= 0 && x <= 1)) continue
      const x = Math.imul(cell(point[0]!, level.scale), fx)
      const y = Math.imul(cell(point[1]!, level.scale), fy)
      const z = Math.imul(cell(point[2]!, level.scale), fz)
      for (const moment of moments) {
        const t = Math.imul(moment, ft)
        for (let c = 0; c < 16; c++) {
          const cx = c & 1 ? x + fx : x
          const cy = c & 2 ? y + fy : y
          const cz = c & 4 ? z + fz : z
          const ct = c & 8 ? t + ft : t
          touched[(hashed ? cx ^ cy ^ cz ^ ct : cx + cy + cz + ct) & mask]! |= bit
        }
      }
    }
  }
}
