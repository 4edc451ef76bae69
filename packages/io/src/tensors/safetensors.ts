import { concatBytes, decodeUtf8 } from '../bytes.js'
import { FormatError, IoError, shown } from '../errors.js'
import { compareText } from '../vfs/path.js'
import { type ByteSource, bytesSource } from '../vfs/vfs.js'
import { arrayOf, byteLength, bytesOf, type DTypeName, dtypeNames, isDType, type NamedArray } from './array.js'
import { type JsonObject, parseStrictJson } from './json.js'

// The format: 8 bytes of little-endian header length, a JSON header, then the bytes of all tensors
// (https://huggingface.co/docs/safetensors, "Format").

export interface SafetensorsEntry {
  readonly dtype: DTypeName
  readonly shape: readonly number[]
  /** Bytes [start, end) of the part behind the header. */
  readonly start: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>
  readonly entries: ReadonlyMap<string, SafetensorsEntry>
  /** Where the tensors' bytes begin in the file. */
  readonly dataStart: number
}

export interface Safetensors {
  readonly metadata: ReadonlyMap<string, string>
  readonly tensors: ReadonlyMap<string, NamedArray>
}

/** A file whose header has been read and checked; tensors are read one by one. */
export interface SafetensorsFile extends SafetensorsHeader {
  /** Reads one tensor and nothing else. Unknown names are an error that lists the known ones. */
  read(name: string): Promise<NamedArray>
}

const longestHeader = 100_000_000

/** All tensors of a file in memory. Data are views of `bytes` where they are aligned. */
export function readSafetensors(bytes: Uint8Array, file = 'safetensors'): Safetensors {
  const length = headerLength(bytes.subarray(0, 8), bytes.length, file)
  const header = parseHeader(bytes.subarray(8, 8 + length), bytes.length, file)
  const tensors = new Map<string, NamedArray>()
  for (const [name, { dtype, shape, start, end }] of header.entries) {
    const part = bytes.subarray(header.dataStart + start, header.dataStart + end)
    tensors.set(name, { dtype, shape, data: arrayOf(dtype, part) })
  }
  return { metadata: header.metadata, tensors }
}

/** Reads and checks the header only; see {@link SafetensorsFile}. */
export async function openSafetensors(source: Uint8Array | ByteSource, file = 'safetensors'): Promise<SafetensorsFile> {
  const from = source instanceof Uint8Array ? bytesSource(source, file) : source
  const length = headerLength(await from.read(0, Math.min(8, from.size)), from.size, from.name)
  const header = parseHeader(await from.read(8, 8 + length), from.size, from.name)
  return {
    ...header,
    async read(name) {
      const entry = header.entries.get(name)
      if (!entry) {
        throw new IoError(
          `${from.name} has no tensor ${shown(name)}; it has ${shown([...header.entries.keys()].join(', '))}`,
        )
      }
      const bytes = await from.read(header.dataStart + entry.start, header.dataStart + entry.end)
      return { dtype: entry.dtype, shape: entry.shape, data: arrayOf(entry.dtype, bytes) }
    },
  }
}

function headerLength(first: Uint8Array, size: number, file: string): number {
  if (first.length < 8) throw new FormatError(file, 'byte 0', 'a header length of 8 bytes', `${size} bytes in the file`)
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true)
  if (length > BigInt(longestHeader)) {
    throw new FormatError(file, 'header length', `at most ${longestHeader}`, String(length))
  }
  if (Number(length) > size - 8) {
    throw new FormatError(file, 'header length', `at most the ${size - 8} bytes of the file`, String(length))
  }
  return Number(length)
}

function parseHeader(bytes: Uint8Array, size: number, file: string): SafetensorsHeader {
  if (bytes[0] !== 0x7b) throw new FormatError(file, 'byte 8', "a header that starts with '{'", shown(bytes[0]))
  const json = parseStrictJson(decodeUtf8(bytes, file, 'header'), file)
  if (!(json instanceof Map)) throw new FormatError(file, 'header', 'an object', shown(json))
  const metadata = new Map<string, string>()
  const entries = new Map<string, SafetensorsEntry>()
  for (const [name, value] of json) {
    if (!(value instanceof Map)) throw new FormatError(file, `header key ${shown(name)}`, 'an object', shown(value))
    if (name !== '__metadata__') {
      entries.set(name, parseEntry(name, value, file))
      continue
    }
    for (const [key, text] of value) {
      if (typeof text !== 'string') throw new FormatError(file, `__metadata__ ${shown(key)}`, 'a string', shown(text))
      metadata.set(key, text)
    }
  }
  const dataStart = 8 + bytes.length
  checkLayout(entries, size - dataStart, file)
  return { metadata, entries, dataStart }
}

function parseEntry(name: string, value: JsonObject, file: string): SafetensorsEntry {
  const where = `tensor ${shown(name)}`
  for (const key of value.keys()) {
    if (key !== 'dtype' && key !== 'shape' && key !== 'data_offsets') {
      throw new FormatError(file, where, 'dtype, shape and data_offsets', shown(key))
    }
  }
  const dtype = value.get('dtype')
  if (!isDType(dtype)) throw new FormatError(file, `${where}, dtype`, `one of ${dtypeNames.join(' ')}`, shown(dtype))
  const shape = wholeNumbers(value.get('shape'))
  if (!shape) throw new FormatError(file, `${where}, shape`, 'whole numbers', shown(value.get('shape')))
  const offsets = wholeNumbers(value.get('data_offsets'))
  const [start, end] = offsets ?? []
  if (start === undefined || end === undefined || offsets?.length !== 2 || start > end) {
    throw new FormatError(file, `${where}, data_offsets`, '[start, end]', shown(value.get('data_offsets')))
  }
  const length = byteLength(dtype, shape)
  if (length !== end - start) {
    const want = Number.isNaN(length) ? 'a size in whole bytes that fits 2^53' : `${length} bytes`
    throw new FormatError(
      file,
      where,
      `${want} for ${dtype} [${shape.join(', ')}]`,
      `data_offsets of ${end - start} bytes`,
    )
  }
  return { dtype, shape, start, end }
}

function wholeNumbers(value: unknown): number[] | null {
  if (!Array.isArray(value)) return null
  const numbers = value.filter((item): item is number => Number.isSafeInteger(item) && item >= 0)
  return numbers.length === value.length ? numbers : null
}

/** Every byte behind the header belongs to exactly one tensor. */
function checkLayout(entries: ReadonlyMap<string, SafetensorsEntry>, size: number, file: string): void {
  const sorted = [...entries].sort(([, a], [, b]) => a.start - b.start || a.end - b.end)
  let at = 0
  for (const [name, { start, end }] of sorted) {
    if (start !== at) {
      const actual = `${start}, ${start < at ? 'an overlap' : 'a hole'}`
      throw new FormatError(file, `tensor ${shown(name)}`, `data that start at ${at}`, actual)
    }
    at = end
  }
  if (at !== size) throw new FormatError(file, 'data', `${at} bytes as the header says`, `${size}`)
}

/**
 * A file of these tensors, the same bytes for the same content: laid out as the reference implementation does (largest
 * alignment first, then by name), metadata by key, header padded with spaces to a multiple of 8.
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, NamedArray>> | ReadonlyMap<string, NamedArray>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  return concatBytes([...safetensorsChunks(tensors, metadata)])
}

/** The same file in pieces, the header and one for each tensor, so that a large one need not exist twice in memory. */
export function* safetensorsChunks(
  tensors: Readonly<Record<string, NamedArray>> | ReadonlyMap<string, NamedArray>,
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array> {
  const list = tensors instanceof Map ? [...tensors] : Object.entries(tensors)
  list.sort(([a, { dtype: x }], [b, { dtype: y }]) => {
    return dtypeNames.indexOf(y) - dtypeNames.indexOf(x) || compareUtf8(a, b)
  })
  const parts: string[] = []
  const keys = Object.keys(metadata).sort(compareText)
  if (keys.length > 0) {
    parts.push(
      `"__metadata__":{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`).join(',')}}`,
    )
  }
  const seen = new Set<string>()
  let at = 0
  for (const [name, { dtype, shape, data }] of list) {
    if (name === '__metadata__' || seen.has(name)) {
      throw new IoError(`a tensor cannot be named ${shown(name)}${seen.has(name) ? ' twice' : ''}`)
    }
    seen.add(name)
    const length = byteLength(dtype, shape)
    if (length !== data.byteLength) {
      throw new IoError(
        `tensor ${shown(name)}: ${dtype} [${shape.join(', ')}] takes ${length} bytes, its data have ${data.byteLength}`,
      )
    }
    const offsets = `[${at},${at + length}]`
    parts.push(`${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":${offsets}}`)
    at += length
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`)
  const length = Math.ceil(json.length / 8) * 8
  if (length > longestHeader)
    throw new IoError(`the header takes ${length} bytes, more than ${longestHeader}; use fewer tensors`)
  const head = new Uint8Array(8 + length).fill(0x20)
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true)
  head.set(json, 8)
  yield head
  for (const [, { data }] of list) yield bytesOf(data)
}

/** Order of the names' UTF-8 bytes, which is that of their code points. */
function compareUtf8(a: string, b: string): number {
  const x = [...a]
  const y = [...b]
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const order = (x[i]?.codePointAt(0) ?? 0) - (y[i]?.codePointAt(0) ?? 0)
    if (order !== 0) return order
  }
  return x.length - y.length
}
