import { FormatError, shown } from '../errors.js'
import { isInteger, type PlyFormat, type PlyScalar, scalarByName } from './types.js'

export interface PropertySpec {
  readonly name: string
  readonly type: PlyScalar
  /** Set for lists. */
  readonly countType?: PlyScalar
}

export interface ElementSpec {
  readonly name: string
  readonly count: number
  readonly properties: PropertySpec[]
}

export interface PlyHeader {
  readonly format: PlyFormat
  readonly comments: string[]
  readonly elements: ElementSpec[]
  /** Where the data begin, and how many lines lie before. */
  readonly dataStart: number
  readonly lines: number
}

const longestHeader = 1 << 20

/** The header up to `end_header`; lines end with LF or CR LF. */
export function parsePlyHeader(bytes: Uint8Array, file: string): PlyHeader {
  let at = 0
  let line = 0
  const fail = (expected: string, actual: string): never => {
    throw new FormatError(file, `header line ${line}`, expected, actual)
  }
  const next = (): string => {
    line++
    const limit = Math.min(bytes.length, longestHeader)
    const end = bytes.subarray(at, limit).indexOf(10)
    if (end < 0)
      fail(line === 1 ? "'ply'" : "'end_header'", bytes.length === at ? 'the end of the file' : 'no end of line')
    const text = latin1(bytes, at, at + end)
    at += end + 1
    return text.endsWith('\r') ? text.slice(0, -1) : text
  }

  const magic = next()
  if (magic.trim() !== 'ply') fail("'ply'", shown(magic))
  let format: PlyFormat | undefined
  const comments: string[] = []
  const elements: ElementSpec[] = []
  for (;;) {
    const text = next()
    const words = text.trim().split(/\s+/)
    switch (words[0]) {
      case 'end_header':
        return {
          format: format ?? fail('a format line before end_header', 'none'),
          comments,
          elements,
          dataStart: at,
          lines: line,
        }
      case 'format':
        if (format) fail('one format line', 'a second one')
        format = parseFormat(words) ?? fail('format ascii|binary_little_endian|binary_big_endian 1.0', shown(text))
        break
      case 'comment':
      case 'obj_info':
        comments.push(text.trim().slice((words[0] ?? '').length + 1))
        break
      case 'element': {
        const [, name = '', count = ''] = words
        if (words.length !== 3 || !/^\d{1,15}$/.test(count)) fail('element NAME COUNT', shown(text))
        if (elements.some((element) => element.name === name)) fail('each element once', `${shown(name)} twice`)
        elements.push({ name, count: Number(count), properties: [] })
        break
      }
      case 'property': {
        const element = elements.at(-1) ?? fail('an element before its properties', shown(text))
        const property =
          parseProperty(words) ?? fail('property TYPE NAME or property list COUNT_TYPE TYPE NAME', shown(text))
        if (element.properties.some(({ name }) => name === property.name)) {
          fail(`each property of ${element.name} once`, `${shown(property.name)} twice`)
        }
        element.properties.push(property)
        break
      }
      default:
        fail('format, comment, obj_info, element, property or end_header', shown(text))
    }
  }
}

function parseFormat(words: readonly string[]): PlyFormat | undefined {
  const [, name, version] = words
  if (words.length !== 3 || version !== '1.0') return undefined
  return name === 'ascii' || name === 'binary_little_endian' || name === 'binary_big_endian' ? name : undefined
}

function parseProperty(words: readonly string[]): PropertySpec | undefined {
  const [, first = '', second = '', third = '', fourth = ''] = words
  if (first !== 'list') {
    const type = scalarByName(first)
    return type && words.length === 3 ? { name: second, type } : undefined
  }
  const countType = scalarByName(second)
  const type = scalarByName(third)
  return countType && type && isInteger(countType) && words.length === 5 ? { name: fourth, type, countType } : undefined
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let i = start; i < end; i += 4096) text += String.fromCharCode(...bytes.subarray(i, Math.min(end, i + 4096)))
  return text
}
