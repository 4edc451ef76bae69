// One step of Adam in double precision, as plain as the algorithm.
import type { AdamStep } from '@clipgstream/optimizers'

export interface AdamArrays {
  parameter: Float64Array
  gradient: Float64Array
  m: Float64Array
  v: Float64Array
}

/** The arrays after a step, and 1 where an element was stepped; rows have `width` elements. */
export function oracleStep(
  before: AdamArrays,
  width: number,
  settings: AdamStep,
): AdamArrays & { stepped: Float64Array } {
  const { learningRate, step, epsilon, beta1 = 0.9, beta2 = 0.999, lazy = false, gradientLimit } = settings
  const [parameter, gradient, m, v] = [before.parameter, before.gradient, before.m, before.v].map((a) => a.slice()) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const stepped = new Float64Array(parameter.length)
  const [first, last] = settings.rows ?? [0, parameter.length / width]
  for (let row = first; row < last; row++) {
    const elements = Array.from({ length: width }, (_, j) => row * width + j)
    for (const i of elements) {
      if (gradientLimit === undefined) continue
      const g = Number.isNaN(gradient[i]) ? 0 : gradient[i]!
      gradient[i] = Math.min(gradientLimit, Math.max(-gradientLimit, g))
    }
    if (lazy && elements.every((i) => gradient[i] === 0)) continue
    for (const i of elements) {
      stepped[i] = 1
      const g = gradient[i]!
      m[i] = beta1 * m[i]! + (1 - beta1) * g
      v[i] = beta2 * v[i]! + (1 - beta2) * g * g
      const mHat = m[i]! / (1 - beta1 ** step)
      const vHat = v[i]! / (1 - beta2 ** step)
      parameter[i] = parameter[i]! - (learningRate * mHat) / (Math.sqrt(vHat) + epsilon)
    }
  }
  gradient.fill(0)
  return { parameter, gradient, m, v, stepped }
}
