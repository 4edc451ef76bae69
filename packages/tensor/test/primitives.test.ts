import { createPrimitives, createRandom, type Device, DTypeError } from '@clipgstream/tensor'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testDevices } from './devices.js'

const sizes = [0, 1, 2, 3, 4, 5, 255, 16383, 16384, 16385, 2 ** 20 + 3]
/** A tile of the GPU kernels has 4096 elements. */
const slowSizes = [0, 1, 5, 255, 4097, 9001]

function words(length: number, seed: number): Uint32Array<ArrayBuffer> {
  const random = createRandom(seed)
  return Uint32Array.from({ length }, () => random.integer(2 ** 32))
}

function bytes(array: Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

describe.each(await testDevices())('$name', ({ create, createOther, slow, shared }) => {
  let device: Device

  beforeEach(async () => {
    device = await create()
  })

  afterEach(() => {
    expect(device.bytesInUse).toBe(0)
    if (!shared) device.dispose()
  })

  describe.each(slow ? slowSizes : sizes)('primitives over %i elements', (n) => {
    it('sums', async () => {
      const primitives = await createPrimitives(device)
      const random = createRandom(n)
      const values = Float32Array.from({ length: n }, () => random.normal() + 0.5)
      using input = device.from(values)
      using sum = primitives.sum(input)
      const expected = values.reduce((total, value) => total + value, 0)
      expect(Math.abs((await sum.read())[0]! - expected)).toBeLessThanOrEqual(Math.abs(expected) * 2 ** -24 + 1e-9)
      const other = await createOther()
      using copy = other.from(values)
      using same = (await createPrimitives(other)).sum(copy)
      expect(await same.read()).toEqual(await sum.read())
      if (!shared) other.dispose()
    })

    it('counts NaN and infinities over several tensors', async () => {
      const primitives = await createPrimitives(device)
      const values = new Float32Array(n).fill(3e38)
      const bad = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
      let expected = 1
      for (let i = 0; i < n; i += 1 + (i >> 1)) {
        values[i] = bad[i % 3]!
        expected++
      }
      using input = device.from(values)
      using one = device.from(Float32Array.of(1, Number.NaN, -1e-45, 0, -0))
      using count = primitives.countNonFinite([input, one])
      expect((await count.read())[0]).toBe(expected)
    })

    it('scans', async () => {
      const primitives = await createPrimitives(device)
      const values = words(n, n)
      using input = device.from(values)
      using offsets = primitives.exclusiveScan(input)
      const expected = new Uint32Array(n + 1)
      for (let i = 0; i < n; i++) expected[i + 1] = expected[i]! + values[i]!
      expect(Buffer.compare(bytes(await offsets.read()), bytes(expected))).toBe(0)
    })

    it.each(n > 20_000 ? [32, 13] : [32, 24, 13, 1, 0])('sorts by the lowest %i bits, stably', async (bits) => {
      const primitives = await createPrimitives(device)
      const mask = bits === 32 ? 0xffffffff : 2 ** bits - 1
      const data = words(n, n + 1)
      const order = Array.from(data.keys()).sort(
        (a, b) => ((data[a]! & mask) >>> 0) - ((data[b]! & mask) >>> 0) || a - b,
      )
      using keys = device.from(data)
      using values = device.from(Uint32Array.from(data.keys()))
      const sorted = primitives.sortPairs(keys, values, bits)
      expect(Buffer.compare(bytes(await sorted.values.read()), bytes(Uint32Array.from(order)))).toBe(0)
      expect(Buffer.compare(bytes(await sorted.keys.read()), bytes(Uint32Array.from(order, (i) => data[i]!)))).toBe(0)
      expect(Buffer.compare(bytes(await keys.read()), bytes(data))).toBe(0)
      sorted.keys.dispose()
      sorted.values.dispose()
    })
  })

  it('takes no tensors, and says what does not fit', async () => {
    const primitives = await createPrimitives(device)
    using none = primitives.countNonFinite([])
    expect((await none.read())[0]).toBe(0)
    using floats = device.zeros([2])
    using keys = device.zeros([2], 'u32')
    using values = device.zeros([3], 'u32')
    // @ts-expect-error: wrong dtype
    expect(() => primitives.exclusiveScan(floats)).toThrow(DTypeError)
    expect(() => primitives.sortPairs(keys, values)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: sortPairs: values must have shape [2], got [3]]`,
    )
    expect(() => primitives.sortPairs(keys, keys, 33)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: sortPairs: bits must be an integer in [0, 32], got 33]`,
    )
  })
})
