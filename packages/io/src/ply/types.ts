export type PlyScalar = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'float32' | 'float64'
export type PlyFormat = 'ascii' | 'binary_little_endian' | 'binary_big_endian'

export type PlyArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array

/** One number per row. */
export interface PlyColumn {
  readonly name: string
  readonly type: PlyScalar
  /** [count] */
  readonly values: PlyArray
}

/** A list of numbers per row: row i is `values[starts[i] .. starts[i + 1])`. */
export interface PlyListColumn {
  readonly name: string
  readonly type: PlyScalar
  /** The type that stores each row's length in the file. */
  readonly countType: PlyScalar
  /** [count + 1] */
  readonly starts: Uint32Array
  readonly values: PlyArray
}

export interface PlyElement {
  readonly name: string
  readonly count: number
  /** In the order of the file. */
  readonly columns: readonly (PlyColumn | PlyListColumn)[]
}

export interface Ply {
  readonly format: PlyFormat
  readonly comments: readonly string[]
  /** In the order of the file. */
  readonly elements: readonly PlyElement[]
}

interface ScalarType {
  readonly bytes: number
  readonly least: number
  readonly most: number
  readonly make: (length: number) => PlyArray
  readonly get: (view: DataView, at: number, little: boolean) => number
  readonly set: (view: DataView, at: number, value: number, little: boolean) => void
}

export const scalarTypes: Readonly<Record<PlyScalar, ScalarType>> = {
  int8: {
    bytes: 1,
    least: -128,
    most: 127,
    make: (n) => new Int8Array(n),
    get: (view, at) => view.getInt8(at),
    set: (view, at, value) => view.setInt8(at, value),
  },
  uint8: {
    bytes: 1,
    least: 0,
    most: 255,
    make: (n) => new Uint8Array(n),
    get: (view, at) => view.getUint8(at),
    set: (view, at, value) => view.setUint8(at, value),
  },
  int16: {
    bytes: 2,
    least: -32768,
    most: 32767,
    make: (n) => new Int16Array(n),
    get: (view, at, little) => view.getInt16(at, little),
    set: (view, at, value, little) => view.setInt16(at, value, little),
  },
  uint16: {
    bytes: 2,
    least: 0,
    most: 65535,
    make: (n) => new Uint16Array(n),
    get: (view, at, little) => view.getUint16(at, little),
    set: (view, at, value, little) => view.setUint16(at, value, little),
  },
  int32: {
    bytes: 4,
    least: -(2 ** 31),
    most: 2 ** 31 - 1,
    make: (n) => new Int32Array(n),
    get: (view, at, little) => view.getInt32(at, little),
    set: (view, at, value, little) => view.setInt32(at, value, little),
  },
  uint32: {
    bytes: 4,
    least: 0,
    most: 2 ** 32 - 1,
    make: (n) => new Uint32Array(n),
    get: (view, at, little) => view.getUint32(at, little),
    set: (view, at, value, little) => view.setUint32(at, value, little),
  },
  float32: {
    bytes: 4,
    least: Number.NEGATIVE_INFINITY,
    most: Number.POSITIVE_INFINITY,
    make: (n) => new Float32Array(n),
    get: (view, at, little) => view.getFloat32(at, little),
    set: (view, at, value, little) => view.setFloat32(at, value, little),
  },
  float64: {
    bytes: 8,
    least: Number.NEGATIVE_INFINITY,
    most: Number.POSITIVE_INFINITY,
    make: (n) => new Float64Array(n),
    get: (view, at, little) => view.getFloat64(at, little),
    set: (view, at, value, little) => view.setFloat64(at, value, little),
  },
}

const aliases: Readonly<Record<string, PlyScalar>> = {
  char: 'int8',
  uchar: 'uint8',
  short: 'int16',
  ushort: 'uint16',
  int: 'int32',
  uint: 'uint32',
  float: 'float32',
  double: 'float64',
  int8: 'int8',
  uint8: 'uint8',
  int16: 'int16',
  uint16: 'uint16',
  int32: 'int32',
  uint32: 'uint32',
  float32: 'float32',
  float64: 'float64',
}

/** The names that every reader knows. */
export const headerNames: Readonly<Record<PlyScalar, string>> = {
  int8: 'char',
  uint8: 'uchar',
  int16: 'short',
  uint16: 'ushort',
  int32: 'int',
  uint32: 'uint',
  float32: 'float',
  float64: 'double',
}

export function scalarByName(name: string): PlyScalar | undefined {
  return Object.hasOwn(aliases, name) ? aliases[name] : undefined
}

export function isInteger(type: PlyScalar): boolean {
  return type !== 'float32' && type !== 'float64'
}

export function isList(column: PlyColumn | PlyListColumn): column is PlyListColumn {
  return 'starts' in column
}
