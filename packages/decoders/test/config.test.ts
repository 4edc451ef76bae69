import {
  type Activation,
  createHeads,
  decoderHeads,
  fieldHead,
  initialParameters,
  parameterCount,
  parameterShapes,
} from '@clipgstream/decoders'
import { createWasmDevice } from '@clipgstream/tensor/wasm'
import { describe, expect, it } from 'vitest'

describe('configurations', () => {
  it('has the shapes and counts of the published decoders', () => {
    const config = decoderHeads({ features: 128, offsetsPerAnchor: 10 })
    expect(parameterShapes(config)).toEqual([
      { w1: [256, 128], b1: [256], w2: [10, 256], b2: [10] },
      { w1: [256, 128], b1: [256], w2: [70, 256], b2: [70] },
      { w1: [256, 128], b1: [256], w2: [30, 256], b2: [30] },
      { w1: [512, 128], b1: [512], w2: [30, 512], b2: [30] },
    ])
    const each = config.heads.map((head) => parameterCount({ ...config, heads: [head] }))
    expect(each).toEqual([35594, 51014, 40734, 81438])
    expect(parameterCount(config)).toBe(208780)
    expect(parameterCount(decoderHeads({ features: 64, offsetsPerAnchor: 10 }))).toBe(63500)
  })

  it('has the shapes and counts of the field network', () => {
    const config = fieldHead({ inputs: 64, hidden: 128, outputs: 64 })
    expect(parameterShapes(config)).toEqual([{ w1: [128, 64], b1: null, w2: [64, 128], b2: null }])
    expect(parameterCount(config)).toBe(16384)
  })

  it('takes other hidden factors', () => {
    const hiddenFactors = { opacity: 1, cov: 2, color: 1.5, offset: 3 }
    const { heads } = decoderHeads({ features: 32, offsetsPerAnchor: 5, hiddenFactors })
    expect(heads.map(({ hidden, outputs }) => [hidden, outputs])).toEqual([
      [32, 5],
      [64, 35],
      [48, 15],
      [96, 15],
    ])
  })

  it('says which width is wrong', () => {
    expect(() => decoderHeads({ features: 0, offsetsPerAnchor: 10 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: decoderHeads: inputs must be a positive integer, got 0]`,
    )
    expect(() => decoderHeads({ features: 64, offsetsPerAnchor: 2.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: decoderHeads: offsetsPerAnchor must be a positive integer, got 2.5]`,
    )
    expect(() => fieldHead({ inputs: 64, hidden: Number.NaN, outputs: 64 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: fieldHead: hidden of field must be a positive integer, got NaN]`,
    )
  })

  it('says what a device cannot run', async () => {
    using device = await createWasmDevice({ threads: 1 })
    const field = fieldHead({ inputs: 8, hidden: 8, outputs: 8 })
    await expect(createHeads(device, { ...field, heads: [] })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: createHeads: heads must be at least one head, got []]`,
    )
    const heads = [{ name: 'field', hidden: 8, outputs: 8, activation: 'tanh' as Activation }]
    await expect(createHeads(device, { ...field, heads })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: createHeads: activation of field must be none, relu or sigmoid, got tanh]`,
    )
    const wide = fieldHead({ inputs: 64, hidden: 1 << 16, outputs: 64 })
    await expect(createHeads(device, wide)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: createHeads: memory of four rows must be at most the 1048576 bytes of scratch; use narrower heads or a device with more scratchBytes, got 2100224]`,
    )
  })
})

describe('initial parameters', () => {
  const config = decoderHeads({ features: 64, offsetsPerAnchor: 10 })

  it('fills the range of a linear layer, weights and biases alike', () => {
    for (const [i, { w1, b1, w2, b2 }] of initialParameters(config, 'linear', 7).entries()) {
      const { hidden } = config.heads[i]!
      for (const [values, inputs] of [
        [w1, 64],
        [b1!, 64],
        [w2, hidden],
        [b2!, hidden],
      ] as const) {
        const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
        expect(largest).toBeLessThanOrEqual(Math.fround(1 / Math.sqrt(inputs)))
        expect(largest).toBeGreaterThan(0.6 / Math.sqrt(inputs))
      }
      const mean = w1.reduce((sum, value) => sum + value, 0) / w1.length
      const variance = w1.reduce((sum, value) => sum + (value - mean) ** 2, 0) / w1.length
      expect(mean).toBeCloseTo(0, 2)
      expect(variance * 64 * 3).toBeCloseTo(1, 1)
    }
  })

  it('fills the range of Xavier, without biases', () => {
    const field = fieldHead({ inputs: 64, hidden: 128, outputs: 64 })
    const [head] = initialParameters(field, 'xavier', 1337)
    const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    expect(largest(head!.w1)).toBeCloseTo(Math.sqrt(6 / 192), 3)
    expect(largest(head!.w2)).toBeCloseTo(Math.sqrt(6 / 192), 3)
    expect([head!.b1, head!.b2]).toEqual([null, null])
    const biased = initialParameters({ ...field, biases: true }, 'xavier', 1337)
    expect(biased[0]!.b1!.every((value) => value === 0)).toBe(true)
  })

  it('depends on the seed alone', () => {
    expect(initialParameters(config, 'linear', 7)).toEqual(initialParameters(config, 'linear', 7))
    expect(initialParameters(config, 'linear', 7)).not.toEqual(initialParameters(config, 'linear', 8))
  })
})
