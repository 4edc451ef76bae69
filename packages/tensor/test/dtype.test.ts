import { createRandom, fromF16, toF16 } from '@clipgstream/tensor'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'

/** IEEE 754-2008, 3.6: binary16 has 5 exponent bits with a bias of 15 and 10 fraction bits. */
function reference(bits: number): number {
  const sign = bits < 0x8000 ? 1 : -1
  const exponent = Math.floor(bits / 1024) % 32
  const fraction = bits % 1024
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25)
  return sign * magnitude
}

/** The float32 next to `value`, away from zero or towards it. */
function nextFloat(value: number, step: 1 | -1): number {
  const float = Float32Array.of(value)
  new Uint32Array(float.buffer)[0]! += step
  return float[0]!
}

describe('binary16', () => {
  it('reads all 65536 patterns', () => {
    for (let bits = 0; bits < 65536; bits++)
      if (!Object.is(fromF16(bits), reference(bits))) expect.fail(`${bits}: ${fromF16(bits)}`)
  })

  it('writes back what it reads', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const back = toF16(reference(bits))
      if (Number.isNaN(reference(bits))) expect(back & 0x7fff).toBeGreaterThan(0x7c00)
      else if (back !== bits) expect.fail(`${bits} came back as ${back}`)
    }
  })

  it('rounds to nearest, ties to even, at every border between two numbers', () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      // The border above the largest number is where infinity begins.
      const above = bits === 0x7bff ? 65536 : reference(bits + 1)
      const middle = (reference(bits) + above) / 2
      const even = bits % 2 === 0 ? bits : bits + 1
      for (const [sign, offset] of [
        [1, 0],
        [-1, 0x8000],
      ] as const) {
        const rounded = [toF16(sign * middle), toF16(sign * nextFloat(middle, -1)), toF16(sign * nextFloat(middle, 1))]
        if (rounded[0] !== even + offset || rounded[1] !== bits + offset || rounded[2] !== bits + 1 + offset)
          expect.fail(`around ${sign * middle}: ${rounded}`)
      }
    }
  })

  it('overflows to infinity and underflows to zero with its sign', () => {
    expect([1e10, -1e10, 65519.99, 65520, 2 ** -25, -1e-30, 1e-45].map(toF16)).toEqual([
      0x7c00, 0xfc00, 0x7bff, 0x7c00, 0, 0x8000, 0,
    ])
  })

  it('fills device memory', async () => {
    using device = await createWasmDevice({ threads: 1 })
    using half = device.empty([3], 'f16')
    device.fill(half, 1 / 3)
    expect(Array.from(await half.read(), fromF16)).toEqual(new Array(3).fill(0.333251953125))
  })
})

describe('random numbers', () => {
  it('are those of xoshiro128**', () => {
    const random = createRandom([1, 2, 3, 4])
    // Of the reference implementation: rotl(2 * 5, 7) * 9 and so on.
    expect(Array.from({ length: 4 }, () => random.uniform() * 2 ** 32)).toEqual([11520, 0, 5927040, 70819200])
  })

  it('go on from a stored state', () => {
    const random = createRandom(42)
    for (let i = 0; i < 100; i++) random.normal()
    const again = createRandom(random.state())
    const draw = (r: typeof random) => [r.uniform(), r.normal(), r.integer(10), ...r.shuffle([1, 2, 3, 4, 5, 6])]
    expect(draw(again)).toEqual(draw(random))
    expect(again.state()).toEqual(random.state())
    expect(createRandom(1).uniform()).not.toBe(createRandom(2).uniform())
  })

  it('are uniform, normal and evenly shuffled', () => {
    const random = createRandom(7)
    const n = 200_000
    const uniform = Array.from({ length: n }, () => random.uniform())
    expect(uniform.every((value) => value >= 0 && value < 1)).toBe(true)
    expect(mean(uniform)).toBeCloseTo(0.5, 2)
    expect(mean(uniform.map((value) => (value - 0.5) ** 2))).toBeCloseTo(1 / 12, 2)
    const normal = Array.from({ length: n }, () => random.normal())
    expect(mean(normal)).toBeCloseTo(0, 1.9)
    expect(mean(normal.map((value) => value ** 2))).toBeCloseTo(1, 1.5)
    expect(mean(normal.map((value) => value ** 4))).toBeCloseTo(3, 0.7)
    const counts = new Array(10).fill(0)
    for (let i = 0; i < n; i++) counts[random.integer(10)]++
    // Chi square with 9 degrees of freedom: above 27.9 once in a thousand seeds.
    expect(counts.reduce((sum, count) => sum + (count - n / 10) ** 2 / (n / 10), 0)).toBeLessThan(27.9)
    const firsts = new Array(5).fill(0)
    for (let i = 0; i < 50_000; i++) firsts[random.shuffle([0, 1, 2, 3, 4])[0]!]++
    expect(firsts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(18.5)
  })

  it('rejects seeds that are none', () => {
    expect(() => createRandom(Number.NaN)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: createRandom: seed must be an integer, got NaN]`,
    )
    expect(() => createRandom(0.5)).toThrow(/an integer/)
    expect(() => createRandom([0, 0, 0, 0])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: createRandom: state must be four words that are not all 0, got 0,0,0,0]`,
    )
  })
})

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
