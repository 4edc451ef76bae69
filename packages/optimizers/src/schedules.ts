import { ArgumentError } from '@clipgstream/tensor'

/** The learning rate of an iteration; the first is 0. */
export type Schedule = (iteration: number) => number

export interface ExponentialRates {
  /** At iteration 0. */
  initial: number
  /** From iteration `maxSteps` on. */
  final: number
  maxSteps: number
}

/**
 * Linear in the logarithm from `initial` to `final`: exp((1 - u) ln initial + u ln final) with u = iteration / maxSteps, at most 1.
 * Zero throughout when both ends are.
 * @throws ArgumentError when one end alone is zero, an end is negative or not finite, or maxSteps is not positive
 */
export function exponentialSchedule({ initial, final, maxSteps }: ExponentialRates): Schedule {
  rate('initial', initial)
  rate('final', final)
  if (!(maxSteps > 0)) throw new ArgumentError('exponentialSchedule', 'maxSteps', maxSteps, 'positive')
  if (initial === 0 && final === 0) return () => 0
  if (initial === 0 || final === 0) {
    const zero = initial === 0 ? 'initial' : 'final'
    throw new ArgumentError('exponentialSchedule', zero, 0, 'positive, as the other end is (or both 0)')
  }
  const ratio = final / initial
  return (iteration) => initial * ratio ** Math.min(Math.max(iteration / maxSteps, 0), 1)
}

/** The same rate at every iteration. */
export function constantSchedule(learningRate: number): Schedule {
  if (!(learningRate >= 0 && Number.isFinite(learningRate))) {
    throw new ArgumentError('constantSchedule', 'learningRate', learningRate, 'a finite number of 0 or more')
  }
  return () => learningRate
}

function rate(name: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) {
    throw new ArgumentError('exponentialSchedule', name, value, 'a finite number of 0 or more')
  }
}
