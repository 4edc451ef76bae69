import { ColorFit, colorChangeOf } from '@clipgstream/io'
import { expect, it } from 'vitest'

/** Bytes of a fixed disorder. */
const noise = (count: number, seed: number) =>
  Uint8Array.from({ length: count }, (_, i) => Math.floor(256 * Math.abs(Math.sin(12.9898 * (i + 1) * seed)) ** 0.7))

it('finds the map that made the photographs, and says what it does to grey', () => {
  const image = Float32Array.from(noise(900, 1), (value) => 0.2 + (0.5 * value) / 255)
  const map = [0.8, 0.1, 0, 0.05, 0, 0.9, 0.05, -0.02, 0.1, 0, 0.7, 0.1]
  const target = Uint8Array.from(image, (_, i) => {
    const [c, p] = [i % 3, i - (i % 3)]
    const row = map.slice(4 * c, 4 * c + 4)
    return Math.round(255 * (row[0]! * image[p]! + row[1]! * image[p + 1]! + row[2]! * image[p + 2]! + row[3]!))
  })
  const fit = new ColorFit()
  fit.add(image, target)
  const found = fit.solve()
  for (const [i, value] of map.entries()) expect(found[i]).toBeCloseTo(value, 2)
  expect(fit.meanSquaredError(found)).toBeLessThan(1 / 255 ** 2 / 11)
  const { gain, offset } = colorChangeOf(map)
  expect(gain.map((value) => Number(value.toFixed(6)))).toEqual([0.9, 0.95, 0.8])
  expect(offset).toEqual([0.05, -0.02, 0.1])
})

it('measures as pixel by pixel, for bytes and floats, in parts or at once', () => {
  const [image, target] = [noise(300, 2), noise(300, 3)]
  const floats = Float32Array.from(image, (value) => value / 255)
  floats[0] = 1.5
  image[0] = 255
  const map = [1.1, -0.2, 0.05, 0.02, 0.1, 0.7, 0.1, 0, 0, 0.3, 0.8, -0.04]
  let expected = 0
  for (let i = 0; i < 300; i += 3) {
    for (let c = 0; c < 3; c++) {
      const [x, y, z] = [image[i]! / 255, image[i + 1]! / 255, image[i + 2]! / 255]
      const mapped = map[4 * c]! * x + map[4 * c + 1]! * y + map[4 * c + 2]! * z + map[4 * c + 3]!
      expected += (mapped - target[i + c]! / 255) ** 2 / 300
    }
  }
  const whole = new ColorFit()
  whole.add(floats, target)
  const parts = new ColorFit()
  for (const [from, to] of [
    [0, 120],
    [120, 300],
  ]) {
    const part = new ColorFit()
    part.add(image.subarray(from, to), target.subarray(from, to))
    parts.merge(part)
  }
  expect(whole.meanSquaredError(map)).toBeCloseTo(expected, 7)
  expect(parts.meanSquaredError(map)).toBeCloseTo(expected, 12)
  // No other map is better.
  const best = parts.meanSquaredError(parts.solve())
  for (let i = 0; i < 12; i++) {
    for (const step of [-0.01, 0.01]) {
      const near = parts.solve()
      near[i]! += step
      expect(parts.meanSquaredError(near)).toBeGreaterThan(best)
    }
  }
})

it('is the identity for uniform images that agree, and for none', () => {
  const grey = new ColorFit()
  grey.add(new Uint8Array(30).fill(100), new Uint8Array(30).fill(100))
  expect(grey.meanSquaredError(grey.solve())).toBeLessThan(1e-12)
  const none = new ColorFit()
  expect([...none.solve()].map((value) => Math.round(value))).toEqual([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])
  expect(none.meanSquaredError(none.solve())).toBe(0)
})
