import { expect, it } from 'vitest'
import { PairCapacity } from '../src/capacity.js'

const most = 2 ** 30

it('guesses from the Gaussians first, then leaves a quarter over what was wanted', () => {
  const capacity = new PairCapacity(most)
  expect(capacity.next(0)).toBe(16384)
  expect(capacity.next(1_000_000)).toBe(8_011_776)
  expect(capacity.next(100_000_000)).toBe(2 ** 25)
  capacity.learn(3_500_000, capacity.next(1_000_000))
  expect(capacity.next(1_000_000)).toBe(4_390_912)
  expect(capacity.overflows).toBe(0)
})

it('grows at once, shrinks slowly, and counts overflows', () => {
  const capacity = new PairCapacity(most)
  capacity.learn(1_000_000, 500_000)
  expect(capacity.overflows).toBe(1)
  const large = capacity.next(1)
  expect(large).toBeGreaterThanOrEqual(1_250_000)
  capacity.learn(10, large)
  expect(capacity.next(1)).toBeGreaterThanOrEqual(1_225_000)
  for (let pass = 0; pass < 500; pass++) capacity.learn(10, large)
  expect(capacity.next(1)).toBe(16384)
  expect(capacity.overflows).toBe(1)
})

it('has a limit', () => {
  const capacity = new PairCapacity(2 ** 25)
  capacity.learn(2 ** 40, 1)
  expect(capacity.next(1)).toBe(2 ** 25)
})

it('looks at the first passes, then at one in eight', () => {
  const capacity = new PairCapacity(most)
  const looks = Array.from({ length: 25 }, (_, pass) => (capacity.isWorthALook() ? pass : -1))
  expect(looks.filter((pass) => pass >= 0)).toEqual([0, 1, 2, 3, 8, 16, 24])
})
