// Adam in plain JavaScript.
import type { AdamStep } from '@clipgstream/optimizers'

export interface PlainAdamState {
  parameter: Float32Array
  gradient: Float32Array
  m: Float32Array
  v: Float32Array
}

/** One step; sets the gradient to zero. Rows have `width` values and matter only when `lazy`. */
export function plainAdam({ parameter, gradient, m, v }: PlainAdamState, settings: AdamStep, width: number): void {
  const { learningRate, step, epsilon, beta1 = 0.9, beta2 = 0.999, lazy = false } = settings
  const rate = learningRate / (1 - beta1 ** step)
  const root = 1 / Math.sqrt(1 - beta2 ** step)
  const unit = lazy ? width : parameter.length
  for (let row = 0; row < parameter.length; row += unit) {
    const end = row + unit
    if (lazy) {
      let touched = false
      for (let i = row; i < end && !touched; i++) touched = gradient[i] !== 0
      if (!touched) continue
    }
    for (let i = row; i < end; i++) {
      const g = gradient[i]!
      const mean = beta1 * m[i]! + (1 - beta1) * g
      const square = beta2 * v[i]! + (1 - beta2) * g * g
      m[i] = mean
      v[i] = square
      parameter[i]! -= (rate * mean) / (Math.sqrt(square) * root + epsilon)
      gradient[i] = 0
    }
  }
}
