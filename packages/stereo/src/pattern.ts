import { ArgumentError } from '@clipgstream/tensor'
import type { PatchSettings } from './contract.js'

/** The samples of a patch as kernels read them. */
export interface Pattern {
  /** [3, 4 groups]: dx, dy, logarithm of the weight. Lanes that fill up the last group weigh nothing. */
  readonly values: Float32Array
  readonly groups: number
  /** Largest |dx|. */
  readonly reach: number
  /** The logarithm of the weight for a squared difference of grey levels. */
  readonly falloff: number
  readonly minVariance: number
}

/** Of a lane that stands for no sample: exp of it is 0. */
const nothing = -1e9

export function createPattern(patch: PatchSettings = {}): Pattern {
  const { samples = 5, spacing = 2, spatialDeviation = 1, greyDeviation = 16, minContrast = 1 } = patch
  if (!(Number.isInteger(samples) && samples % 2 === 1 && samples >= 3 && samples <= 7))
    throw new ArgumentError('patch', 'samples', samples, '3, 5 or 7')
  if (!(Number.isInteger(spacing) && spacing >= 1 && spacing <= 16))
    throw new ArgumentError('patch', 'spacing', spacing, 'an integer from 1 to 16')
  for (const [name, value] of Object.entries({ spatialDeviation, greyDeviation, minContrast })) {
    if (!(value > 0)) throw new ArgumentError('patch', name, value, 'above 0')
  }
  const half = (samples - 1) / 2
  const reach = half * spacing
  const groups = Math.ceil(samples ** 2 / 4)
  const lanes = 4 * groups
  const values = new Float32Array(3 * lanes)
  values.fill(nothing, 2 * lanes)
  for (let i = 0; i < samples ** 2; i++) {
    const dx = ((i % samples) - half) * spacing
    const dy = (Math.floor(i / samples) - half) * spacing
    values[i] = dx
    values[lanes + i] = dy
    values[2 * lanes + i] = -(dx * dx + dy * dy) / (2 * (spatialDeviation * reach) ** 2)
  }
  return { values, groups, reach, falloff: -1 / (2 * greyDeviation ** 2), minVariance: minContrast ** 2 }
}
