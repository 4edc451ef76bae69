import { expect } from 'vitest'

/** Largest |actual - expected| over what `absolute + relative |expected|` allows; NaN counts as infinite. */
export function excess(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  absolute: number,
  relative: number,
): number {
  let worst = 0
  for (let i = 0; i < expected.length; i++) {
    const ratio = Math.abs(actual[i]! - expected[i]!) / (absolute + relative * Math.abs(expected[i]!))
    if (!(ratio <= worst)) worst = Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio
  }
  return worst
}

export function expectClose(
  name: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  absolute: number,
  relative = 0,
): void {
  expect(actual.length, `${name}: length`).toBe(expected.length)
  expect(excess(actual, expected, absolute, relative), `${name}: error over tolerance`).toBeLessThanOrEqual(1)
}
