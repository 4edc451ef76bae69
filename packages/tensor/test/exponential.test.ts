import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { expect, it } from 'vitest'

const selftest = new URL('../dist/kernels/selftest.wasm', import.meta.url)

async function exponentials(values: Float32Array): Promise<{ exp: Float32Array; sigmoid: Float32Array }> {
  using device = await createWasmDevice({ threads: 1, poison: true })
  const module = await device.load(selftest)
  const padded = new Float32Array(Math.ceil(values.length / 4) * 4)
  padded.set(values)
  using input = device.from(padded)
  using output = device.empty([2, padded.length])
  device.launch(module.kernel('exponentials'), 1, input, output, padded.length)
  const both = await output.read()
  return { exp: both.subarray(0, values.length), sigmoid: both.subarray(padded.length, padded.length + values.length) }
}

it('exp4 is within 1.2e-7 over its range and saturates outside', async () => {
  // Every 4093rd bit pattern, NaN among them, and a fine grid where the result is a normal number.
  const patterns = new Uint32Array(2 ** 20).map((_, i) => i * 4093)
  const values = new Float32Array(2 ** 20 + 2 ** 18)
  values.set(new Float32Array(patterns.buffer))
  for (let i = 0; i < 2 ** 18; i++) values[2 ** 20 + i] = -87.4 + (i / 2 ** 18) * 176.2
  const { exp, sigmoid } = await exponentials(values)
  let worst = 0
  let worstSigmoid = 0
  for (const [i, x] of values.entries()) {
    const expected = Math.exp(x)
    const actual = exp[i]!
    if (Number.isNaN(x)) {
      if (!Number.isNaN(actual) || !Number.isNaN(sigmoid[i])) expect.fail('NaN was lost')
    } else if (x > 88.7228) {
      if (!(actual > 3.4e38)) expect.fail(`exp(${x}) = ${actual}`)
    } else if (x < -87.3365) {
      if (actual > 1.18e-38 || actual < 0) expect.fail(`exp(${x}) = ${actual}`)
    } else worst = Math.max(worst, Math.abs(actual / expected - 1))
    if (!Number.isNaN(x)) worstSigmoid = Math.max(worstSigmoid, Math.abs(sigmoid[i]! - 1 / (1 + Math.exp(-x))))
  }
  expect(worst).toBeLessThan(1.2e-7)
  expect(worstSigmoid).toBeLessThan(1.2e-7)
})

it('exp4 and sigmoid4 are exact at the edges', async () => {
  const { POSITIVE_INFINITY: inf, NaN: nan } = Number
  const { exp, sigmoid } = await exponentials(
    Float32Array.of(0, -0, 1e-45, -1e-45, inf, -inf, nan, 88.723, 1e30, -87.34, -1e30, 100, -100),
  )
  expect([...exp]).toEqual([1, 1, 1, 1, inf, 0, nan, inf, inf, 0, 0, inf, 0])
  expect([...sigmoid]).toEqual([0.5, 0.5, 0.5, 0.5, 1, 0, nan, 1, 1, expect.closeTo(0, 30), 0, 1, 0])
})
