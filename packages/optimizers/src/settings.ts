import { ArgumentError } from '@clipgstream/tensor'
import type { AdamRate, AdamSettings } from './contract.js'

/** What a kernel needs of the settings. */
export interface AdamNumbers {
  epsilon: number
  beta1: number
  beta2: number
  lazy: boolean
  /** First row and one past the last. */
  rows: readonly [number, number]
  /** Null: gradients are used as they are. */
  gradientLimit: number | null
}

/**
 * What {@link Adam.stepAll} takes of each group's rate, bias corrections included.
 * // [groups, 2] learningRate / (1 - beta1^step), 1 / sqrt(1 - beta2^step)
 * @throws ArgumentError for a value out of its range
 */
export function adamRates(rates: readonly AdamRate[]): Float32Array<ArrayBuffer> {
  const numbers = new Float32Array(2 * rates.length)
  rates.forEach(({ learningRate, step, beta1 = 0.9, beta2 = 0.999 }, i) => {
    const isRate = learningRate >= 0 && Number.isFinite(learningRate)
    ensure(isRate, 'learningRate', learningRate, 'a finite number of 0 or more')
    ensure(Number.isSafeInteger(step) && step >= 1, 'step', step, 'an integer of 1 or more')
    ensureDecay('beta1', beta1)
    ensureDecay('beta2', beta2)
    numbers[2 * i] = learningRate / (1 - power(beta1, step))
    numbers[2 * i + 1] = 1 / Math.sqrt(1 - power(beta2, step))
  })
  return numbers
}

/** Checks the settings for a parameter of `rowCount` rows. Throws ArgumentError. */
export function adamNumbers(settings: AdamSettings, rowCount: number): AdamNumbers {
  const { epsilon, beta1 = 0.9, beta2 = 0.999, lazy = false, gradientLimit = null, rows = [0, rowCount] } = settings
  // As f32, where a smaller one would be zero and 0 / 0 follow.
  ensure(epsilon >= 2 ** -126 && Number.isFinite(epsilon), 'epsilon', epsilon, 'a finite number of 1.2e-38 or more')
  ensureDecay('beta1', beta1)
  ensureDecay('beta2', beta2)
  ensure(gradientLimit === null || gradientLimit > 0, 'gradientLimit', gradientLimit, 'positive')
  const [first, last] = rows
  const fits = Number.isInteger(first) && Number.isInteger(last) && first >= 0 && first <= last && last <= rowCount
  ensure(fits, 'rows', `[${first}, ${last}]`, `ascending integers in [0, ${rowCount}]`)
  return { epsilon, beta1, beta2, lazy, rows, gradientLimit }
}

function ensureDecay(name: string, value: number): void {
  ensure(value >= 0 && value < 1, name, value, 'in [0, 1)')
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
