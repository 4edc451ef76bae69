// The 4D hash grid in plain JavaScript: level by level, so that a level's entries stay in the cache, as the kernels do.
import type { GridLayout, GridLevel } from '@clipgstream/hashgrid'

const entryOf = new Int32Array(16)
const weightOf = new Float64Array(16)

/** Finds the 16 entries, of the whole table, and weights of a point; false when it lies outside. */
function locate(level: GridLevel, points: Float32Array, n: number): boolean {
  const x = points[4 * n]!
  const y = points[4 * n + 1]!
  const z = points[4 * n + 2]!
  const t = points[4 * n + 3]!
  if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1 && z >= 0 && z <= 1 && t >= 0 && t <= 1)) return false
  const { scale, timeScale, entries, offset, factors } = level
  const px = Math.fround(scale * x + 0.5)
  const py = Math.fround(scale * y + 0.5)
  const pz = Math.fround(scale * z + 0.5)
  const pt = Math.fround(timeScale * t + 0.5)
  const gx = Math.floor(px)
  const gy = Math.floor(py)
  const gz = Math.floor(pz)
  const gt = Math.floor(pt)
  const x0 = Math.imul(gx, factors[0])
  const x1 = (x0 + factors[0]) | 0
  const y0 = Math.imul(gy, factors[1])
  const z0 = Math.imul(gz, factors[2])
  const t0 = Math.imul(gt, factors[3])
  const hashed = level.indexing === 'hashed'
  // A level that is not a power of two is dense, and its indices are small.
  const mask = (entries & (entries - 1)) === 0 ? entries - 1 : 0
  for (let c = 0; c < 16; c += 2) {
    const y1 = c & 2 ? (y0 + factors[1]) | 0 : y0
    const z1 = c & 4 ? (z0 + factors[2]) | 0 : z0
    const t1 = c & 8 ? (t0 + factors[3]) | 0 : t0
    const rest = hashed ? y1 ^ z1 ^ t1 : (y1 + z1 + t1) | 0
    const low = hashed ? x0 ^ rest : (x0 + rest) | 0
    const high = hashed ? x1 ^ rest : (x1 + rest) | 0
    entryOf[c] = offset + (mask > 0 ? low & mask : low % entries)
    entryOf[c + 1] = offset + (mask > 0 ? high & mask : high % entries)
    const weight = (c & 2 ? py - gy : 1 - py + gy) * (c & 4 ? pz - gz : 1 - pz + gz) * (c & 8 ? pt - gt : 1 - pt + gt)
    weightOf[c] = weight * (1 - px + gx)
    weightOf[c + 1] = weight * (px - gx)
  }
  return true
}

/** points // [N, 4], table // [E, F]; returns [N, L F] */
export function plainEncode(layout: GridLayout, points: Float32Array, table: Float32Array): Float32Array {
  const { levels, width } = layout
  const features = width / levels.length
  const n = points.length / 4
  const encoded = new Float32Array(n * width)
  for (const [l, level] of levels.entries()) {
    for (let i = 0; i < n; i++) {
      if (!locate(level, points, i)) continue
      const out = i * width + l * features
      for (let f = 0; f < features; f++) {
        let sum = 0
        for (let c = 0; c < 16; c++) sum += weightOf[c]! * table[entryOf[c]! * features + f]!
        encoded[out + f] = sum
      }
    }
  }
  return encoded
}

/** vEncoded // [N, L F]; adds to vTable // [E, F] */
export function plainEncodeBackward(
  layout: GridLayout,
  points: Float32Array,
  vEncoded: Float32Array,
  vTable: Float32Array,
): void {
  const { levels, width } = layout
  const features = width / levels.length
  const n = points.length / 4
  for (const [l, level] of levels.entries()) {
    for (let i = 0; i < n; i++) {
      if (!locate(level, points, i)) continue
      const from = i * width + l * features
      for (let f = 0; f < features; f++) {
        const v = vEncoded[from + f]!
        for (let c = 0; c < 16; c++) vTable[entryOf[c]! * features + f]! += weightOf[c]! * v
      }
    }
  }
}
