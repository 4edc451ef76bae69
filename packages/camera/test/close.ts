import { expect } from 'vitest'

/** Every number of `actual` is close to that of `expected`. */
export function expectClose(actual: readonly number[], expected: readonly number[], digits = 9): void {
  expect(actual).toHaveLength(expected.length)
  for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i]!, digits)
}
