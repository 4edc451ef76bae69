import { decodeUtf8 } from '../bytes.js'
import { FormatError, shown } from '../errors.js'
import { bytesSource } from '../vfs/vfs.js'
import { readZipEntry } from '../vfs/zip.js'
import { readZipDirectory } from '../vfs/zip-directory.js'
import { arrayOf, byteLength, type DTypeName, type NamedArray, swapBytes } from './array.js'

const kinds: Readonly<Record<string, DTypeName>> = {
  b1: 'BOOL',
  u1: 'U8',
  i1: 'I8',
  u2: 'U16',
  i2: 'I16',
  f2: 'F16',
  u4: 'U32',
  i4: 'I32',
  f4: 'F32',
  u8: 'U64',
  i8: 'I64',
  f8: 'F64',
  c8: 'C64',
}

/**
 * A NumPy array file (versions 1 to 3; https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). Both byte
 * orders; arrays in Fortran order come out row-major. Object arrays are refused: they hold pickles.
 */
export function readNpy(bytes: Uint8Array, file = 'npy'): NamedArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 10 || view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059) {
    throw new FormatError(file, 'byte 0', '\\x93NUMPY and a version', `${bytes.length} bytes of something else`)
  }
  const version = bytes[6] ?? 0
  if (version < 1 || version > 3) throw new FormatError(file, 'byte 6', 'version 1, 2 or 3', `${version}`)
  const start = version === 1 ? 10 : 12
  if (bytes.length < start) throw new FormatError(file, 'byte 8', 'a header length', 'the end')
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  const dataStart = start + length
  if (dataStart > bytes.length) {
    throw new FormatError(file, 'header length', `at most ${bytes.length - start}`, `${length}`)
  }
  if (length > 65536) throw new FormatError(file, 'header length', 'at most 65536', `${length}`)
  const header = decodeUtf8(bytes.subarray(start, dataStart), file, 'header')
  const { dtype, swap, fortran, shape } = parseHeader(header, file)
  const size = byteLength(dtype, shape)
  if (size !== bytes.length - dataStart) {
    throw new FormatError(
      file,
      'data',
      `${Number.isNaN(size) ? 'less than 2^53' : size} bytes for ${dtype} [${shape.join(', ')}]`,
      `${bytes.length - dataStart}`,
    )
  }
  let part = bytes.subarray(dataStart)
  const width = shape.includes(0) ? 1 : size / shape.reduce((product, extent) => product * extent, 1)
  if (swap) {
    part = part.slice()
    swapBytes(part, dtype === 'C64' ? 4 : width)
  }
  if (fortran && shape.length > 1) part = rowMajor(part, shape, width)
  return { dtype, shape, data: arrayOf(dtype, part) }
}

function parseHeader(header: string, file: string) {
  const fail = (what: string, expected: string): never => {
    throw new FormatError(file, `header ${what}`, expected, shown(header.trim()))
  }
  if (!/^\{[^{}]*\}\s*$/.test(header)) fail('', 'a dictionary')
  const descr = /'descr'\s*:\s*'([<>|=])([a-zA-Z]\d{1,3})'/.exec(header) ?? fail('descr', 'a plain element type')
  const dtype = kinds[descr[2] ?? '']
  if (!dtype) return fail('descr', `one of ${Object.keys(kinds).join(' ')}`)
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header) ?? fail('fortran_order', 'True or False')
  const list = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header) ?? fail('shape', 'a tuple of whole numbers')
  const extents = (list[1] ?? '').split(',').map((part) => part.trim())
  if (extents.at(-1) === '') extents.pop()
  if (extents.length > 32 || extents.some((part) => !/^\d{1,16}$/.test(part))) fail('shape', 'at most 32 whole numbers')
  return { dtype, swap: descr[1] === '>', fortran: order[1] === 'True', shape: extents.map(Number) }
}

function rowMajor(bytes: Uint8Array, shape: readonly number[], width: number): Uint8Array {
  const out = new Uint8Array(bytes.length)
  const strides: number[] = []
  let stride = width
  for (const extent of shape) {
    strides.push(stride)
    stride *= extent
  }
  const index = shape.map(() => 0)
  let from = 0
  for (let to = 0; to < out.length; to += width) {
    for (let b = 0; b < width; b++) out[to + b] = bytes[from + b]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++
      from += strides[axis]!
      if (index[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return out
}

/** The arrays of an `.npz` archive by name, without the `.npy`. */
export async function readNpz(bytes: Uint8Array, file = 'npz'): Promise<Map<string, NamedArray>> {
  const source = bytesSource(bytes, file)
  const arrays = new Map<string, NamedArray>()
  for (const entry of await readZipDirectory(source)) {
    const name = `${file}/${entry.name}`
    arrays.set(entry.name.replace(/\.npy$/, ''), readNpy(await readZipEntry(source, entry), name))
  }
  return arrays
}
