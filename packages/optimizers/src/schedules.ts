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

/** How learning ends. */
export interface Cooling {
  /** Fraction of the iterations at the end, in [0, 1]. */
  share: number
  /** What multiplies the rate of the last iteration, in [0, 1]. */
  factor: number
  /** Iterations in all. */
  steps: number
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

/**
 * `schedule`, and over the last `share` of `steps` iterations times a factor that falls linearly from 1 to `factor`: rates
 * that stay large find more, rates that end small settle. A share of 0 leaves the schedule as it is.
 * @throws ArgumentError when steps is not positive, or share or factor lies outside of [0, 1]
 */
export function coolingSchedule(schedule: Schedule, { share, factor, steps }: Cooling): Schedule {
  if (!(steps > 0)) throw new ArgumentError('coolingSchedule', 'steps', steps, 'positive')
  for (const [name, value] of Object.entries({ share, factor })) {
    if (!(value >= 0 && value <= 1)) throw new ArgumentError('coolingSchedule', name, value, 'in [0, 1]')
  }
  if (share === 0) return schedule
  return (iteration) => {
    const left = Math.max(steps - 1 - iteration, 0) / (share * steps)
    return schedule(iteration) * (factor + (1 - factor) * Math.min(left, 1))
  }
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
