import { ArgumentError } from '@clipgstream/tensor'
import type { RasterizerConfig } from './contract.js'

export const defaultRasterizerConfig: Readonly<RasterizerConfig> = {
  near: 0.2,
  dilation: 0.3,
  alphaMax: 0.99,
  alphaMin: 1 / 255,
  transmittanceMin: 1e-4,
  extent: 'exact',
}

const operator = 'createRasterizer'

// alphaMax keeps 1 / (1 - alpha) bounded; the lower limits keep exponents and transmittances away from denormals.
const ranges = {
  near: ['a positive number', (x: number) => x > 0 && x < Number.POSITIVE_INFINITY],
  dilation: ['a non-negative number', (x: number) => x >= 0 && x < Number.POSITIVE_INFINITY],
  alphaMax: ['in (0, 0.9999]', (x: number) => x > 0 && x <= 0.9999],
  alphaMin: ['in [1e-6, alphaMax)', (x: number, alphaMax: number) => x >= 1e-6 && x < alphaMax],
  transmittanceMin: ['in [1e-12, 1)', (x: number) => x >= 1e-12 && x < 1],
} as const

/** The configuration with defaults for what is left out. @throws ArgumentError for a value out of its range */
export function rasterizerConfig(options: Partial<RasterizerConfig> = {}): RasterizerConfig {
  const config = { ...defaultRasterizerConfig, ...options }
  for (const key of ['near', 'dilation', 'alphaMax', 'alphaMin', 'transmittanceMin'] as const) {
    const [expected, holds] = ranges[key]
    if (!holds(config[key], config.alphaMax)) throw new ArgumentError(operator, key, config[key], expected)
  }
  if (config.extent !== 'exact' && config.extent !== 'three-sigma') {
    throw new ArgumentError(operator, 'extent', config.extent, "'exact' or 'three-sigma'")
  }
  return config
}
