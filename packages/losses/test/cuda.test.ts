import { createColorAffine, createPhotometricLoss, createVolumeLoss, identityAffines } from '@clipgstream/losses'
import { createCudaDevice } from '@clipgstream/tensor/cuda'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { afterAll, describe, expect, it } from 'vitest'
import { compare, type Values } from '../../../tools/conformance/case.js'
import { cases } from './conformance.js'
import { normals, pictures } from './inputs.js'

const device = await createCudaDevice({ poison: true }).catch((error: Error) => {
  console.warn(`losses on CUDA: SKIPPED, ${error.message}`)
  return null
})

afterAll(() => device?.dispose())

function bytesOf(outputs: Record<string, Values>): Buffer {
  return Buffer.concat(Object.values(outputs).map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength)))
}

describe.skipIf(!device)('losses on CUDA', () => {
  const gpu = device!

  it.each(cases.filter((one) => one.oracle))('$operator, $name, against float64', async (one) => {
    const before = gpu.bytesInUse
    const differences = compare(await one.run(gpu), one.oracle?.() ?? {}, one.tolerance)
    expect(differences.filter((difference) => !difference.passed)).toEqual([])
    expect(gpu.bytesInUse).toBe(before)
  })

  it.each(cases.filter((one) => one.size === 'full'))('$operator, $name: equal bytes every time', async (one) => {
    const once = bytesOf(await one.run(gpu))
    expect(bytesOf(await one.run(gpu)).equals(once)).toBe(true)
  })

  const measure = async (
    image: Float32Array<ArrayBuffer>,
    target: Uint8Array<ArrayBuffer>,
    height: number,
    width: number,
  ) => {
    using _ = gpu.scope()
    const loss = await createPhotometricLoss(gpu)
    const x = gpu.from(image, [height, width, 3])
    const y = gpu.from(target, [height, width, 3])
    const result = loss.forward(x, y)
    const vImage = loss.backward(x, y, result, { l1: 1, dssim: 1 })
    const [terms, v] = await Promise.all([result.terms.read(), vImage.read()])
    return { l1: terms[0]!, ssim: terms[1]!, vImage: v }
  }

  it('reads every byte as its 255th, correctly rounded', async () => {
    const target = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3))
    const image = Float32Array.from(target, (byte) => byte / 255)
    const { l1, ssim, vImage } = await measure(image, target, 16, 16)
    expect(l1).toBe(0)
    expect(ssim).toBeCloseTo(1, 6)
    expect(Math.max(...vImage.map(Math.abs)) * 768).toBeLessThan(5e-3)
  })

  it('a NaN or infinite pixel shows in the terms, and only near it in the gradient', async () => {
    const { image, target } = pictures(64, 150, 2)
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const spoilt = Float32Array.from(image)
      spoilt[(32 * 150 + 75) * 3 + 1] = value
      const { l1, ssim, vImage } = await measure(spoilt, target, 64, 150)
      expect(Number.isFinite(l1)).toBe(false)
      expect(ssim).toBeNaN()
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
      const { l1, ssim, vImage } = await measure(new Float32Array(target.length).fill(value), target, 16, 16)
      expect(l1 / Math.max(value, 1e-45)).toBeCloseTo(value > 0 ? 1 : 0, 4)
      expect(ssim).toBeGreaterThanOrEqual(-1)
      expect(ssim).toBeLessThanOrEqual(1.0001)
      expect(vImage.every(Number.isFinite)).toBe(true)
    }
  })

  // Wide enough for bands of 64, 32 and 16 rows, whose last one is not full.
  it.each([
    [72, 15000],
    [45, 15000],
    [50, 333],
  ])('pictures of %i rows by %i pixels, against wasm', async (height, width) => {
    const { image, target } = pictures(height, width, 5)
    const actual = await measure(image, target, height, width)
    using wasm = await createWasmDevice({ threads: 1 })
    const loss = await createPhotometricLoss(wasm)
    const x = wasm.from(image, [height, width, 3])
    const y = wasm.from(target, [height, width, 3])
    const result = loss.forward(x, y)
    const expected = await loss.backward(x, y, result, { l1: 1, dssim: 1 }).read()
    const [l1, ssim] = await result.terms.read()
    expect(Math.abs(actual.l1 - l1!)).toBeLessThan(2e-6)
    expect(Math.abs(actual.ssim - ssim!)).toBeLessThan(2e-6)
    const scale = 3 * height * width
    const outside = actual.vImage.filter((value, i) => !(Math.abs(value - expected[i]!) * scale < 1e-3))
    expect(outside.length).toBeLessThanOrEqual(1e-4 * scale)
  })

  it('the volume loss adds to the gradient, leaves rows behind the count alone and clamps the count', async () => {
    using _ = gpu.scope()
    const loss = await createVolumeLoss(gpu)
    const scales = gpu.from(Float32Array.of(1, 2, 3, 4, 5, 6, Number.NaN, 8, 9), [3, 3])
    const count = gpu.from(Uint32Array.of(2))
    const vScales = gpu.from(Float32Array.of(1, 1, 1, 1, 1, 1, 7, 7, 7), [3, 3])
    expect((await loss.forward(scales, count).read())[0]).toBe(63)
    loss.backward(scales, count, 2, vScales)
    expect([...(await vScales.read())]).toEqual([7, 4, 3, 31, 25, 21, 7, 7, 7])
    const beyond = gpu.from(Uint32Array.of(4_000_000_000))
    expect((await loss.forward(scales, beyond).read())[0]).toBeNaN()
    const none = gpu.zeros([0, 3])
    expect((await loss.forward(none, beyond).read())[0]).toBe(0)
    loss.backward(none, beyond, 1, none)
  })

  it('the colour of a camera is the identity to begin with, and adds to its own matrix only', async () => {
    using _ = gpu.scope()
    const affine = await createColorAffine(gpu)
    const picture = gpu.from(normals(5 * 7 * 3, 1), [5, 7, 3])
    const three = gpu.from(identityAffines(3), [3, 3, 4])
    expect(await affine.forward(picture, three, 2).read()).toEqual(await picture.read())
    const image = gpu.from(Float32Array.of(1, 2, 3), [1, 1, 3])
    const matrices = gpu.from(identityAffines(2), [2, 3, 4])
    const vMatrices = gpu.from(new Float32Array(24).fill(1), [2, 3, 4])
    affine.backward(image, matrices, 1, gpu.from(Float32Array.of(1, 10, 100), [1, 1, 3]), vMatrices)
    const expected = [...new Array(12).fill(1), 2, 3, 4, 2, 11, 21, 31, 11, 101, 201, 301, 101]
    expect([...(await vMatrices.read())]).toEqual(expected)
  })
})
