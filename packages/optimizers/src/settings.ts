import { ArgumentError } from '@clipgstream/tensor'
import type { AdamStep } from './contract.js'

/** What a kernel needs of one step, corrections of the bias included. */
export interface AdamNumbers {
  /** learningRate / (1 - beta1^step) */
  stepSize: number
  /** 1 / sqrt(1 - beta2^step) */
  rootScale: number
  epsilon: number
  beta1: number
  beta2: number
  lazy: boolean
  /** First row and one past the last. */
  rows: readonly [number, number]
  /** Null: gradients are used as they are. */
  gradientLimit: number | null
}

/** Checks the settings of a step on a parameter of `rowCount` rows. Throws ArgumentError. */
export function adamNumbers(settings: AdamStep, rowCount: number): AdamNumbers {
  const { learningRate, step, epsilon, beta1 = 0.9, beta2 = 0.999, lazy = false, gradientLimit = null } = settings
  const { rows = [0, rowCount] } = settings
  ensure(
    learningRate >= 0 && Number.isFinite(learningRate),
    'learningRate',
    learningRate,
    'a finite number of 0 or more',
  )
  ensure(Number.isSafeInteger(step) && step >= 1, 'step', step, 'an integer of 1 or more')
  // As f32, where a smaller one would be zero and 0 / 0 follow.
  ensure(epsilon >= 2 ** -126 && Number.isFinite(epsilon), 'epsilon', epsilon, 'a finite number of 1.2e-38 or more')
  ensure(beta1 >= 0 && beta1 < 1, 'beta1', beta1, 'in [0, 1)')
  ensure(beta2 >= 0 && beta2 < 1, 'beta2', beta2, 'in [0, 1)')
  ensure(gradientLimit === null || gradientLimit > 0, 'gradientLimit', gradientLimit, 'positive')
  const [first, last] = rows
  const fits = Number.isInteger(first) && Number.isInteger(last) && first >= 0 && first <= last && last <= rowCount
  ensure(fits, 'rows', `[${first}, ${last}]`, `ascending integers in [0, ${rowCount}]`)
  const stepSize = learningRate / (1 - power(beta1, step))
  const rootScale = 1 / Math.sqrt(1 - power(beta2, step))
  return { stepSize, rootScale, epsilon, beta1, beta2, lazy, rows, gradientLimit }
}

/** By repeated squaring: `**` may differ between engines in the last bit. */
function power(base: number, exponent: number): number {
  let result = 1
  let square = base
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square
    square *= square
  }
  return result
}

function ensure(holds: boolean, argument: string, value: unknown, expected: string): void {
  if (!holds) throw new ArgumentError('adam.step', argument, value, expected)
}
