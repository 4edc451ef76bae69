import { ArgumentError } from '@clipgstream/tensor'
import type { GridLayout, GridLevel, HashGridConfig } from './contract.js'

const primes = [1, 2654435761, 805459861, 3674653429] as const
const maxResolution = 2 ** 24
const maxTableBytes = 2 ** 32

/** The levels of a grid, their sizes and places in the table. Throws ArgumentError for a config out of bounds. */
export function gridLayout(config: HashGridConfig): GridLayout {
  validate(config)
  const { features, growth, timeGrowth = growth, baseResolution, timeBaseResolution = baseResolution } = config
  const levels: GridLevel[] = []
  let offset = 0
  // Repeated products instead of powers: those may differ between engines in the last bit.
  let vertices = baseResolution
  let timeVertices = timeBaseResolution
  for (let l = 0; l < config.levels; l++) {
    const level = gridLevel(config, vertices, timeVertices, offset)
    levels.push(level)
    offset += level.entries
    vertices *= growth
    timeVertices *= timeGrowth
  }
  const bytes = offset * features * 4
  if (bytes > maxTableBytes) {
    const expected = `at most ${maxTableBytes} bytes: fewer levels or features, or a smaller log2TableSize`
    throw new ArgumentError('hashgrid', `table of ${offset} entries with ${features} features`, bytes, expected)
  }
  return { levels, entries: offset, width: config.levels * features }
}

function gridLevel(config: HashGridConfig, vertices: number, timeVertices: number, offset: number): GridLevel {
  const scale = Math.fround(vertices - 1)
  const timeScale = Math.fround(timeVertices - 1)
  const resolution = Math.ceil(scale) + 1
  const timeResolution = Math.ceil(timeScale) + 1
  const largest = 2 ** config.log2TableSize
  // In double precision, where a product that is too large stays too large.
  const total = resolution ** 3 * timeResolution
  const entries = Math.min(Math.ceil(total / 8) * 8, largest)
  const level = { scale, timeScale, resolution, timeResolution, entries, offset }
  if (total <= largest) {
    const factors = [1, resolution, resolution ** 2, resolution ** 3] as const
    return { ...level, indexing: 'dense', factors }
  }
  const strides = config.indexing === 'wrapping' ? wrappingStrides(level) : null
  if (strides) return { ...level, indexing: 'wrapped', factors: strides }
  return { ...level, indexing: 'hashed', factors: primes }
}

/** The strides that a uint32 loop over the axes arrives at, or null where it notices that the level is too large. */
function wrappingStrides(
  level: Pick<GridLevel, 'resolution' | 'timeResolution' | 'entries'>,
): [number, number, number, number] | null {
  const { resolution, timeResolution, entries } = level
  const strides: [number, number, number, number] = [0, 0, 0, 0]
  let stride = 1
  for (let axis = 0; axis < 4 && stride <= entries; axis++) {
    strides[axis] = stride
    stride = Math.imul(stride, axis < 3 ? resolution : timeResolution) >>> 0
  }
  return stride > entries ? null : strides
}

function validate(config: HashGridConfig): void {
  const { features, growth, timeGrowth = growth, baseResolution, timeBaseResolution = baseResolution } = config
  integer('levels', config.levels, 1, 32)
  if (![1, 2, 4, 8].includes(features)) throw new ArgumentError('hashgrid', 'features', features, '1, 2, 4 or 8')
  integer('log2TableSize', config.log2TableSize, 3, 24)
  integer('baseResolution', baseResolution, 1, maxResolution)
  integer('timeBaseResolution', timeBaseResolution, 1, maxResolution)
  axis(config.levels, 'growth', growth, baseResolution)
  axis(config.levels, 'timeGrowth', timeGrowth, timeBaseResolution)
  if (config.indexing !== 'exact' && config.indexing !== 'wrapping') {
    throw new ArgumentError('hashgrid', 'indexing', config.indexing, 'exact or wrapping')
  }
}

function integer(name: string, value: number, low: number, high: number): void {
  if (!(Number.isInteger(value) && value >= low && value <= high)) {
    throw new ArgumentError('hashgrid', name, value, `an integer in [${low}, ${high}]`)
  }
}

function axis(levels: number, name: string, growth: number, base: number): void {
  if (!(growth >= 1 && Number.isFinite(growth))) {
    throw new ArgumentError('hashgrid', name, growth, 'a finite number of 1 or more')
  }
  // Beyond 2^24 vertices f32 has no place between two of them.
  const finest = base * growth ** (levels - 1)
  if (finest > maxResolution) {
    const expected = `such that level ${levels - 1} has at most ${maxResolution} vertices an axis, not ${finest}`
    throw new ArgumentError('hashgrid', name, growth, expected)
  }
}
