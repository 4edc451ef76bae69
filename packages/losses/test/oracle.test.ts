import { expect, it } from 'vitest'
import { pictures } from './inputs.js'
import { photometric, photometricGradient } from './oracle.js'

it('the gradient of the oracle is that of its terms', () => {
  const { image, target } = pictures(13, 12, 3)
  const weights = { l1: 0.8, dssim: 0.2 }
  const exact = Float64Array.from(image)
  const loss = () => {
    const [l1, ssim] = photometric(exact, target, 13, 12)
    return weights.l1 * l1 + weights.dssim * (1 - ssim)
  }
  const gradient = photometricGradient(exact, target, 13, 12, weights)
  const step = 1e-6
  for (let i = 0; i < exact.length; i += 7) {
    const value = exact[i]!
    exact[i] = value + step
    const above = loss()
    exact[i] = value - step
    const below = loss()
    exact[i] = value
    expect((above - below) / (2 * step)).toBeCloseTo(gradient[i]!, 8)
  }
})
