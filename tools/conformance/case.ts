import type { Device } from '@clipgstream/tensor'

export type Values = Float32Array | Float64Array | Int32Array | Uint32Array

/** |actual - expected| <= absolute + relative |expected|, but for a fraction `flips` of the elements. */
export interface Tolerance {
  absolute: number
  relative: number
  /** Fraction of elements that may lie outside, because a threshold fell the other way; 0 when left out. */
  flips?: number
  /** Bound of those, absolute. */
  flipLimit?: number
}

/** One seeded problem that every device must solve alike. */
export interface ConformanceCase {
  /** `hashgrid.forward` */
  operator: string
  /** Sizes and what is special: `100k points, 16 levels, T 2^17`. */
  name: string
  /** `small` cases are borne by a software adapter, and have an oracle unless they are searches. */
  size: 'small' | 'full'
  /** By output name. The contract of the operator says why. */
  tolerance: Readonly<Record<string, Tolerance>>
  /** Runs the case on a device. */
  run(device: Device): Promise<Record<string, Values>>
  /** The same in float64, as plain as the formula. */
  oracle?(): Record<string, Values>
}

export interface Difference {
  output: string
  max: number
  mean: number
  outside: number
  passed: boolean
}

/** Compares every output that has a tolerance; a missing output, a wrong length or a NaN fails. */
export function compare(
  actual: Record<string, Values>,
  expected: Record<string, Values>,
  tolerance: ConformanceCase['tolerance'],
): Difference[] {
  return Object.entries(tolerance).map(([output, { absolute, relative, flips = 0, flipLimit = 0 }]) => {
    const a = actual[output]
    const e = expected[output]
    if (!a || !e || a.length !== e.length)
      return { output, max: Number.NaN, mean: Number.NaN, outside: Number.NaN, passed: false }
    let max = 0
    let sum = 0
    let outside = 0
    let beyond = 0
    for (let i = 0; i < a.length; i++) {
      const difference = Object.is(a[i], e[i]) ? 0 : Math.abs(a[i]! - e[i]!)
      sum += difference
      if (!(difference <= max)) max = difference
      if (!(difference <= absolute + relative * Math.abs(e[i]!))) {
        outside++
        if (!(difference <= flipLimit)) beyond++
      }
    }
    const passed = beyond === 0 && outside <= flips * a.length
    return { output, max, mean: a.length ? sum / a.length : 0, outside, passed }
  })
}
