// The hash grid in double precision, as plain as its formula; only the position is rounded to f32, as the contract says.
import type { HashGridConfig } from '@clipgstream/hashgrid'

const primes = [1n, 2654435761n, 805459861n, 3674653429n]
const wordSize = 2n ** 32n

interface Level {
  scales: number[]
  resolutions: bigint[]
  entries: number
  offset: number
}

export interface Touch {
  entry: number
  weight: number
}

export function oracleLevels(config: HashGridConfig): Level[] {
  const { baseResolution, growth, timeBaseResolution = baseResolution, timeGrowth = growth } = config
  const levels: Level[] = []
  let offset = 0
  for (let l = 0; l < config.levels; l++) {
    const scale = baseResolution * growth ** l - 1
    const timeScale = timeBaseResolution * timeGrowth ** l - 1
    const scales = [scale, scale, scale, timeScale].map(Math.fround)
    const resolutions = scales.map((s) => BigInt(Math.ceil(s)) + 1n)
    const vertices = resolutions.reduce((product, r) => product * r, 1n)
    const padded = ((vertices + 7n) / 8n) * 8n
    const largest = 2n ** BigInt(config.log2TableSize)
    const entries = Number(padded < largest ? padded : largest)
    levels.push({ scales, resolutions, entries, offset })
    offset += entries
  }
  return levels
}

/** The entry of a corner, inside its level. With `wrapping` the stride is a 32-bit word, as in the loop it repeats. */
export function oracleEntry(config: HashGridConfig, level: Level, corner: readonly number[]): number {
  const entries = BigInt(level.entries)
  let stride = 1n
  let index = 0n
  for (let axis = 0; axis < 4 && stride <= entries; axis++) {
    index += BigInt(corner[axis]!) * stride
    stride *= level.resolutions[axis]!
    if (config.indexing === 'wrapping') stride %= wordSize
  }
  if (stride > entries) {
    index = corner.reduce((hash, g, axis) => hash ^ ((BigInt(g) * primes[axis]!) % wordSize), 0n)
  }
  return Number((index % wordSize) % entries)
}

/**
 * The 16 entries, of the whole table, that a point of a level reads, x lowest; none when it lies outside. Weights are
 * rounded by `round` after every product.
 */
export function oracleTouches(
  config: HashGridConfig,
  level: Level,
  point: ArrayLike<number>,
  round = (value: number) => value,
): Touch[] {
  const x = [0, 1, 2, 3].map((axis) => point[axis]!)
  if (!x.every((value) => value >= 0 && value <= 1)) return []
  const p = x.map((value, axis) => Math.fround(level.scales[axis]! * value + 0.5))
  return Array.from({ length: 16 }, (_, c) => {
    const ups = p.map((_, axis) => (c >> axis) & 1)
    const corner = p.map((value, axis) => Math.floor(value) + ups[axis]!)
    const weight = p.reduce((product, value, axis) => {
      const fraction = value - Math.floor(value)
      return round(product * round(ups[axis] ? fraction : 1 - fraction))
    }, 1)
    return { entry: level.offset + oracleEntry(config, level, corner), weight }
  })
}

/** points // [N, 4], table // [E, F]; returns [N, L F] */
export function oracleForward(config: HashGridConfig, points: Float32Array, table: ArrayLike<number>): Float64Array {
  const { features } = config
  const width = config.levels * features
  const encoded = new Float64Array((points.length / 4) * width)
  for (const [l, level] of oracleLevels(config).entries()) {
    for (let n = 0; n < points.length / 4; n++) {
      for (const { entry, weight } of oracleTouches(config, level, points.subarray(4 * n))) {
        for (let f = 0; f < features; f++) {
          encoded[n * width + l * features + f]! += weight * table[entry * features + f]!
        }
      }
    }
  }
  return encoded
}

/** vEncoded // [N, L F]; returns vTable // [E, F] */
export function oracleBackward(config: HashGridConfig, points: Float32Array, vEncoded: Float32Array): Float64Array {
  const { features } = config
  const width = config.levels * features
  const levels = oracleLevels(config)
  const vTable = new Float64Array(levels.reduce((sum, level) => sum + level.entries, 0) * features)
  for (const [l, level] of levels.entries()) {
    for (let n = 0; n < points.length / 4; n++) {
      for (const { entry, weight } of oracleTouches(config, level, points.subarray(4 * n))) {
        for (let f = 0; f < features; f++) {
          vTable[entry * features + f]! += weight * vEncoded[n * width + l * features + f]!
        }
      }
    }
  }
  return vTable
}
