// The contract on every device of this machine.
import { createColorAffine, createPhotometricLoss, createVolumeLoss, identityAffines } from '@clipgstream/losses'
import { ArgumentError, ShapeError } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compare, type Values } from '../../../tools/conformance/case.js'
import { testedDevices } from '../../../tools/devices.js'
import { cases } from './conformance.js'
import { normals, pictures } from './inputs.js'

const devices = await testedDevices('losses')

afterAll(() => {
  for (const { device } of devices) device.dispose()
})

function bytesOf(outputs: Record<string, Values>): Buffer {
  return Buffer.concat(Object.values(outputs).map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength)))
}

describe.each(devices)('losses on $kind', ({ kind, device, bearsMuch }) => {
  let before = 0
  beforeEach(() => {
    before = device.bytesInUse
  })
  afterEach(() => expect(device.bytesInUse).toBe(before))

  const measure = async (
    image: Float32Array<ArrayBuffer>,
    target: Uint8Array<ArrayBuffer>,
    height: number,
    width: number,
    on = device,
  ) => {
    using _ = on.scope()
    const loss = await createPhotometricLoss(on)
    const x = on.from(image, [height, width, 3])
    const y = on.from(target, [height, width, 3])
    const result = loss.forward(x, y)
    const vImage = loss.backward(x, y, result, { l1: 1, dssim: 1 })
    const [[l1 = Number.NaN, ssim = Number.NaN], v] = await Promise.all([result.terms.read(), vImage.read()])
    return { l1, ssim, vImage: v }
  }

  it.each(cases.filter((one) => one.oracle))('$operator, $name, against float64', async (one) => {
    const differences = compare(await one.run(device), one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
  })

  const large = cases.filter((one) => one.size === (bearsMuch ? 'full' : 'small'))
  it.each(large)('$operator, $name: equal bytes every time', async (one) => {
    const expected = bytesOf(await one.run(device))
    expect(bytesOf(await one.run(device)).equals(expected)).toBe(true)
    if (kind !== 'wasm') return
    for (const threads of [1, 3]) {
      using other = await createWasmDevice({ threads, poison: true })
      expect(bytesOf(await one.run(other)).equals(expected)).toBe(true)
    }
  })

  describe('photometric loss', () => {
    it('reads every byte as its 255th, correctly rounded', async () => {
      const target = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3))
      const image = Float32Array.from(target, (byte) => byte / 255)
      const { l1, ssim, vImage } = await measure(image, target, 16, 16)
      expect(l1).toBe(0)
      expect(ssim).toBeCloseTo(1, 6)
      expect(Math.max(...vImage.map(Math.abs)) * 768).toBeLessThan(5e-3)
    })

    it('a NaN or infinite pixel shows in the terms, and only near it in the gradient', async () => {
      const [height, width] = [40, 60]
      const { image, target } = pictures(height, width, 2)
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const spoilt = Float32Array.from(image)
        spoilt[(20 * width + 40) * 3 + 1] = value
        const { l1, ssim, vImage } = await measure(spoilt, target, height, width)
        expect(Number.isFinite(l1)).toBe(false)
        expect(ssim).toBeNaN()
        const bad = [...vImage.keys()].filter((i) => !Number.isFinite(vImage[i]))
        expect(bad.length).toBeGreaterThan(0)
        for (const i of bad) {
          expect(i % 3).toBe(1)
          expect(Math.abs(Math.floor(i / (3 * width)) - 20)).toBeLessThanOrEqual(10)
          expect(Math.abs((Math.floor(i / 3) % width) - 40)).toBeLessThanOrEqual(10)
        }
      }
    })

    it('takes denormal, huge and flat pictures', async () => {
      const target = new Uint8Array(16 * 16 * 3)
      for (const value of [1e-40, 0, 1, 1000, 1e8]) {
        const { l1, ssim, vImage } = await measure(new Float32Array(target.length).fill(value), target, 16, 16)
        // A GPU may take a denormal number for zero.
        const isLost = kind === 'webgpu' && value === 1e-40
        if (!isLost) expect(l1 / Math.max(value, 1e-45)).toBeCloseTo(value > 0 ? 1 : 0, 4)
        expect(ssim).toBeGreaterThanOrEqual(-1)
        expect(ssim).toBeLessThanOrEqual(1.0001)
        expect(vImage.every(Number.isFinite)).toBe(true)
      }
    })

    it('weighs its two parts', async () => {
      const loss = await createPhotometricLoss(device)
      const { image, target } = pictures(18, 21, 4)
      using _ = device.scope()
      const x = device.from(image, [18, 21, 3])
      const y = device.from(target, [18, 21, 3])
      const result = loss.forward(x, y)
      const gradient = (l1: number, dssim: number) => loss.backward(x, y, result, { l1, dssim }).read()
      const [both, l1, dssim] = await Promise.all([gradient(2, 3), gradient(2, 0), gradient(0, 3)])
      both.forEach((value, i) => {
        expect(value).toBeCloseTo(l1[i]! + dssim[i]!, 7)
      })
    })

    // Wide enough for bands of 64, 32 and 16 rows on a GPU, whose last one is not full.
    const wide = kind !== 'wasm' && bearsMuch ? [15000, 15000, 333] : []
    it.each(wide.map((width, i) => [[72, 45, 50][i] ?? 0, width] as const))(
      'pictures of %i rows by %i pixels, against wasm',
      async (height, width) => {
        const { image, target } = pictures(height, width, 5)
        const actual = await measure(image, target, height, width)
        using wasm = await createWasmDevice({ threads: 1 })
        const expected = await measure(image, target, height, width, wasm)
        expect(Math.abs(actual.l1 - expected.l1)).toBeLessThan(2e-6)
        expect(Math.abs(actual.ssim - expected.ssim)).toBeLessThan(2e-6)
        const scale = 3 * height * width
        const outside = actual.vImage.filter((value, i) => !(Math.abs(value - expected.vImage[i]!) * scale < 1e-3))
        expect(outside.length).toBeLessThanOrEqual(1e-4 * scale)
      },
    )

    it('says what does not fit', async () => {
      const loss = await createPhotometricLoss(device)
      using _ = device.scope()
      const image = device.zeros([4, 5, 3])
      const target = device.zeros([4, 5, 3], 'u8')
      const result = loss.forward(image, target)
      const weights = { l1: 1, dssim: 1 }
      expect(() => loss.forward(device.zeros([4, 5]), target)).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: photometric.forward: image must have shape [*, *, 3], got [4, 5]]`,
      )
      expect(() => loss.forward(image, device.zeros([5, 4, 3], 'u8'))).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: photometric.forward: target must have shape [4, 5, 3], got [5, 4, 3]]`,
      )
      expect(() => loss.forward(device.zeros([0, 5, 3]), target)).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: photometric.forward: image (at least one pixel) must have shape [*, *, 3], got [0, 5, 3]]`,
      )
      expect(() => loss.backward(image, target, { ...result, saved: [] }, weights)).toThrowErrorMatchingInlineSnapshot(
        `[DisposedError: photometric.backward: result.saved has been disposed; keep it alive until its last use]`,
      )
      const larger = device.zeros([5, 5, 3])
      const largerTarget = device.zeros([5, 5, 3], 'u8')
      expect(() => loss.backward(larger, largerTarget, result, weights)).toThrow(ShapeError)
    })
  })

  it('the volume loss adds to the gradient, leaves rows behind the count alone and clamps the count', async () => {
    const loss = await createVolumeLoss(device)
    using _ = device.scope()
    const scales = device.from(Float32Array.of(1, 2, 3, 4, 5, 6, Number.NaN, 8, 9), [3, 3])
    const count = device.from(Uint32Array.of(2))
    const vScales = device.from(Float32Array.of(1, 1, 1, 1, 1, 1, 7, 7, 7), [3, 3])
    expect((await loss.forward(scales, count).read())[0]).toBe(63)
    loss.backward(scales, count, 2, vScales)
    expect([...(await vScales.read())]).toEqual([7, 4, 3, 31, 25, 21, 7, 7, 7])
    const beyond = device.from(Uint32Array.of(4_000_000_000))
    expect((await loss.forward(scales, beyond).read())[0]).toBeNaN()
    const none = device.zeros([0, 3])
    expect((await loss.forward(none, beyond).read())[0]).toBe(0)
    loss.backward(none, beyond, 1, device.zeros([0, 3]))
    expect(() => loss.backward(scales, count, 1, none)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: volume.backward: vScales must have shape [3, 3], got [0, 3]]`,
    )
  })

  describe('color affine', () => {
    it('is the identity to begin with', async () => {
      const affine = await createColorAffine(device)
      using _ = device.scope()
      const image = device.from(normals(5 * 7 * 3, 1), [5, 7, 3])
      const matrices = device.from(identityAffines(3), [3, 3, 4])
      expect(await affine.forward(image, matrices, 2).read()).toEqual(await image.read())
    })

    it('adds to the matrix of its camera only', async () => {
      const affine = await createColorAffine(device)
      using _ = device.scope()
      const image = device.from(Float32Array.of(1, 2, 3), [1, 1, 3])
      const matrices = device.from(identityAffines(2), [2, 3, 4])
      const vMatrices = device.from(new Float32Array(24).fill(1), [2, 3, 4])
      affine.backward(image, matrices, 1, device.from(Float32Array.of(1, 10, 100), [1, 1, 3]), vMatrices)
      const expected = [...new Array(12).fill(1), 2, 3, 4, 2, 11, 21, 31, 11, 101, 201, 301, 101]
      expect([...(await vMatrices.read())]).toEqual(expected)
    })

    it('says what does not fit', async () => {
      const affine = await createColorAffine(device)
      using _ = device.scope()
      const image = device.zeros([2, 2, 3])
      const matrices = device.zeros([2, 3, 4])
      expect(() => affine.forward(image, matrices, 2)).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: colorAffine.forward: camera must be an index below 2, got 2]`,
      )
      expect(() => affine.forward(image, matrices, 0.5)).toThrow(ArgumentError)
      expect(() => affine.forward(image, matrices, device.zeros([2], 'u32'))).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: colorAffine.forward: camera must have shape [1], got [2]]`,
      )
      expect(() => affine.forward(image, device.zeros([0, 3, 4]), device.zeros([1], 'u32'))).toThrow(
        'at least one camera',
      )
      expect(() => affine.forward(image, device.zeros([3, 4]), 0)).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: colorAffine.forward: matrices must have shape [*, 3, 4], got [3, 4]]`,
      )
      expect(() => affine.centre(device.zeros([12]))).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: colorAffine.centre: matrices must have shape [*, 3, 4], got [12]]`,
      )
    })
  })
})
