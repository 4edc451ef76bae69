import { concatBytes } from '../bytes.js'
import { IoError } from '../errors.js'
import {
  headerNames,
  isInteger,
  isList,
  type Ply,
  type PlyColumn,
  type PlyElement,
  type PlyListColumn,
  scalarTypes,
} from './types.js'

export type PlyContent = Pick<Ply, 'elements'> & Partial<Pick<Ply, 'format' | 'comments'>>

/** A PLY file; little-endian unless `format` says otherwise. Ascii numbers read back to the same value. */
export function writePly({ format = 'binary_little_endian', comments = [], elements }: PlyContent): Uint8Array {
  const lines = ['ply', `format ${format} 1.0`]
  for (const comment of comments) {
    if (/[\r\n]/.test(comment)) throw new IoError(`a PLY comment is one line, got ${JSON.stringify(comment)}`)
    lines.push(`comment ${comment}`)
  }
  for (const element of elements) {
    checkElement(element)
    lines.push(`element ${element.name} ${element.count}`)
    for (const column of element.columns) {
      const list = isList(column) ? `list ${headerNames[column.countType]} ` : ''
      lines.push(`property ${list}${headerNames[column.type]} ${column.name}`)
    }
  }
  lines.push('end_header', '')
  const head = new TextEncoder().encode(lines.join('\n'))
  const bodies = elements.map((element) => {
    return format === 'ascii' ? asciiBody(element) : binaryBody(element, format === 'binary_little_endian')
  })
  return concatBytes([head, ...bodies])
}

function checkElement({ name, count, columns }: PlyElement): void {
  const fail = (message: string): never => {
    throw new IoError(`PLY element ${name}: ${message}`)
  }
  for (const word of [name, ...columns.map((column) => column.name)]) {
    if (!/^[\x21-\x7e]+$/.test(word)) fail(`names are ASCII words, got ${JSON.stringify(word)}`)
  }
  for (const column of columns) {
    if (!isList(column)) {
      if (column.values.length !== count)
        fail(`property ${column.name} has ${column.values.length} values for ${count} rows`)
      continue
    }
    const { starts, values, countType } = column
    if (starts.length !== count + 1 || starts[0] !== 0 || starts[count] !== values.length) {
      fail(`property ${column.name}: starts must go from 0 to ${values.length} in ${count + 1} steps`)
    }
    for (let row = 0; row < count; row++) {
      const length = starts[row + 1]! - starts[row]!
      if (length < 0 || length > scalarTypes[countType].most || !isInteger(countType)) {
        fail(`property ${column.name} row ${row}: a list of ${length} does not fit ${countType}`)
      }
    }
  }
}

function binaryBody({ count, columns }: PlyElement, little: boolean): Uint8Array {
  let size = 0
  for (const column of columns) {
    size += column.values.length * scalarTypes[column.type].bytes
    if (isList(column)) size += count * scalarTypes[column.countType].bytes
  }
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  const put = ({ type, values }: PlyColumn | PlyListColumn, index: number) => {
    scalarTypes[type].set(view, at, values[index]!, little)
    at += scalarTypes[type].bytes
  }
  for (let row = 0; row < count; row++) {
    for (const column of columns) {
      if (!isList(column)) {
        put(column, row)
        continue
      }
      const start = column.starts[row]!
      const end = column.starts[row + 1]!
      scalarTypes[column.countType].set(view, at, end - start, little)
      at += scalarTypes[column.countType].bytes
      for (let i = start; i < end; i++) put(column, i)
    }
  }
  return bytes
}

function asciiBody({ count, columns }: PlyElement): Uint8Array {
  const rows: string[] = []
  for (let row = 0; row < count; row++) {
    const words: string[] = []
    for (const column of columns) {
      if (!isList(column)) words.push(decimal(column, row))
      else {
        const start = column.starts[row]!
        const end = column.starts[row + 1]!
        words.push(`${end - start}`)
        for (let i = start; i < end; i++) words.push(decimal(column, i))
      }
    }
    rows.push(`${words.join(' ')}\n`)
  }
  return new TextEncoder().encode(rows.join(''))
}

/** The shortest decimal that reads back to the same value of its type. */
function decimal({ type, values }: PlyColumn | PlyListColumn, index: number): string {
  const value = values[index]!
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf'
  if (Object.is(value, -0)) return '-0'
  if (type !== 'float32') return String(value)
  for (let digits = 6; digits < 9; digits++) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return String(Number(text))
  }
  return String(Number(value.toPrecision(9)))
}
