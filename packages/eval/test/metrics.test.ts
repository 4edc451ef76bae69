import {
  dssim1,
  dssim2,
  flicker,
  type Image,
  msSsim,
  psnr,
  regionPsnr,
  similarity,
  ssim,
  toBytes,
} from '@clipgstream/eval'
import { createRandom } from '@clipgstream/tensor'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { disturbed, floats, picture } from './images.js'
import * as oracle from './oracle.js'

const flat = (width: number, height: number, level: number): Image => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(level),
})
const size = fc.integer({ min: 1, max: 24 })

describe('psnr', () => {
  test('known values', () => {
    expect(psnr(flat(4, 3, 0), flat(4, 3, 255))).toBeCloseTo(0, 12)
    expect(psnr(flat(4, 3, 100), flat(4, 3, 101))).toBeCloseTo(20 * Math.log10(255), 10)
    expect(psnr(flat(4, 3, 9), flat(4, 3, 9))).toBe(Number.POSITIVE_INFINITY)
  })

  test('as the formula, bytes or floats, any size', () => {
    fc.assert(
      fc.property(size, size, fc.nat(), (width, height, seed) => {
        const [a, b] = [picture(width, height, seed), picture(width, height, seed + 1)]
        expect(psnr(a, b)).toBeCloseTo(oracle.psnr(a, b), 9)
        expect(psnr(floats(a), b)).toBeCloseTo(psnr(a, b), 4)
      }),
      { numRuns: 50 },
    )
  })

  test('inside and outside of the moving region', () => {
    const [a, b] = [picture(9, 7, 1), picture(9, 7, 2)]
    const mask = Uint8Array.from({ length: 63 }, (_, i) => [0, 128, 255][i % 3]!)
    const { moving, outside } = regionPsnr(a, b, mask)
    expect(moving).toBeCloseTo(
      oracle.psnr(a, b, (pixel) => mask[pixel] === 255),
      9,
    )
    expect(outside).toBeCloseTo(
      oracle.psnr(a, b, (pixel) => mask[pixel] !== 255),
      9,
    )
    expect(regionPsnr(a, b, new Uint8Array(63)).moving).toEqual({ notAvailable: 'nothing moves in this image' })
    expect(regionPsnr(a, b, new Uint8Array(63).fill(255)).outside).toEqual({
      notAvailable: 'everything moves in this image',
    })
  })
})

describe('ssim', () => {
  test('equal images', () => {
    const image = picture(20, 13, 3)
    expect(ssim(image, image)).toBe(1)
    expect(dssim1(image, image)).toBe(0)
  })

  test('flat images: only the means count, where no zeros reach in', () => {
    const [a, b] = [0.2, 0.6]
    const levels = [flat(176, 176, 51), flat(176, 176, 153)] as const
    const luminance = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    // Every contrast term is 1, so MS-SSIM is the luminance term of the last scale.
    expect(msSsim(...levels)).toBeCloseTo(luminance ** 0.1333, 6)
  })

  test('as the formula, any size', () => {
    fc.assert(
      fc.property(size, size, fc.nat(), (width, height, seed) => {
        const [a, b] = [picture(width, height, seed), picture(width, height, seed + 1)]
        expect(ssim(a, b)).toBeCloseTo(oracle.ssim(a, b), 6)
        expect(ssim(floats(a), floats(b))).toBeCloseTo(ssim(a, b), 6)
      }),
      { numRuns: 20 },
    )
  })
})

describe('msSsim', () => {
  test('as the formula, odd sizes', () => {
    const a = picture(179, 182, 4)
    const b = disturbed(a, createRandom(5), 60)
    const value = msSsim(a, b)
    expect(value).toBeCloseTo(oracle.msSsim(a, b), 6)
    expect(similarity(a, b)).toEqual({ ssim: ssim(a, b), msSsim: value })
    expect(dssim2(a, b)).toBe((1 - Number(value)) / 2)
  })

  test('negative contrast counts as 0', () => {
    const a = picture(176, 176, 6, 200)
    const negative = { ...a, data: a.data.map((value) => 255 - value) }
    expect(msSsim(a, negative)).toBe(0)
  })

  test('not available for small images', () => {
    const image = picture(300, 175, 7)
    expect(msSsim(image, image)).toEqual({
      notAvailable: 'MS-SSIM needs 176 pixels a side, the images have 300 x 175',
    })
    expect(dssim2(image, image)).toEqual(msSsim(image, image))
    expect(similarity(image, image).ssim).toBe(1)
  })
})

describe('flicker', () => {
  const observe = (render: number[], truth: number[], mask: number[] | null = null) => ({
    render: Uint8Array.from(render.flatMap((v) => [v, v, v])),
    truth: Uint8Array.from(truth.flatMap((v) => [v, v, v])),
    mask: mask && Uint8Array.from(mask),
  })

  test('counts what the render changes beyond the truth, over static pixels', () => {
    const before = observe([10, 20, 30, 40], [10, 20, 30, 40], [0, 0, 128, 255])
    const after = observe([13, 20, 99, 99], [11, 25, 30, 40], [0, 0, 0, 255])
    // |3 - 1| and |0 - 5|; the third pixel is not still in both, the fourth moves.
    expect(flicker(before, after)).toBeCloseTo((2 + 5) / 2, 12)
  })

  test('without masks, pixels whose truth hardly changes', () => {
    const before = observe([10, 20, 30], [10, 20, 30])
    const after = observe([14, 20, 30], [17, 28, 30])
    expect(flicker(before, after)).toBeCloseTo((3 + 0) / 2, 12)
    expect(flicker(before, after, 9)).toBeCloseTo((3 + 8 + 0) / 3, 12)
    expect(flicker(before, observe([0, 0, 0], [99, 99, 99]))).toEqual({
      notAvailable: 'no pixel is static in both frames',
    })
  })

  test('a render off by a constant does not flicker', () => {
    const truth = [picture(6, 5, 9, 6), picture(6, 5, 10, 6)]
    const [before, after] = truth.map((image) => {
      const bytes = toBytes(image)
      return { render: bytes.map((value) => value - 20), truth: bytes, mask: null }
    })
    expect(flicker(before!, after!, 256)).toBe(0)
  })
})

test('bytes of a float image are those of its PNG', () => {
  const data = Float32Array.of(-1, 0, 0.5 / 255, 0.499 / 255, 1, 2)
  expect([...toBytes({ width: 2, height: 1, data })]).toEqual([0, 0, 1, 0, 255, 255])
})

test('wrong input', () => {
  expect(() => psnr(flat(4, 3, 0), flat(3, 4, 0))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: psnr: second image must have shape [3, 4, 3], got [4, 3, 3]]`,
  )
  expect(() =>
    ssim(flat(4, 3, 0), { width: 4, height: 3, data: new Uint8Array(3) }),
  ).toThrowErrorMatchingInlineSnapshot(`[ShapeError: ssim: second image (4 x 3) must have shape [3, 4, 3], got [3]]`)
  expect(() => msSsim(flat(0, 3, 0), flat(0, 3, 0))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: msSsim: first image (0 x 3) must have shape [3, 0, 3], got [0]]`,
  )
  expect(() => regionPsnr(flat(4, 3, 0), flat(4, 3, 0), new Uint8Array(5))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: regionPsnr: mask must have shape [3, 4], got [5]]`,
  )
  const nan = { width: 1, height: 1, data: Float32Array.of(0, Number.NaN, 0) }
  expect(() => psnr(nan, nan)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: psnr: images must be free of values that are not numbers, got NaN]`,
  )
})
