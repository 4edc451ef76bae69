import { matchLight, type RgbPicture } from '@clipgstream/stereo'
import { createRandom } from '@clipgstream/tensor'
import { describe, expect, it } from 'vitest'

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** The fit of a channel, literally; of pictures with at most 8192 pixels, all of which are looked at. */
function fitOf(data: readonly number[], like: readonly number[]): { gain: number; offset: number } {
  const useful = data
    .map((b, i) => [like[i]!, b] as const)
    .filter(([a, b]) => Math.min(a, b) >= 4 && Math.max(a, b) <= 251)
  const same = { gain: 1, offset: 0 }
  if (useful.length < 64) return same
  let fit = { gain: median(useful.map(([a, b]) => b / a)), offset: 0 }
  for (let round = 0; round < 6; round++) {
    const { gain, offset } = fit
    const residuals = useful.map(([a, b]) => Math.abs(gain * a + offset - b))
    const limit = Math.max(2, 2 * median(residuals))
    const kept = useful.filter((_, i) => residuals[i]! <= limit)
    const sum = (of: (a: number, b: number) => number) => kept.reduce((total, [a, b]) => total + of(a, b), 0)
    const [n, x, y] = [kept.length, sum((a) => a), sum((_, b) => b)]
    const spread = sum((a) => a * a) - (x * x) / n
    const slope = spread > 25 * n ? (sum((a, b) => a * b) - (x * y) / n) / spread : gain
    fit = { gain: slope, offset: (y - slope * x) / n }
  }
  return fit.gain > 0.25 && fit.gain < 4 ? fit : same
}

function literally(image: RgbPicture, like: RgbPicture): Uint8Array {
  const channel = ({ data }: RgbPicture, c: number) => [...data].filter((_, i) => i % 3 === c)
  const fits = [0, 1, 2].map((c) => fitOf(channel(image, c), channel(like, c)))
  return image.data.map((value, i) => {
    const { gain, offset } = fits[i % 3]!
    return Math.max(0, Math.min(255, Math.round((value - offset) / gain)))
  })
}

const byte = (value: number) => Math.max(0, Math.min(255, Math.round(value)))
const [width, height] = [61, 43]
const picture = (of: (i: number) => number): RgbPicture => ({
  ...{ width, height },
  data: Uint8Array.from({ length: 3 * width * height }, (_, i) => byte(of(i))),
})

describe('the light of a picture', () => {
  it('is what the formula says: of noise, of what moves, of what is clipped, of other pictures', () => {
    const random = createRandom(5)
    const still = picture(() => 255 * random.uniform())
    const lit = (gain: number, offset: number, noise: number, moving: number) =>
      picture((i) =>
        random.uniform() < moving ? 255 * random.uniform() : gain * still.data[i]! + offset + noise * random.normal(),
      )
    const cases = [
      lit(1, 0, 0, 0),
      lit(1, 0, 0.4, 0.1),
      lit(1.3, -12, 2, 0.3),
      lit(0.6, 20, 8, 0.45),
      // More than half of the values are clipped.
      lit(3, 0, 1, 0),
      lit(0.1, 0, 1, 0),
      picture(() => 255 * random.uniform()),
    ]
    for (const image of cases) expect(matchLight(image, still).data).toEqual(literally(image, still))
  })

  it('stays where there is nothing that tells it: too little that is not clipped, or no gain that could be', () => {
    const random = createRandom(7)
    const still = picture(() => 4 + 247 * random.uniform())
    // 63 pixels of each channel are not clipped, of the other one all but the same.
    const clipped = picture((i) => (i < 3 * 63 ? 0.5 * still.data[i]! + 4 : i % 2 === 0 ? 255 : 0))
    expect(matchLight(clipped, still)).toEqual(clipped)
    expect(matchLight(still, clipped)).toEqual(still)
    const one = picture((i) => (i < 3 * 64 ? 0.5 * still.data[i]! + 4 : i % 2 === 0 ? 255 : 0))
    expect(matchLight(one, still)).not.toEqual(one)
    // Five times as bright.
    const dark = picture((i) => 4 + (still.data[i]! % 46))
    const bright = picture((i) => 5 * dark.data[i]!)
    expect(matchLight(bright, dark)).toEqual(bright)
  })

  it('of what is clipped at one end is told by the rest', () => {
    const still = picture((i) => i % 250)
    const bright = picture((i) => 1.6 * still.data[i]!)
    const matched = matchLight(bright, still).data
    const errors = matched.map((value, i) => (bright.data[i]! < 255 ? Math.abs(value - still.data[i]!) : 0))
    expect(Math.max(...errors)).toBeLessThanOrEqual(1)
  })
})
