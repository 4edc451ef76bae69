import { createColorAffine, createPhotometricLoss, createVolumeLoss, identityAffines } from '@clipgstream/losses'
import { ArgumentError, ShapeError } from '@clipgstream/tensor'
import { createWasmDevice, type WasmDevice } from '@clipgstream/tensor/wasm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compare, type Values } from '../../../tools/conformance/case.js'
import { cases } from './conformance.js'
import { normals, pictures } from './inputs.js'
import { photometric, photometricGradient } from './oracle.js'

let device: WasmDevice

beforeEach(async () => {
  device = await createWasmDevice({ threads: 2, poison: true })
})

afterEach(() => {
  expect(device.bytesInUse).toBe(0)
  device.dispose()
})

function bytesOf(outputs: Record<string, Values>): Buffer {
  return Buffer.concat(Object.values(outputs).map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength)))
}

describe('against float64', () => {
  it.each(cases.filter((one) => one.oracle))('$operator, $name', async (one) => {
    const differences = compare(await one.run(device), one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
  })

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
})

describe('equal bytes', () => {
  it.each(cases.filter((one) => one.size === 'full'))('for 1, 2 and 3 threads: $operator, $name', async (one) => {
    const expected = bytesOf(await one.run(device))
    for (const threads of [1, 3]) {
      using other = await createWasmDevice({ threads, poison: true })
      expect(bytesOf(await one.run(other)).equals(expected)).toBe(true)
    }
  })
})

describe('photometric loss', () => {
  const terms = async (image: Float32Array, target: Uint8Array, height: number, width: number) => {
    const loss = await createPhotometricLoss(device)
    using _ = device.scope()
    const x = device.from(image, [height, width, 3])
    const y = device.from(target, [height, width, 3])
    const result = loss.forward(x, y)
    const vImage = loss.backward(x, y, result, { l1: 1, dssim: 1 })
    return { terms: await result.terms.read(), vImage: await vImage.read() }
  }

  it('of equal pictures is 0 and 1, without a gradient', async () => {
    const target = pictures(20, 30, 1).target
    const image = Float32Array.from(target, (byte) => byte / 255)
    const { terms: measured, vImage } = await terms(image, target, 20, 30)
    expect(measured[0]).toBe(0)
    expect(measured[1]).toBeCloseTo(1, 6)
    expect(Math.max(...vImage.map(Math.abs)) * 1800).toBeLessThan(5e-3)
  })

  it('a NaN or infinite pixel shows in the terms, and only near it in the gradient', async () => {
    const { image, target } = pictures(64, 150, 2)
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const spoilt = Float32Array.from(image)
      spoilt[(32 * 150 + 75) * 3 + 1] = value
      const { terms: measured, vImage } = await terms(spoilt, target, 64, 150)
      expect(Number.isFinite(measured[0])).toBe(false)
      expect(measured[1]).toBeNaN()
      const bad = [...vImage.keys()].filter((i) => !Number.isFinite(vImage[i]))
      expect(bad.length).toBeGreaterThan(0)
      for (const i of bad) {
        expect(i % 3).toBe(1)
        expect(Math.abs(Math.floor(i / 450) - 32)).toBeLessThanOrEqual(10)
        expect(Math.abs((Math.floor(i / 3) % 150) - 75)).toBeLessThanOrEqual(10)
      }
    }
  })

  it('takes denormal, huge and flat pictures', async () => {
    const target = new Uint8Array(16 * 16 * 3)
    for (const value of [1e-40, 0, 1, 1000, 1e8]) {
      const { terms: measured, vImage } = await terms(new Float32Array(target.length).fill(value), target, 16, 16)
      expect(measured[0]! / Math.max(value, 1e-45)).toBeCloseTo(value > 0 ? 1 : 0, 4)
      expect(measured[1]).toBeGreaterThanOrEqual(-1)
      expect(measured[1]).toBeLessThanOrEqual(1.0001)
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
    const [both, l1, dssim] = await Promise.all(
      [
        { l1: 2, dssim: 3 },
        { l1: 2, dssim: 0 },
        { l1: 0, dssim: 3 },
      ].map((weights) => loss.backward(x, y, result, weights).read()),
    )
    both!.forEach((value, i) => {
      expect(value).toBeCloseTo(l1![i]! + dssim![i]!, 7)
    })
  })

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

describe('volume loss', () => {
  it('adds to the gradient, leaves rows behind the count alone and takes a count beyond the rows for all', async () => {
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
    loss.backward(none, beyond, 1, none)
    expect(() => loss.backward(scales, count, 1, none)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: volume.backward: vScales must have shape [3, 3], got [0, 3]]`,
    )
  })
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
  })
})
