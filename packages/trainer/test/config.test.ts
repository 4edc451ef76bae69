import {
  type Config,
  ConfigError,
  parseConfig,
  preset,
  presetNames,
  resolveConfig,
  settingNames,
} from '@clipgstream/trainer'
import { describe, expect, it } from 'vitest'

const message = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return 'no error'
}

describe('presets', () => {
  it.each(presetNames)('%s is a valid configuration', (name) => {
    expect(parseConfig(preset(name))).toEqual(preset(name))
  })

  it('have the published sizes', () => {
    const sizes = (name: 'tiny' | 'long360' | 'vrugz' | 'n3dv' | 'meetroom') => {
      const { grid, decoders, field, optimizer } = preset(name)
      return [grid.log2TableSize, decoders.staticFeatures + field.features, optimizer.iterations, optimizer.decaySteps]
    }
    expect(sizes('tiny')).toEqual([17, 128, 5000, 200000])
    expect(sizes('long360')).toEqual([20, 128, 10880, 200000])
    expect(sizes('vrugz')).toEqual([19, 128, 350000, 200000])
    expect(sizes('n3dv')).toEqual([17, 128, 30000, 30000])
    expect(sizes('meetroom')).toEqual([17, 128, 40000, 30000])
  })

  it('never share objects', () => {
    preset('default').grid.levels = 1
    expect(preset('default').grid.levels).toBe(16)
  })
})

describe('resolveConfig', () => {
  it('takes overrides over file over preset', () => {
    const file = { preset: 'mini', optimizer: { iterations: 7, beta1: 0.8 }, loss: { dssim: 0.5 } }
    const config = resolveConfig({ file, overrides: ['optimizer.iterations=9', 'clips.time=quantized'] })
    expect(config.optimizer).toMatchObject({ iterations: 9, beta1: 0.8 })
    expect(config.loss.dssim).toBe(0.5)
    expect(config.clips.time).toBe('quantized')
    expect(config.grid).toEqual(preset('mini').grid)
    expect(resolveConfig({ preset: 'default', file }).grid).toEqual(preset('default').grid)
    expect(resolveConfig({ overrides: { rasterizer: { background: [1, 1, 1] } } }).rasterizer.background).toEqual([
      1, 1, 1,
    ])
  })

  it('names unknown keys and the nearest known one', () => {
    expect(message(() => resolveConfig({ overrides: ['optimizer.iteration=9'] }))).toMatchInlineSnapshot(
      `"configuration: optimizer.iteration: there is no such setting; did you mean optimizer.iterations?"`,
    )
    expect(message(() => resolveConfig({ file: { log2TableSize: 15 } }))).toMatchInlineSnapshot(
      `"configuration: log2TableSize: there is no such setting; did you mean grid.log2TableSize?"`,
    )
    expect(message(() => resolveConfig({ overrides: ['grd.levels=3'] }))).toMatchInlineSnapshot(
      `"configuration: grd: there is no such setting; did you mean grid?"`,
    )
  })

  it('names values of the wrong kind', () => {
    expect(message(() => resolveConfig({ overrides: ['optimizer.iterations=-1'] }))).toMatchInlineSnapshot(
      `"configuration: optimizer.iterations: Too small: expected number to be >0, got -1"`,
    )
    expect(message(() => resolveConfig({ overrides: ['optimizer.iterations=many'] }))).toMatchInlineSnapshot(
      `"configuration: optimizer.iterations: Invalid input: expected number, received string, got "many""`,
    )
    expect(message(() => resolveConfig({ overrides: ['optimizer=3'] }))).toMatchInlineSnapshot(
      `"configuration: optimizer: Invalid input: expected object, received number, got 3"`,
    )
    expect(message(() => resolveConfig({ overrides: ['loss.dssim'] }))).toMatchInlineSnapshot(
      `"configuration: loss.dssim: write a setting as key=value, for example optimizer.iterations=500"`,
    )
    expect(message(() => resolveConfig({ preset: 'tinny' }))).toMatchInlineSnapshot(
      `"configuration: preset: there is none called "tinny"; take one of default, parity, mini, tiny, long360, vrugz, n3dv, meetroom"`,
    )
    expect(message(() => resolveConfig({ file: [] }))).toMatchInlineSnapshot(
      `"configuration: file: must hold an object of settings"`,
    )
    expect(
      message(() => resolveConfig({ overrides: ['decoders.combination=add', 'field.features=32'] })),
    ).toMatchInlineSnapshot(
      `"configuration: decoders.combination: add needs decoders.staticFeatures equal to field.features, got "add""`,
    )
    expect(message(() => parseConfig({}))).toMatchInlineSnapshot(
      `"configuration: grid: Invalid input: expected object, received undefined, got nothing"`,
    )
  })

  it('is not polluted by a __proto__ key', () => {
    const file: unknown = JSON.parse('{"__proto__": {"polluted": 1}, "optimizer": {"__proto__": {"polluted": 1}}}')
    expect(message(() => resolveConfig({ file }))).toContain('there is no such setting')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('knows every setting by name', () => {
    const names = settingNames()
    expect(names).toContain('optimizer.rates.field.initial')
    expect(names).toContain('ablation')
    const config: Config = preset('default')
    expect(names.filter((name) => !name.includes('.'))).toEqual(Object.keys(config))
  })
})
