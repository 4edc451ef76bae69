// Just enough of two file formats to read the fixtures.
import { readFileSync } from 'node:fs'

/** Float and uchar columns of the first element of a binary little-endian PLY, as [rows, names.length]. */
export function readPly(path: string, names: readonly string[] = ['x', 'y', 'z']): Float32Array {
  const bytes = readFileSync(path)
  const start = bytes.indexOf('end_header\n') + 'end_header\n'.length
  const header = bytes.toString('latin1', 0, start)
  const rows = Number(/element vertex (\d+)/.exec(header)?.[1])
  const offsets = new Map<string, number>()
  let stride = 0
  for (const [, type, name = ''] of header.matchAll(/property (float|uchar) (\S+)/g)) {
    offsets.set(name, stride)
    stride += type === 'float' ? 4 : 1
  }
  const columns = names.map((name) => offsets.get(name) ?? Number.NaN)
  return Float32Array.from({ length: rows * names.length }, (_, i) =>
    bytes.readFloatLE(start + Math.floor(i / names.length) * stride + (columns[i % names.length] ?? 0)),
  )
}

/** The elements of a version 1 .npy file in C order. */
export function readNpy(path: string): Float32Array | Int32Array | Uint8Array {
  const bytes = readFileSync(path)
  const start = 10 + bytes.readUInt16LE(8)
  const data = bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length)
  const type = /'descr': '([^']+)'/.exec(bytes.toString('latin1', 0, start))?.[1]
  if (type === '<f4') return new Float32Array(data)
  if (type === '<i4') return new Int32Array(data)
  if (type === '|u1') return new Uint8Array(data)
  throw new Error(`${path}: ${type}`)
}
