import { littleEndian } from '../bytes.js'

/** Element types by the names that safetensors gives them. */
export type DTypeName =
  | 'BOOL'
  | 'F4'
  | 'F6_E2M3'
  | 'F6_E3M2'
  | 'U8'
  | 'I8'
  | 'F8_E5M2'
  | 'F8_E4M3'
  | 'F8_E8M0'
  | 'F8_E4M3FNUZ'
  | 'F8_E5M2FNUZ'
  | 'I16'
  | 'U16'
  | 'F16'
  | 'BF16'
  | 'I32'
  | 'U32'
  | 'F32'
  | 'C64'
  | 'F64'
  | 'I64'
  | 'U64'

export type ArrayData =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array

/**
 * An array read from or written to a file, row-major. F16 and BF16 are held as their bits in a `Uint16Array` (see
 * {@link decodeHalf}), BOOL and floats of 8 bits or less as bytes, C64 as pairs of floats.
 */
export interface NamedArray {
  readonly dtype: DTypeName
  readonly shape: readonly number[]
  readonly data: ArrayData
}

interface DType {
  readonly bits: number
  readonly make: (buffer: ArrayBuffer, offset: number, bytes: number) => ArrayData
}

const u8: DType['make'] = (buffer, offset, bytes) => new Uint8Array(buffer, offset, bytes)
const u16: DType['make'] = (buffer, offset, bytes) => new Uint16Array(buffer, offset, bytes / 2)
const f32: DType['make'] = (buffer, offset, bytes) => new Float32Array(buffer, offset, bytes / 4)

/** Every dtype, in the order by which safetensors files are laid out (smallest alignment first). */
export const dtypes: Readonly<Record<DTypeName, DType>> = {
  BOOL: { bits: 8, make: u8 },
  F4: { bits: 4, make: u8 },
  F6_E2M3: { bits: 6, make: u8 },
  F6_E3M2: { bits: 6, make: u8 },
  U8: { bits: 8, make: u8 },
  I8: { bits: 8, make: (buffer, offset, bytes) => new Int8Array(buffer, offset, bytes) },
  F8_E5M2: { bits: 8, make: u8 },
  F8_E4M3: { bits: 8, make: u8 },
  F8_E8M0: { bits: 8, make: u8 },
  F8_E4M3FNUZ: { bits: 8, make: u8 },
  F8_E5M2FNUZ: { bits: 8, make: u8 },
  I16: { bits: 16, make: (buffer, offset, bytes) => new Int16Array(buffer, offset, bytes / 2) },
  U16: { bits: 16, make: u16 },
  F16: { bits: 16, make: u16 },
  BF16: { bits: 16, make: u16 },
  I32: { bits: 32, make: (buffer, offset, bytes) => new Int32Array(buffer, offset, bytes / 4) },
  U32: { bits: 32, make: (buffer, offset, bytes) => new Uint32Array(buffer, offset, bytes / 4) },
  F32: { bits: 32, make: f32 },
  C64: { bits: 64, make: f32 },
  F64: { bits: 64, make: (buffer, offset, bytes) => new Float64Array(buffer, offset, bytes / 8) },
  I64: { bits: 64, make: (buffer, offset, bytes) => new BigInt64Array(buffer, offset, bytes / 8) },
  U64: { bits: 64, make: (buffer, offset, bytes) => new BigUint64Array(buffer, offset, bytes / 8) },
}

export function isDType(name: unknown): name is DTypeName {
  return typeof name === 'string' && Object.hasOwn(dtypes, name)
}

export const dtypeNames = Object.keys(dtypes).filter(isDType)

/** Bytes of an array, or NaN where the shape has no exact size in whole bytes below 2^53. */
export function byteLength(dtype: DTypeName, shape: readonly number[]): number {
  let elements = 1
  let overflow = false
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) return Number.NaN
    elements *= extent
    // A later zero makes the product zero again, but formats refuse a product that overflows on the way.
    overflow ||= !Number.isSafeInteger(elements)
  }
  const bits = elements * dtypes[dtype].bits
  return overflow || !Number.isSafeInteger(bits) || bits % 8 !== 0 ? Number.NaN : bits / 8
}

/** The elements of little-endian bytes: a view where the bytes are aligned, a copy otherwise. */
export function arrayOf(dtype: DTypeName, bytes: Uint8Array): ArrayData {
  const { bits, make } = dtypes[dtype]
  const width = dtype === 'C64' ? 4 : Math.max(1, bits / 8)
  const swap = !littleEndian && width > 1
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && bytes.byteOffset % width === 0 && !swap) {
    return make(buffer, bytes.byteOffset, bytes.byteLength)
  }
  const copy = new Uint8Array(bytes)
  if (swap) swapBytes(copy, width)
  return make(copy.buffer, 0, copy.byteLength)
}

/** The little-endian bytes of an array: a view on a little-endian machine. */
export function bytesOf(data: ArrayData): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (littleEndian || data.BYTES_PER_ELEMENT === 1) return bytes
  const copy = new Uint8Array(bytes)
  swapBytes(copy, data.BYTES_PER_ELEMENT)
  return copy
}

export function swapBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; at + width <= bytes.length; at += width) bytes.subarray(at, at + width).reverse()
}

/** Numbers of a float array of 16, 32 or 64 bits as `Float32Array`; a view where they are that already. */
export function toFloat32(array: NamedArray): Float32Array {
  const { dtype, data } = array
  if (dtype === 'F16' && data instanceof Uint16Array) return decodeHalf(data)
  if (dtype === 'BF16' && data instanceof Uint16Array) {
    const bits = new Uint32Array(data.length)
    for (let i = 0; i < data.length; i++) bits[i] = data[i]! << 16
    return new Float32Array(bits.buffer)
  }
  if (dtype === 'F32' && data instanceof Float32Array) return data
  if (dtype === 'F64' && data instanceof Float64Array) return Float32Array.from(data)
  throw new TypeError(`toFloat32 takes F16, BF16, F32 or F64, got ${dtype}`)
}

/** Half-precision bits to numbers. */
export function decodeHalf(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]!
    const exponent = (half >> 10) & 31
    const fraction = half & 1023
    let value: number
    if (exponent === 0) value = fraction * 2 ** -24
    else if (exponent === 31) value = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN
    else value = (1024 + fraction) * 2 ** (exponent - 25)
    values[i] = half & 0x8000 ? -value : value
  }
  return values
}

const floatBits = new Float32Array(1)
const wordBits = new Uint32Array(floatBits.buffer)

/** Numbers to half-precision bits, to nearest, ties to even; beyond 65504 is infinity. */
export function encodeHalf(values: Float32Array): Uint16Array {
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) {
    floatBits[0] = values[i]!
    const word = wordBits[0]!
    const sign = (word >>> 16) & 0x8000
    const magnitude = word & 0x7fffffff
    if (magnitude > 0x7f800000) bits[i] = sign | 0x7e00
    else if (magnitude >= 0x477ff000) bits[i] = sign | 0x7c00
    else if (magnitude >= 0x38800000)
      bits[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
    else {
      // Subnormal: count steps of 2^-24; the scaled value is exact, so one rounding to even is left.
      const scaled = Math.abs(values[i]!) * 2 ** 24
      const floor = Math.floor(scaled)
      const rest = scaled - floor
      bits[i] = sign | (floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0))
    }
  }
  return bits
}
