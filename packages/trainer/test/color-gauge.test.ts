import { createRandom } from '@clipgstream/tensor'
import { expect, it } from 'vitest'
import { centreColorMaps } from '../src/color-gauge.js'

it('the mean of centred colour maps is the identity, and their differences stay', () => {
  const random = createRandom(3)
  const before = Float32Array.from({ length: 5 * 12 }, () => 2 * random.uniform() - 1)
  const after = before.slice()
  centreColorMaps(after)
  for (let j = 0; j < 12; j++) {
    const column = [0, 1, 2, 3, 4].map((camera) => after[12 * camera + j]!)
    expect(column.reduce((sum, value) => sum + value / 5, 0)).toBeCloseTo([0, 5, 10].includes(j) ? 1 : 0, 6)
    for (let camera = 1; camera < 5; camera++)
      expect(column[camera]! - column[0]!).toBeCloseTo(before[12 * camera + j]! - before[j]!, 6)
  }
})
