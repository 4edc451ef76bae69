import { FormatError, IoError } from '../errors.js'
import { plyColumn, plyElement, readPly } from './read.js'
import type { PlyColumn, PlyElement } from './types.js'
import { writePly } from './write.js'

export interface PointCloud {
  readonly count: number
  /** [count, 3] world units */
  readonly positions: Float32Array
  /** [count, 3] 0 to 255, or null where the file has none */
  readonly colors: Uint8Array | null
}

/**
 * Points of a PLY file: element `vertex` with x, y, z of any type and, when there, red, green, blue. A cloud of no points
 * is valid. A coordinate that is not finite is a `FormatError`.
 */
export function readPointCloud(bytes: Uint8Array, file = 'ply'): PointCloud {
  const vertex = plyElement(readPly(bytes, file), 'vertex', file)
  const axes = ['x', 'y', 'z'].map((name) => requireColumn(vertex, name, file))
  const positions = interleave(axes, vertex.count)
  for (let i = 0; i < positions.length; i++) {
    if (!Number.isFinite(positions[i]!)) {
      const where = `element vertex row ${Math.floor(i / 3)}, property ${'xyz'[i % 3]}`
      throw new FormatError(
        file,
        where,
        'a finite number of single precision',
        `${axes[i % 3]?.values[Math.floor(i / 3)]}`,
      )
    }
  }
  return { count: vertex.count, positions, colors: readColors(vertex) }
}

export function requireColumn(element: PlyElement, name: string, file: string): PlyColumn {
  const column = plyColumn(element, name)
  if (!column) {
    const names = element.columns.map((candidate) => candidate.name).join(', ')
    throw new FormatError(file, `element ${element.name}`, `a property ${name}`, names === '' ? 'none' : names)
  }
  return column
}

function interleave(columns: readonly PlyColumn[], count: number): Float32Array {
  const out = new Float32Array(count * columns.length)
  columns.forEach(({ values }, c) => {
    for (let i = 0, at = c; i < count; i++, at += columns.length) out[at] = values[i]!
  })
  return out
}

function readColors(vertex: PlyElement): Uint8Array | null {
  const channels = ['red', 'green', 'blue'].map((name) => plyColumn(vertex, name))
  const colors = new Uint8Array(vertex.count * 3)
  for (const [c, column] of channels.entries()) {
    if (!column) return null
    // Floats are 0 to 1, wider integers are read as they are.
    const scale = column.type === 'float32' || column.type === 'float64' ? 255 : 1
    for (let i = 0, at = c; i < vertex.count; i++, at += 3) {
      colors[at] = Math.max(0, Math.min(255, Math.round(column.values[i]! * scale)))
    }
  }
  return colors
}

export interface PointCloudContent {
  /** [count, 3] world units */
  readonly positions: Float32Array | Float64Array
  /** [count, 3] 0 to 255 */
  readonly colors?: Uint8Array | null
}

/** A binary PLY file of points: x, y, z in the precision given, and red, green, blue. */
export function writePointCloud(
  { positions, colors }: PointCloudContent,
  comments: readonly string[] = [],
): Uint8Array {
  if (positions.length % 3 !== 0 || (colors && colors.length !== positions.length)) {
    throw new IoError(
      `positions and colors must be [count, 3], got ${positions.length} and ${colors?.length ?? 0} values`,
    )
  }
  const count = positions.length / 3
  const type = positions instanceof Float64Array ? 'float64' : 'float32'
  const columns: PlyColumn[] = ['x', 'y', 'z'].map((name, c) => {
    const values = positions instanceof Float64Array ? new Float64Array(count) : new Float32Array(count)
    for (let i = 0; i < count; i++) values[i] = positions[i * 3 + c]!
    return { name, type, values }
  })
  if (colors) {
    for (const [c, name] of ['red', 'green', 'blue'].entries()) {
      const values = new Uint8Array(count)
      for (let i = 0; i < count; i++) values[i] = colors[i * 3 + c]!
      columns.push({ name, type: 'uint8', values })
    }
  }
  return writePly({ comments, elements: [{ name: 'vertex', count, columns }] })
}
