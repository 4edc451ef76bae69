import { expect, it } from 'vitest'
import { PairCapacity, pairsOf } from '../src/capacity.js'

it('guesses from the Gaussians first, then leaves a quarter over what was wanted', () => {
  const capacity = new PairCapacity()
  expect(capacity.next(0)).toBe(16384)
  expect(capacity.next(1_000_000)).toBe(8_011_776)
  expect(capacity.next(100_000_000)).toBe(2 ** 25)
  capacity.learn(3_500_000, capacity.next(1_000_000))
  expect(capacity.next(1_000_000)).toBe(4_390_912)
  expect(capacity.overflows).toBe(0)
})

it('grows at once, shrinks slowly, and counts overflows', () => {
  const capacity = new PairCapacity()
  capacity.learn(1_000_000, 500_000)
  expect(capacity.overflows).toBe(1)
  const large = capacity.next(1)
  expect(large).toBeGreaterThanOrEqual(1_250_000)
  capacity.learn(10, large)
  expect(capacity.next(1)).toBeGreaterThanOrEqual(1_225_000)
  for (let pass = 0; pass < 1000; pass++) capacity.learn(10, large)
  expect(capacity.next(1)).toBe(16384)
  expect(capacity.overflows).toBe(1)
})

it('has a limit', () => {
  const capacity = new PairCapacity()
  capacity.learn(2 ** 40, 1)
  expect(capacity.next(1)).toBe(2 ** 30)
})

it('says when lists of a certain length serve no longer', () => {
  const capacity = new PairCapacity()
  expect(capacity.known).toBe(false)
  expect(capacity.suits(2 ** 30, 1000)).toBe(false)
  capacity.learn(1_000_000, capacity.next(1_000_000))
  expect(capacity.known).toBe(true)
  const graph = capacity.next(1_000_000)
  expect(capacity.suits(graph, 1_000_000)).toBe(true)
  capacity.learn(graph, graph)
  expect(capacity.suits(graph, 1_000_000)).toBe(true)
  capacity.learn(graph + 1, graph)
  expect(capacity.suits(graph, 1_000_000)).toBe(false)
  // A guess of 8 pairs a Gaussian where far fewer were needed.
  const sparse = new PairCapacity()
  const guess = sparse.next(1_000_000)
  sparse.learn(100_000, guess)
  expect(sparse.suits(guess, 1_000_000)).toBe(false)
})

it('reads counts of more than 32 bits', () => {
  expect(pairsOf(Uint32Array.of(5, 1, 9, 9))).toBe(2 ** 32 + 5)
})
