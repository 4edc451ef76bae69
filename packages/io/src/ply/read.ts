import { FormatError, shown } from '../errors.js'
import { type ElementSpec, type PlyHeader, type PropertySpec, parsePlyHeader } from './header.js'
import {
  isInteger,
  type Ply,
  type PlyArray,
  type PlyColumn,
  type PlyElement,
  type PlyListColumn,
  scalarTypes,
} from './types.js'

/**
 * A PLY file of any of the three encodings, with all its elements, as typed columns. No count is believed before the
 * bytes for it are there. Bytes behind the last element are ignored, as other readers do.
 */
export function readPly(bytes: Uint8Array, file = 'ply'): Ply {
  const header = parsePlyHeader(bytes, file)
  const elements = header.format === 'ascii' ? readAscii(bytes, header, file) : readBinary(bytes, header, file)
  return { format: header.format, comments: header.comments, elements }
}

/** The element of this name, or a `FormatError` that lists the ones there are. */
export function plyElement(ply: Ply, name: string, file = 'ply'): PlyElement {
  const element = ply.elements.find((candidate) => candidate.name === name)
  if (!element) {
    const names = ply.elements.map((candidate) => candidate.name).join(', ')
    throw new FormatError(file, 'header', `an element ${shown(name)}`, names === '' ? 'no elements' : names)
  }
  return element
}

/** The scalar column of this name, or null. */
export function plyColumn(element: PlyElement, name: string): PlyColumn | null {
  const column = element.columns.find((candidate) => candidate.name === name)
  return column && !('starts' in column) ? column : null
}

/** Columns while they are filled; a list's values grow with what was read, not with what is promised. */
class Builder {
  readonly starts: Uint32Array
  values: PlyArray
  used = 0

  constructor(
    readonly spec: PropertySpec,
    count: number,
  ) {
    this.starts = new Uint32Array(spec.countType ? count + 1 : 0)
    this.values = scalarTypes[spec.type].make(spec.countType ? 0 : count)
  }

  /** Makes room for one more list. */
  grow(length: number): void {
    if (this.used + length <= this.values.length) return
    const grown = scalarTypes[this.spec.type].make(Math.max(this.used + length, this.values.length * 2))
    grown.set(this.values)
    this.values = grown
  }

  finish(): PlyColumn | PlyListColumn {
    const { name, type, countType } = this.spec
    if (!countType) return { name, type, values: this.values }
    return { name, type, countType, starts: this.starts, values: this.values.slice(0, this.used) }
  }
}

function readBinary(bytes: Uint8Array, header: PlyHeader, file: string): PlyElement[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const little = header.format === 'binary_little_endian'
  let at = header.dataStart
  return header.elements.map((element) => {
    const least = element.properties.reduce((sum, { type, countType }) => sum + scalarTypes[countType ?? type].bytes, 0)
    checkCount(element, least, bytes.length - at, file)
    const count = least === 0 ? 0 : element.count
    const builders = element.properties.map((spec) => new Builder(spec, count))
    if (element.properties.some(({ countType }) => countType)) {
      for (let row = 0; row < count; row++) {
        for (const builder of builders) at = readBinaryValue(view, at, little, builder, row, element, file)
      }
    } else {
      let offset = at
      for (const { spec, values } of builders) {
        const { get, bytes: width } = scalarTypes[spec.type]
        for (let row = 0, from = offset; row < count; row++, from += least) values[row] = get(view, from, little)
        offset += width
      }
      at += count * least
    }
    return { name: element.name, count: element.count, columns: builders.map((builder) => builder.finish()) }
  })
}

function readBinaryValue(
  view: DataView,
  start: number,
  little: boolean,
  builder: Builder,
  row: number,
  element: ElementSpec,
  file: string,
): number {
  const { type, countType, name } = builder.spec
  const { get, bytes: width } = scalarTypes[type]
  const where = () => `element ${element.name} row ${row}, property ${name}, byte ${start}`
  let at = start
  let length = 1
  if (countType) {
    const count = scalarTypes[countType]
    if (at + count.bytes > view.byteLength) throw new FormatError(file, where(), 'a list length', 'the end of the file')
    length = count.get(view, at, little)
    at += count.bytes
    if (length < 0) throw new FormatError(file, where(), 'a length of 0 or more', `${length}`)
  }
  if (at + length * width > view.byteLength) {
    throw new FormatError(
      file,
      where(),
      `${length} values of ${width} bytes`,
      `${view.byteLength - at} bytes to the end`,
    )
  }
  if (!countType) {
    builder.values[row] = get(view, at, little)
    return at + width
  }
  builder.grow(length)
  for (let i = 0; i < length; i++, at += width) builder.values[builder.used++] = get(view, at, little)
  builder.starts[row + 1] = builder.used
  return at
}

function readAscii(bytes: Uint8Array, header: PlyHeader, file: string): PlyElement[] {
  const tokens = new Tokens(bytes, header.dataStart, header.lines + 1)
  return header.elements.map((element) => {
    // A number and what separates it take two bytes.
    checkCount(element, element.properties.length * 2, bytes.length - tokens.at + 1, file)
    const count = element.properties.length === 0 ? 0 : element.count
    const builders = element.properties.map((spec) => new Builder(spec, count))
    for (let row = 0; row < count; row++) {
      for (const builder of builders) readAsciiValue(tokens, builder, row, element, file)
    }
    return { name: element.name, count: element.count, columns: builders.map((builder) => builder.finish()) }
  })
}

function readAsciiValue(tokens: Tokens, builder: Builder, row: number, element: ElementSpec, file: string): void {
  const { type, countType, name } = builder.spec
  const number = (kind: typeof type): number => {
    const text = tokens.next()
    const value = parseNumber(text)
    const { least, most } = scalarTypes[kind]
    if (
      text === '' ||
      value === null ||
      (isInteger(kind) && !(Number.isInteger(value) && value >= least && value <= most))
    ) {
      const where = `line ${tokens.line}, element ${element.name} row ${row}, property ${name}`
      throw new FormatError(file, where, `a ${kind}`, text === '' ? 'the end of the file' : shown(text))
    }
    return value
  }
  if (!countType) {
    builder.values[row] = number(type)
    return
  }
  const length = number(countType)
  if (length < 0 || length * 2 > tokens.left + 1) {
    const where = `line ${tokens.line}, element ${element.name} row ${row}, property ${name}`
    throw new FormatError(file, where, `a length that ${tokens.left} bytes can hold`, `${length}`)
  }
  builder.grow(length)
  for (let i = 0; i < length; i++) builder.values[builder.used++] = number(type)
  builder.starts[row + 1] = builder.used
}

/** Decimal numbers, and the ways in which C and Python write those that are not finite. */
function parseNumber(text: string): number | null {
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text)
  const special = /^([+-]?)(nan|inf|infinity)$/i.exec(text)
  if (!special) return null
  const value = special[2]?.toLowerCase() === 'nan' ? Number.NaN : Number.POSITIVE_INFINITY
  return special[1] === '-' ? -value : value
}

function checkCount(element: ElementSpec, least: number, left: number, file: string): void {
  if (element.count * least > left) {
    const most = Math.floor(left / least)
    throw new FormatError(
      file,
      `element ${element.name}`,
      `at most ${most} rows (${left} bytes are left)`,
      `${element.count}`,
    )
  }
}

/** Words between white space, and the line that they are on. */
class Tokens {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
    public line: number,
  ) {}

  get left(): number {
    return this.bytes.length - this.at
  }

  /** '' at the end. A word is at most 64 bytes; more of it comes as the next. */
  next(): string {
    const { bytes } = this
    while (this.at < bytes.length && bytes[this.at]! <= 32) {
      if (bytes[this.at] === 10) this.line++
      this.at++
    }
    const start = this.at
    while (this.at < bytes.length && bytes[this.at]! > 32 && this.at - start < 64) this.at++
    return String.fromCharCode(...bytes.subarray(start, this.at))
  }
}
