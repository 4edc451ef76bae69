import { defaultRasterizerConfig, rasterizerConfig } from '@clipgstream/rasterizer'
import { ArgumentError } from '@clipgstream/tensor'
import { describe, expect, it } from 'vitest'

describe('rasterizerConfig', () => {
  it('completes what is left out', () => {
    expect(rasterizerConfig()).toEqual(defaultRasterizerConfig)
    expect(rasterizerConfig({ extent: 'three-sigma', near: 1 })).toEqual({
      near: 1,
      dilation: 0.3,
      alphaMax: 0.99,
      alphaMin: 1 / 255,
      transmittanceMin: 1e-4,
      extent: 'three-sigma',
    })
  })

  it('accepts the ends of the ranges', () => {
    expect(() =>
      rasterizerConfig({ near: 1e-9, dilation: 0, alphaMax: 0.9999, alphaMin: 1e-6, transmittanceMin: 1e-12 }),
    ).not.toThrow()
  })

  it.each([
    { near: 0 },
    { near: Number.NaN },
    { dilation: -0.1 },
    { dilation: Number.POSITIVE_INFINITY },
    { alphaMax: 1 },
    { alphaMin: 0 },
    { alphaMin: 0.5, alphaMax: 0.4 },
    { transmittanceMin: 0 },
    { extent: 'square' as never },
  ])('refuses %o', (options) => {
    expect(() => rasterizerConfig(options)).toThrow(ArgumentError)
  })

  it('says what it wants', () => {
    expect(() => rasterizerConfig({ alphaMax: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: createRasterizer: alphaMax must be in (0, 0.9999], got 1]`,
    )
    expect(() => rasterizerConfig({ extent: '3sigma' as never })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: createRasterizer: extent must be 'exact' or 'three-sigma', got 3sigma]`,
    )
  })
})
