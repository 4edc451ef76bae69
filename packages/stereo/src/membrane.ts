/** Cells in rows, and how likely a surface goes on from one to the next. */
export interface Membrane {
  readonly columns: number
  /** [rows, columns] 1 where values are known */
  readonly known: Uint8Array
  /** [rows, columns] weight of a cell and the one to its right, of a cell and the one below */
  readonly rightwards: Float64Array
  readonly downwards: Float64Array
}

/** [rows, columns] each: change of a value from a cell to the one to its right, and to the one below. */
export interface Slopes {
  readonly slopeX: Float64Array
  readonly slopeY: Float64Array
}

const sweeps = 300
/** Successive over-relaxation. */
const relaxation = 1.8

/** Fills what is not known: a cell becomes the weighted mean of what those around, and the slopes between, say of it. */
export function fill({ columns, known, rightwards, downwards }: Membrane, values: Float64Array, slopes?: Slopes): void {
  const start = meanOf(values, known)
  const unknown = Int32Array.from(known.keys()).filter((at) => known[at] === 0)
  for (const at of unknown) values[at] = start
  // Of each unknown cell those to the left, right, above and below; itself, which weighs nothing, where there is none.
  const around = new Int32Array(4 * unknown.length)
  const weights = new Float64Array(4 * unknown.length)
  const sums = new Float64Array(unknown.length)
  const rises = new Float64Array(unknown.length)
  unknown.forEach((at, i) => {
    const link = (side: number, other: number, weight: number | undefined, along: 'slopeX' | 'slopeY') => {
      around[4 * i + side] = weight ? other : at
      if (!weight) return
      weights[4 * i + side] = weight
      sums[i] = sums[i]! + weight
      if (!slopes) return
      const rise = 0.5 * (slopes[along][at]! + slopes[along][other]!)
      rises[i] = rises[i]! + weight * (other < at ? rise : -rise)
    }
    link(0, at - 1, at % columns > 0 ? rightwards[at - 1] : 0, 'slopeX')
    link(1, at + 1, rightwards[at], 'slopeX')
    link(2, at - columns, downwards[at - columns], 'slopeY')
    link(3, at + columns, downwards[at], 'slopeY')
  })
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let i = 0, link = 0; i < unknown.length; i++, link += 4) {
      const at = unknown[i]!
      const sum =
        rises[i]! +
        weights[link]! * values[around[link]!]! +
        weights[link + 1]! * values[around[link + 1]!]! +
        weights[link + 2]! * values[around[link + 2]!]! +
        weights[link + 3]! * values[around[link + 3]!]!
      values[at] = values[at]! + relaxation * (sum / sums[i]! - values[at]!)
    }
  }
}

function meanOf(values: Float64Array, known: Uint8Array): number {
  let [sum, count] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    if (known[i] === 0) continue
    sum += values[i]!
    count++
  }
  return count > 0 ? sum / count : 0
}
