import { matchLight, motionMask, stillPicture, temporalMedian } from '@clipgstream/stereo'
import { createRandom } from '@clipgstream/tensor'
import { describe, expect, it } from 'vitest'

function flat(width: number, height: number, value: (x: number, y: number) => number) {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) =>
    value(Math.floor(i / 3) % width, Math.floor(i / 3 / width)),
  )
  return { width, height, data }
}

/** A picture with all levels, and a bright bar from `at` on that covers `part` of it. */
function scene(at: number, part: number, light: (value: number) => number = (value) => value) {
  const [width, height] = [64, 48]
  const inBar = (x: number) => (x - at + width) % width < part * width
  return flat(width, height, (x, y) => Math.round(light(inBar(x) ? 200 + (y % 3) : 30 + ((7 * x + 11 * y) % 120))))
}

describe('pictures', () => {
  it('without what moves are the median over time, and what moves is where they differ', () => {
    const still = flat(20, 10, (x) => 5 * x)
    const frames = [2, 6, 10, 14, 18].map((at) => flat(20, 10, (x, y) => (Math.abs(x - at) < 2 && y > 3 ? 250 : 5 * x)))
    expect(temporalMedian(frames)).toEqual(still)
    const mask = motionMask(frames[2]!, still, { margin: 1 })
    const rows = Array.from({ length: 10 }, (_, y) =>
      [...mask.subarray(20 * y, 20 * y + 20)].map((v) => (v ? 'x' : '.')).join(''),
    )
    expect(rows).toMatchInlineSnapshot(`
      [
        "....................",
        "....................",
        ".......xxxxxxx......",
        ".......xxxxxxx......",
        ".......xxxxxxx......",
        ".......xxxxxxx......",
        ".......xxxxxxx......",
        ".......xxxxxxx......",
        ".......xxxxxxx......",
        ".......xxxxxxx......",
      ]
    `)
    expect(motionMask(still, still).some((value) => value !== 0)).toBe(false)
    expect(() => temporalMedian([])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: temporalMedian: frames must be at least one picture, got none]`,
    )
    expect(() =>
      motionMask(
        frames[0]!,
        flat(5, 5, () => 0),
      ),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: motionMask: image must be 5 x 5 pixels of three bytes, got 20 x 10 (600 bytes)]`,
    )
  })

  it('have the lower of the middle values over time, for any number of frames and bytes', () => {
    const random = createRandom(3)
    for (const [count, width] of [
      ...Array.from({ length: 17 }, (_, i) => [i + 1, 5 + i] as const),
      [21, 701],
      [64, 3],
    ] as const) {
      // Some of few levels, some of all of them.
      const levels = count % 2 === 0 ? 6 : 256
      const frames = Array.from({ length: count }, () => flat(width, 3, () => Math.floor(levels * random.uniform())))
      const expected = frames[0]!.data.map(
        (_, i) => frames.map(({ data }) => data[i]!).toSorted((a, b) => a - b)[(count - 1) >> 1]!,
      )
      expect(temporalMedian(frames)).toEqual({ width, height: 3, data: expected })
    }
  })

  it('move where the mean difference over three by three pixels reaches the threshold', () => {
    const random = createRandom(4)
    for (const [width, height, threshold, margin] of [
      [1, 1, 10, 0],
      [1, 9, 10, 1],
      [9, 1, 10, 2],
      [2, 2, 3.3, 0],
      [31, 17, 0.7, 0],
      [31, 17, 12.25, 0],
      [31, 17, 30, 1],
      [31, 17, 45, 4],
      [31, 17, 60, 40],
    ] as const) {
      const [image, still] = [0, 1].map(() => flat(width, height, () => Math.floor(128 + 64 * random.normal())))
      const around = (x: number, y: number, reach: number) =>
        Array.from({ length: width * height }, (_, i) => i).filter(
          (i) => Math.abs((i % width) - x) <= reach && Math.abs(Math.floor(i / width) - y) <= reach,
        )
      const moved = Array.from({ length: width * height }, (_, i) => {
        const window = around(i % width, Math.floor(i / width), 1)
        return [0, 1, 2].some((c) => {
          const sum = window.reduce((all, at) => all + image!.data[3 * at + c]! - still!.data[3 * at + c]!, 0)
          return Math.abs(sum) >= threshold * window.length
        })
      })
      const expected = moved.map((_, i) =>
        around(i % width, Math.floor(i / width), margin).some((at) => moved[at]) ? 255 : 0,
      )
      expect(motionMask(image!, still!, { threshold, margin })).toEqual(Uint8Array.from(expected))
    }
  })

  it('are brought into the light of another one, although a third of them shows something else', () => {
    const still = scene(0, 0)
    for (const [gain, offset] of [
      [1.25, 0],
      [0.7, 12],
      [1, -20],
    ] as const) {
      const lit = (value: number) => gain * value + offset
      const matched = matchLight(scene(20, 0.33, lit), still)
      const expected = scene(20, 0.33)
      const errors = matched.data.map((value, i) => Math.abs(value - expected.data[i]!))
      // Outside of the bar, whose level the fit is not made for; two roundings.
      const outside = errors.filter((_, i) => (Math.floor(i / 3) % 64) - 20 < 0 || (Math.floor(i / 3) % 64) - 20 >= 22)
      expect(Math.max(...outside)).toBeLessThanOrEqual(2)
      const mask = motionMask(matched, still, { margin: 0 })
      // 22 columns, and one to both sides that the mean over three reaches.
      expect(mask.filter((value) => value !== 0).length).toBe(24 * 48)
    }
  })

  it('of one level are brought to the level of the other', () => {
    const one = flat(20, 10, () => 90)
    expect(
      matchLight(
        flat(20, 10, () => 110),
        one,
      ),
    ).toEqual(one)
    const black = flat(20, 10, () => 0)
    expect(matchLight(black, one)).toEqual(black)
  })

  it('of a camera that flickers stand still, but for where something is on its way for long', () => {
    // The bar moves on by a tenth of the width in each frame; it stays within one half in the other sequence.
    const light = (frame: number) => (value: number) => value * (1 + 0.2 * Math.sin(2.4 * frame))
    const moving = Array.from({ length: 10 }, (_, i) => scene(6 * i, 0.1, light(i)))
    const passing = stillPicture(moving)
    expect(passing.unsure.some((value) => value !== 0)).toBe(false)
    const plain = scene(0, 0)
    const likeness = matchLight(passing.image, plain).data.filter((value, i) => Math.abs(value - plain.data[i]!) <= 3)
    expect(likeness.length).toBeGreaterThan(0.98 * plain.data.length)
    // Every second frame has the bar at the same place: half of the frames are not enough, there and a pixel around.
    const blinking = Array.from({ length: 10 }, (_, i) => scene(8, i % 2 === 0 ? 0.25 : 0, light(i)))
    const { unsure } = stillPicture(blinking)
    const columns = Array.from({ length: 64 }, (_, x) => unsure[64 * 20 + x] !== 0)
    expect(columns.flatMap((set, x) => (set ? [x] : []))).toEqual(Array.from({ length: 18 }, (_, i) => 7 + i))
    expect(() => stillPicture(moving, { share: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: stillPicture: share must be in (0, 1], got 0]`,
    )
  })
})
