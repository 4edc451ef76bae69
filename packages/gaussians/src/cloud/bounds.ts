import type { Bounds } from '../contract.js'
import { countPoints } from './check.js'

/** Extremes over several clouds, [N_i, 3] each; zeros when there are no points at all. */
export function boundsOf(...clouds: readonly Float32Array[]): Bounds {
  const min: [number, number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const max: [number, number, number] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
  let points = 0
  clouds.forEach((cloud, which) => {
    points += countPoints('boundsOf', `cloud ${which}`, cloud)
    for (let i = 0; i < cloud.length; i += 3) {
      for (const axis of [0, 1, 2] as const) {
        const value = cloud[i + axis]!
        if (value < min[axis]) min[axis] = value
        if (value > max[axis]) max[axis] = value
      }
    }
  })
  return points > 0 ? { min, max } : { min: [0, 0, 0], max: [0, 0, 0] }
}

/**
 * Size of what is dense in a cloud: the diagonal of the box from the 5 % to the 95 % quantile of every axis, world units.
 * A few far outliers do not change it. positions // [N, 3]
 */
export function cloudExtent(positions: Float32Array): number {
  const n = countPoints('cloudExtent', 'positions', positions)
  if (n === 0) return 0
  const values = new Float32Array(n)
  const sides = [0, 1, 2].map((axis) => {
    for (let i = 0; i < n; i++) values[i] = positions[3 * i + axis]!
    values.sort()
    return values[Math.ceil(0.95 * (n - 1))]! - values[Math.floor(0.05 * (n - 1))]!
  })
  return Math.hypot(...sides)
}
