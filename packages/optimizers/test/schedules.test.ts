import { constantSchedule, coolingSchedule, exponentialSchedule } from '@clipgstream/optimizers'
import { describe, expect, it } from 'vitest'

describe('exponential schedule', () => {
  // The rates that the original reaches with a decay over 200000 steps: at 0, 5000 and 10880.
  it.each([
    ['field', 2e-4, 2e-6, [2.0e-4, 1.783e-4, 1.557e-4]],
    ['offset and colour decoder', 8e-3, 5e-5, [8.0e-3, 7.047e-3, 6.07e-3]],
    ['opacity decoder', 2e-3, 2e-5, [2.0e-3, 1.783e-3, 1.557e-3]],
  ])('of the %s', (_, initial, final, expected) => {
    const schedule = exponentialSchedule({ initial, final, maxSteps: 200_000 })
    for (const [i, iteration] of [0, 5000, 10880].entries()) {
      expect(schedule(iteration).toExponential(3)).toBe(expected[i]!.toExponential(3))
    }
  })

  it('is exp((1 - u) ln initial + u ln final), and stays at its end', () => {
    const schedule = exponentialSchedule({ initial: 0.008, final: 0.00005, maxSteps: 1000 })
    for (const iteration of [0, 1, 250, 999, 1000]) {
      const u = iteration / 1000
      expect(schedule(iteration) / Math.exp((1 - u) * Math.log(0.008) + u * Math.log(0.00005))).toBeCloseTo(1, 12)
    }
    expect(schedule(0)).toBe(0.008)
    expect(schedule(5000)).toBe(schedule(1000))
    expect(schedule(-5)).toBe(0.008)
  })

  it('keeps equal ends exactly, and zero if both are', () => {
    expect(exponentialSchedule({ initial: 0.004, final: 0.004, maxSteps: 10 })(3)).toBe(0.004)
    expect(exponentialSchedule({ initial: 0, final: 0, maxSteps: 10 })(3)).toBe(0)
    expect(constantSchedule(0.0075)(123)).toBe(0.0075)
  })

  it('refuses what has no logarithm', () => {
    const make = (initial: number, final: number, maxSteps: number) => () =>
      exponentialSchedule({ initial, final, maxSteps })
    expect(make(0, 1, 10)).toThrow('initial must be positive, as the other end is (or both 0), got 0')
    expect(make(1, 0, 10)).toThrow('final must be positive, as the other end is (or both 0), got 0')
    expect(make(-1, 1, 10)).toThrow('initial must be a finite number of 0 or more, got -1')
    expect(make(1, Number.NaN, 10)).toThrow('final must be a finite number of 0 or more, got NaN')
    expect(make(1, 1, 0)).toThrow('maxSteps must be positive, got 0')
    expect(() => constantSchedule(-1)).toThrow('learningRate must be a finite number of 0 or more, got -1')
  })
})

describe('cooling schedule', () => {
  const half = constantSchedule(0.5)

  it('falls linearly over the share at the end, down to the factor', () => {
    const schedule = coolingSchedule(half, { share: 0.4, factor: 0.1, steps: 10 })
    const factors = [1, 1, 1, 1, 1, 1, 0.775, 0.55, 0.325, 0.1].map((one, i) => [i, 0.5 * one] as const)
    for (const [i, expected] of factors) expect(schedule(i)).toBeCloseTo(expected, 12)
    expect(schedule(20)).toBeCloseTo(0.05, 12)
  })

  it('leaves the rates alone without a share', () => {
    expect(coolingSchedule(half, { share: 0, factor: 0.1, steps: 10 })).toBe(half)
  })

  it('refuses shares and factors outside of [0, 1], and no steps', () => {
    const make = (share: number, factor: number, steps: number) => () => coolingSchedule(half, { share, factor, steps })
    expect(make(1.5, 0.1, 10)).toThrow('share must be in [0, 1], got 1.5')
    expect(make(0.5, Number.NaN, 10)).toThrow('factor must be in [0, 1], got NaN')
    expect(make(0.5, 0.1, 0)).toThrow('steps must be positive, got 0')
  })
})
