// Reads the few kinds of .npy files that the reference data has.
import { readFileSync } from 'node:fs'
import { fromF16 } from '@clipgstream/tensor'

/** The numbers of a little-endian float16, float32 or int32 array in C order. */
export function readNpy(path: string): { shape: number[]; values: Float64Array } {
  const bytes = readFileSync(path)
  const headerLength = bytes.readUInt16LE(8)
  const header = bytes.toString('latin1', 10, 10 + headerLength)
  const dtype = /'descr': *'([^']+)'/.exec(header)?.[1]
  const shape = (/'shape': *\(([^)]*)\)/.exec(header)?.[1] ?? '').split(',').filter((part) => part.trim())
  if (bytes.toString('latin1', 1, 6) !== 'NUMPY' || bytes[6] !== 1 || !header.includes("'fortran_order': False")) {
    throw new Error(`${path} is not a version 1 npy file in C order`)
  }
  const body = bytes.subarray(10 + headerLength)
  const extents = shape.map(Number)
  const size = extents.reduce((product, extent) => product * extent, 1)
  const read = {
    '<f2': (i: number) => fromF16(body.readUInt16LE(2 * i)),
    '<f4': (i: number) => body.readFloatLE(4 * i),
    '<i4': (i: number) => body.readInt32LE(4 * i),
  }[dtype ?? '']
  if (!read) throw new Error(`${path} has dtype ${dtype}`)
  return { shape: extents, values: Float64Array.from({ length: size }, (_, i) => read(i)) }
}
